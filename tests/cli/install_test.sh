#!/bin/sh
# Installs the build in the folder $1, moves it, and builds and runs the example against it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$1" --prefix "$folder/installed" >"$folder/log"
mv "$folder/installed" "$folder/moved"
cmake -S examples -B "$folder/build" -DCMAKE_PREFIX_PATH="$folder/moved" >>"$folder/log"
cmake --build "$folder/build" >>"$folder/log"

expect() { # TEXT COMMAND...
  text=$1
  shift
  "$@" >"$folder/out" 2>&1 || true
  grep -q "$text" "$folder/out" || { echo "expected '$text' from: $*"; cat "$folder/out"; exit 1; }
}
expect 'none.pth' "$folder/build/find_words" none.pth none.jpg dog
"$folder/moved/bin/pixelclip" --help >"$folder/out"
version=$("$folder/moved/bin/pixelclip" --version)
grep -q "PIXELCLIP_VERSION \"${version#pixelclip }\"" "$folder/moved/include/pixelclip/version.hpp" ||
  { echo "the program says $version, version.hpp another version"; exit 1; }
[ "$(nm -DC --defined-only "$folder"/moved/lib*/libpixelclip.so* "$folder"/moved/lib/*/libpixelclip.so* 2>/dev/null |
  grep -c 'pixelclip::Segmenter')" = 0 ] || { echo "the library shows internals"; exit 1; }

shared=${PIXELCLIP_SHARED:-../shared}
if [ ! -e "$shared/golden/vit/model.pth" ]; then
  echo "no ../shared folder here: the example was built but not run with weights"
  exit 0
fi
picture=$(find "$shared/data/sa1b_mini/images" -name '*.jpg' | head -n 1)
expect 'dog: .* % of the picture, cosine' "$folder/build/find_words" "$shared/golden/vit/model.pth" "$picture" dog grass
