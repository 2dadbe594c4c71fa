#!/bin/sh
# Every include of a layer names itself or a layer that CMakeLists.txt lets it see.
set -eu
sed -n 's/^pixelclip_layer(\([a-z]*\)\(.*\))$/\1 \2/p' CMakeLists.txt | awk '
  {
    sees[$1] = " " $1 " "
    depends = 0
    for (i = 2; i <= NF; i++) {
      if ($i == "DEPENDS") depends = 1
      else if ($i == "LINK" || $i == "TORCH") depends = 0
      else if (depends) sees[$1] = sees[$1] sees[$i]
    }
    layers[++count] = $1
  }
  END {
    for (l = 1; l <= count; l++) {
      layer = layers[l]
      command = "grep -rno \"#include \\\"pixelclip/[a-z]*/\" src/" layer " include/pixelclip/" layer " 2>/dev/null"
      while ((command | getline line) > 0) {
        seen++
        target = line
        sub(/.*"pixelclip\//, "", target)
        sub(/\//, "", target)
        if (index(sees[layer], " " target " ") == 0) { print line ": " layer " must not see " target; bad = 1 }
      }
      close(command)
    }
    if (seen < 100) { print "only " seen + 0 " includes found"; bad = 1 }
    exit bad
  }'
