#!/bin/sh
# Shows on a machine with GPUs what no CPU can show: equality with the CPU, determinism, NCCL, speed and memory.
# usage: tests/gpu.sh [OUT]               builds here and runs all stages; results go to OUT (default output/gpu)
#        tests/gpu.sh --pack FILE         writes one archive (.tar.xz) for a machine without this project's libraries
#        tests/gpu.sh --run FILE [OUT]    unpacks such an archive beside itself and runs it there
# A second call with the same OUT repeats only the stages that failed. LibTorch of an archive's machine is that of
# PIXELCLIP_TORCH_DIR or of python3's torch. PIXELCLIP_GPU_DEVICE=cpu runs the same stages without a GPU, to test them.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
fail() { echo "gpu.sh: $*" >&2; exit 1; }

# --- Packing ---------------------------------------------------------------------------------------------------------

# The libraries that a program needs beside LibTorch, CUDA and the C library.
small_libraries() {
  ldd "$@" | awk '$3 ~ /^\// {print $3}' | sort -u |
    grep -vE '/(torch|nvidia)/|/(libc|libm|libdl|libpthread|librt|libresolv|ld-linux[^/]*)\.so'
}

pack() {
  archive=$1
  sh "$here/tools/setup.sh" all
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
  root=$staging/pixelclip-gpu
  mkdir -p "$root/bin" "$root/lib" "$root/tests" "$root/.deps"
  cp "$here/build/pixelclip" "$here/build/tests/gpu_test" "$root/bin/"
  small_libraries "$root"/bin/* | while read -r library; do cp -L "$library" "$root/lib/"; done
  strip --strip-unneeded "$root"/bin/* "$root"/lib/* 2>/dev/null || true
  cp -r "$here/configs" "$here/datasets" "$root/"
  rm -rf "$root/datasets/demo" "$root/datasets/demo.lock"
  cp -r "$here/tests/golden" "$root/tests/"
  cp "$here/tests/gpu.sh" "$root/tests/"
  cp "$here/.deps/bpe_simple_vocab_16e6.txt.gz" "$root/.deps/"
  tar -C "$staging" -cf - pixelclip-gpu | xz -T0 -6 >"$archive"
  size=$(($(wc -c <"$archive") / 1000000))
  echo "gpu.sh: $archive, $size MB"
  [ "$size" -le 60 ] || fail "the archive is larger than 60 MB"
}

# --- Surroundings ----------------------------------------------------------------------------------------------------

find_torch() {
  if [ -n "${PIXELCLIP_TORCH_DIR:-}" ]; then echo "$PIXELCLIP_TORCH_DIR"; return; fi
  for found in "$here"/.deps/venv/lib/python3*/site-packages/torch; do
    if [ -d "$found" ]; then echo "$found"; return; fi
  done
  python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null ||
    fail "LibTorch was not found: name its folder in PIXELCLIP_TORCH_DIR"
}

set_up() {
  cd "$here"
  if [ -x bin/pixelclip ]; then  # an unpacked archive
    program=$here/bin/pixelclip tests=$here/bin/gpu_test
  else
    sh tools/setup.sh all
    program=$here/build/pixelclip tests=$here/build/tests/gpu_test
  fi
  torch=$(find_torch)
  export LD_LIBRARY_PATH="$here/lib:$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export PIXELCLIP_GPU_DEVICE="${PIXELCLIP_GPU_DEVICE:-cuda}"
  "$program" --version >/dev/null || fail "the program does not start with the LibTorch in $torch"
  gpus=0
  if [ "$PIXELCLIP_GPU_DEVICE" = cuda ]; then
    gpus=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | wc -l)
    [ "$gpus" -gt 0 ] || fail "there is no GPU here (nvidia-smi lists none)"
  fi
}

# --- Stages ----------------------------------------------------------------------------------------------------------

passed=0 failed=0
# stage NAME COMMAND…: runs it unless an earlier call did so with success; its output is OUT/NAME.log.
stage() {
  name=$1
  shift
  if [ -e "$out/$name.ok" ]; then
    passed=$((passed + 1))
    return
  fi
  begin=$(date +%s)
  if "$@" >"$out/$name.log" 2>&1; then
    touch "$out/$name.ok"
    passed=$((passed + 1))
    state=passed
  else
    failed=$((failed + 1))
    state=FAILED
  fi
  echo "$name: $state in $(($(date +%s) - begin)) s"
}

machine() {
  date
  if [ "$gpus" -gt 0 ]; then nvidia-smi; fi
  echo "LibTorch: $torch"
  "$program" doctor || true
}

