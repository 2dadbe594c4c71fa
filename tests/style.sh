#!/bin/sh
# Checks the format of all sources, the layers and the shell scripts. --fix formats. --tidy [BRANCH] also runs clang-tidy on
# the sources that differ from BRANCH (default origin/main), --tidy-all on all of src. Both need what tools/setup.sh installs.
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
case "${1:-}" in
  --tidy)
    base=$(git merge-base HEAD "${2:-origin/main}") || { echo "style: there is no ${2:-origin/main} to compare with" >&2; exit 2; }
    changed=$(git diff --name-only --diff-filter=d "$base" -- 'src/*.cpp')
    ;;
  --tidy-all) changed=$(git ls-files 'src/*.cpp') ;;
  *) changed= ;;
esac
if [ -n "$changed" ]; then
  command -v clang-tidy-$version >/dev/null ||
    { echo "style: clang-tidy $version is needed: sudo apt-get install clang-tidy-$version" >&2; exit 2; }
  # The database must name single sources. Nothing is built, so clang finds no precompiled headers of GCC.
  cmake -S . -B build-tidy -G Ninja -DPIXELCLIP_UNITY=OFF -DPIXELCLIP_TESTS=OFF >/dev/null
  # Sources for other dependencies are not in the database.
  for source in $changed; do
    grep -q "\"file\": \"$PWD/$source\"" build-tidy/compile_commands.json && echo "$source"
  done | xargs -r -n 1 -P "$(nproc)" clang-tidy-$version -p build-tidy --quiet
fi
echo "style: all is well"
