#!/bin/sh
# Checks the format of all sources, the layers and the shell scripts. --fix formats; --tidy also runs clang-tidy on the
# sources that differ from the main branch (needs a build folder).
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
  base=$(git merge-base HEAD "${2:-origin/main}")
  git diff --name-only --diff-filter=d "$base" -- 'src/*.cpp' | xargs -r clang-tidy-$version -p build --quiet
fi
echo "style: all is well"
