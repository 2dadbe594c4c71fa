#!/bin/sh
# Compares encode + segment through Python with the C++ library: sh tests/overhead.sh WEIGHTS IMAGE [ROUNDS]. Both run
# in turn, five times each; the medians of processor time are compared, so that other jobs matter little.
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { echo "usage: sh tests/overhead.sh WEIGHTS IMAGE [ROUNDS]" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
torch=$(echo "$PWD"/.deps/venv/lib/python3*/site-packages/torch/lib)
c++ -std=c++20 -O2 -Iinclude tests/python/overhead.cpp -o "$folder/overhead" build/libpixelclip.so \
  -Wl,-rpath,"$PWD/build" -Wl,-rpath-link,"$torch"
for _ in 1 2 3 4 5; do
  "$folder/overhead" "$1" "$2" "${3:-10}" 2>/dev/null | tail -n +2 >>"$folder/cpp"
  PYTHONPATH=build/python .deps/venv/bin/python tests/python/overhead.py "$1" "$2" "${3:-10}" |
    tail -n +2 >>"$folder/python"
done
median() { sort -g "$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
cpp=$(median "$folder/cpp") python=$(median "$folder/python")
echo "C++ $cpp s, Python $python s, ratio $(echo "$python $cpp" | awk '{printf "%.3f", $1 / $2}')"
