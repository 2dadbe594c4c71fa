#!/bin/sh
# Checks the format of all sources, the layers and the shell scripts. --fix formats. --tidy also runs clang-tidy on all of
# src, which needs what tools/setup.sh installs and takes some minutes.
set -eu
cd "$(dirname "$0")/.."

version=14  # other versions of clang-format break lines elsewhere
format=
for name in clang-format-$version clang-format; do
  if command -v "$name" >/dev/null && "$name" --version | grep -q "version $version\."; then format=$name; break; fi
done
[ -n "$format" ] || { echo "style: clang-format $version is needed: sudo apt-get install clang-format-$version" >&2; exit 2; }

sources() { git ls-files '*.cpp' '*.hpp' '*.cu'; }
if [ "${1:-}" = "--fix" ]; then
  sources | xargs "$format" -i
  exit
fi
sources | xargs "$format" --dry-run --Werror
sh tests/layers_test.sh
git ls-files '*.sh' | while read -r script; do sh -n "$script"; done
if command -v hadolint >/dev/null; then hadolint Dockerfile; fi
if [ "${1:-}" = "--tidy" ]; then
  for tool in clang-tidy clang; do
    command -v $tool-$version >/dev/null ||
      { echo "style: $tool $version is needed: sudo apt-get install $tool-$version" >&2; exit 2; }
  done
  # Clang precompiles LibTorch's headers, and sources are checked some at a time, as they are compiled.
  cmake -S . -B build-tidy -G Ninja -DCMAKE_CXX_COMPILER=clang++-$version -DPIXELCLIP_TESTS=OFF >/dev/null
  ninja -C build-tidy pixelclip_torch_pch >/dev/null
  # The library hides its symbols; the headers were precompiled without that.
  sed -n 's/^ *"file": "\(.*\.c[px][px]\)",*$/\1/p' build-tidy/compile_commands.json | grep -v 'torch_pch\|/python/' |
    xargs -n 1 -P "$(nproc)" clang-tidy-$version -p build-tidy --quiet --extra-arg=-fvisibility=default \
      --extra-arg=-fno-visibility-inlines-hidden
fi
echo "style: all is well"
