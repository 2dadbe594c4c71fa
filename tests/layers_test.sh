#!/bin/sh
# The includes of each layer name itself or a layer that CMakeLists.txt lists for it, and each listed layer is included. Each
# listed layer is declared before.
set -eu
sed -n '/^pixelclip_layer(/,/)/p' CMakeLists.txt | tr '\n' ' ' | sed 's/pixelclip_layer(/\n/g' | tr -d ')' | awk '
  NF {
    layer = $1
    layers[++count] = layer
    declared[layer] = 1
    depends = 0
    for (i = 2; i <= NF; i++) {
      if ($i == "DEPENDS") depends = 1
      else if ($i == "LINK" || $i == "TORCH" || $i == "O3") depends = 0
      else if (depends) {
        if (!($i in declared) || $i == layer) { print layer " depends on " $i ", which is not below it"; bad = 1 }
        unused[layer, $i] = 1
        sees[layer, $i] = 1
      }
    }
  }
  END {
    for (l = 1; l <= count; l++) {
      layer = layers[l]
      command = "grep -rnoE \"#include \\\"[a-z]+/\" src/" layer
      while ((command | getline line) > 0) {
        target = line
        sub(/.*"/, "", target)
        sub(/\//, "", target)
        if (!(target in declared) || target == layer) continue
        seen++
        delete unused[layer, target]
        if (!((layer, target) in sees)) { print line ": " layer " must not include " target; bad = 1 }
      }
      close(command)
    }
    for (edge in unused) { split(edge, ends, SUBSEP); print ends[1] " lists " ends[2] " but never includes it"; bad = 1 }
    if (seen < 100) { print "only " seen + 0 " includes found"; bad = 1 }
    exit bad
  }'
