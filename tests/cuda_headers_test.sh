#!/bin/sh
# Where the headers for a LibTorch with CUDA are found, in made folders.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
here=$(cd "$(dirname "$0")/.." && pwd)
give_up() { echo "$1"; cat "$folder/log"; exit 1; }
cat >"$folder/find.cmake" <<CMAKE
include($here/cmake/CudaHeaders.cmake)
pixelclip_cuda_headers("\${torch}" found missing)
message("found: \${found}; missing: \${missing}.")
CMAKE
find_headers() { # TORCH VARIABLE=VALUE...
  torch=$1
  shift
  env -u CUDA_HOME -u CUDA_PATH -u CUDAToolkit_ROOT -u NCCL_ROOT -u NCCL_HOME "$@" \
    cmake -Dtorch="$torch" -DPIXELCLIP_CUDA_PATHS= -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF -P "$folder/find.cmake" >"$folder/log" 2>&1
}
make_headers() { # FOLDER HEADER...
  mkdir -p "$1"
  into=$1
  shift
  for header; do
    mkdir -p "$(dirname "$into/$header")"
    : >"$into/$header"
  done
}
cuda='cuda_runtime_api.h cublas_v2.h cusparse.h cusolverDn.h crt/host_config.h'

make_headers "$folder/site/nvidia/cu13/include" $cuda
make_headers "$folder/site/nvidia/nccl/include" nccl.h
mkdir -p "$folder/site/torch" "$folder/libtorch"
find_headers "$folder/site/torch"
grep -q "cu13/include;.*nccl/include; missing: \.$" "$folder/log" || give_up "the wheel's headers were not found"

make_headers "$folder/toolkit/include" $cuda
find_headers "$folder/libtorch" CUDA_HOME="$folder/toolkit"
grep -q "found: ; missing: .*nccl.h\.$" "$folder/log" || give_up "a missing NCCL was not named"
make_headers "$folder/nccl/include" nccl.h
find_headers "$folder/libtorch" CUDA_HOME="$folder/toolkit" NCCL_ROOT="$folder/nccl"
grep -q "toolkit/include;$folder/nccl/include; missing: \.$" "$folder/log" || give_up "the toolkit's headers were not found"