# train FOLDER GPUS KEY VALUE …: a short training of the demo.
train() {
  folder=$1 ranks=$2
  shift 2
  "$program" train --config-file configs/demo.yaml --num-gpus "$ranks" OUTPUT_DIR "$folder" \
    MODEL.DEVICE "$PIXELCLIP_GPU_DEVICE" SOLVER.MAX_ITER 12 SOLVER.CHECKPOINT_PERIOD 6 TEST.EVAL_PERIOD 0 "$@"
}

losses() { sed -n 's/.*"loss_masks": *\([^,}]*\).*/\1/p' "$1/metrics.json"; }

twice_the_same() {
  for run in 1 2; do
    rm -rf "$out/same$run"
    train "$out/same$run" 1 CUDNN_DETERMINISTIC True || return 1
  done
  losses "$out/same1" >"$out/same1.losses"
  losses "$out/same2" >"$out/same2.losses"
  [ -s "$out/same1.losses" ] && cmp "$out/same1.losses" "$out/same2.losses"
}

ranks() {
  rm -rf "$out/ranks$1"
  train "$out/ranks$1" "$1"
}

# A killed rank ends the run with its number; a resumed run goes on from the last checkpoint.
kill_and_resume() {
  rm -rf "$out/killed"
  "$program" train --config-file configs/demo.yaml --num-gpus "$1" OUTPUT_DIR "$out/killed" \
    MODEL.DEVICE "$PIXELCLIP_GPU_DEVICE" SOLVER.MAX_ITER 100000 SOLVER.CHECKPOINT_PERIOD 5 TEST.EVAL_PERIOD 0 &
  run=$!
  while [ ! -e "$out/killed/last_checkpoint" ]; do
    kill -0 $run 2>/dev/null || return 1
    sleep 1
  done
  pkill -KILL -P $run || kill -KILL $run
  if wait $run; then
    echo "the run ended with status 0 although a rank was killed"
    return 1
  fi
  train "$out/killed" "$1" SOLVER.MAX_ITER 40 --resume
}

bench_train() {
  backbone=$1 images=$2 precision=$3
  case $precision in
    tf32) keys="FLOAT32_PRECISION high" ;;
    bf16) keys="SOLVER.AMP.ENABLED True SOLVER.AMP.DTYPE bfloat16" ;;
    fp16) keys="SOLVER.AMP.ENABLED True SOLVER.AMP.DTYPE float16" ;;
  esac
  # shellcheck disable=SC2086 # the keys are several words
  "$program" bench train --backbone "$backbone" --images "$images" --steps "${PIXELCLIP_GPU_STEPS:-10}" \
    --json "$out/train-$backbone-$images-$precision.json" MODEL.DEVICE "$PIXELCLIP_GPU_DEVICE" $keys
}

bench_scoring() {
  "$program" bench eval --device "$PIXELCLIP_GPU_DEVICE" --pictures "${PIXELCLIP_GPU_PICTURES:-64}" --rounds 2 \
    --json "$out/scoring.json"
}

sanitize_kernel() {
  command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not installed"; return 0; }
  compute-sanitizer --error-exitcode 1 "$tests" --gtest_filter='Device.ArgmaxKernel*'
}

run_stages() {
  out=$1
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  set_up
  stage machine machine
  stage device "$tests"
  stage sanitizer sanitize_kernel
  stage determinism twice_the_same
  stage ranks1 ranks 1
  if [ "$gpus" -gt 1 ]; then
    stage "ranks$gpus" ranks "$gpus"
    stage "resume$gpus" kill_and_resume "$gpus"
  fi
  stage resume1 kill_and_resume 1
  for backbone in vit_base convnext_base; do
    for images in ${PIXELCLIP_GPU_IMAGES:-12 48}; do
      for precision in tf32 bf16 fp16; do
        stage "train-$backbone-$images-$precision" bench_train $backbone "$images" $precision
      done
    done
  done
  stage scoring bench_scoring
  {
    for log in "$out"/*.log; do
      echo "=== $(basename "$log" .log)$([ -e "${log%.log}.ok" ] || echo ': FAILED')"
      cat "$log"
    done
  } >"$out/result.txt"
  echo "gpu.sh: $passed stages passed, $failed failed; $out/result.txt holds everything"
  [ "$failed" -eq 0 ]
}

case ${1:-} in
  --pack)
    [ $# -eq 2 ] || fail "usage: tests/gpu.sh --pack FILE"
    pack "$2"
    ;;
  --run)
    [ $# -ge 2 ] || fail "usage: tests/gpu.sh --run FILE [OUT]"
    folder=$(cd "$(dirname "$2")" && pwd)
    tar -C "$folder" -xf "$2"
    exec sh "$folder/pixelclip-gpu/tests/gpu.sh" "${3:-$folder/pixelclip-gpu/output}"
    ;;
  -*) fail "unknown option $1" ;;
  *) run_stages "${1:-output/gpu}" ;;
esac
