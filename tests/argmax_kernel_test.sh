#!/bin/sh
# The argmax kernel compiles, and without fused products, so that ties between classes fall as on the CPU.
# argmax_kernel_test.sh NVCC BUILD
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
here=$(cd "$(dirname "$0")/.." && pwd)
grep 'argmax_kernel\.cu' "$2/compile_commands.json" | grep -q -e '-fmad=false' || { echo "the build lacks -fmad=false"; exit 1; }
fused() { # FLAG
  "$1" -ptx -std=c++17 -arch=sm_90 "$2" -I "$here/src" -o "$folder/kernel.ptx" "$here/src/inference/argmax_kernel.cu"
  grep -c 'fma\.rn\.f32' "$folder/kernel.ptx" || true
}
with=$(fused "$1" -fmad=true)
without=$(fused "$1" -fmad=false)
[ "$without" -eq 0 ] || { echo "the kernel has $without fused products"; exit 1; }
[ "$with" -gt 0 ] || { echo "this test does not find fused products"; exit 1; }
