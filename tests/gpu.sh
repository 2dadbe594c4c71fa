#!/bin/sh
# Shows on a machine with GPUs what no CPU can show: equality with the CPU, determinism, NCCL, speed and memory.
# usage: sh tests/gpu.sh [OPTIONS] [OUT]                builds and runs all stages; OUT (default output/gpu) gets the results
#        sh tests/gpu.sh --pack ARCHIVE                 makes one archive for a machine that has LibTorch but not our libraries
#        sh tests/gpu.sh --run ARCHIVE [OPTIONS] [OUT]  unpacks such an archive beside it and runs all stages
# options: --device NAME  cuda (default) or cpu    --quick  smallest sizes, to try the script itself
# The archive's script, pixelclip-gpu/gpu.sh, takes [OPTIONS] [OUT] as well. It uses the LibTorch in $PIXELCLIP_TORCH_DIR
# or $LIBTORCH, else the torch of python3. A second call with the same OUT runs only what has not passed yet.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
packed=yes
[ -e "$here/bin/gpu_test" ] || { packed=no here=$(dirname "$here"); }
device=cuda quick=no
fail() { echo "gpu.sh: $*" >&2; exit 1; }

# --- The archive ---

# The libraries of programs but those of LibTorch, CUDA and the C library.
small_libraries() { # PROGRAM...
  ldd "$@" | awk '$3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(torch|nvidia)/|/(libc|libm|libdl|libpthread|librt|libutil|libresolv|ld-linux[^/]*)\.so'
}

pack() { # ARCHIVE
  [ $packed = no ] || fail "this is an archive's script; --pack works in the source tree"
  archive=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") || fail "there is no folder $(dirname "$1")"
  cd "$here"
  sh tools/setup.sh gpu_test
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
  root=$staging/pixelclip-gpu
  data=$root/share/pixelclip
  mkdir -p "$root/bin" "$root/lib" "$data/tests"
  strip -o "$root/bin/pixelclip" build/pixelclip
  strip -o "$root/bin/gpu_test" build/tests/gpu/gpu_test
  small_libraries build/pixelclip build/tests/gpu/gpu_test | while read -r library; do cp -L "$library" "$root/lib/"; done
  cp -r configs "$data/"
  mkdir "$data/datasets"
  cp datasets/*.json "$data/datasets/"
  cp -r tests/golden "$data/tests/"
  cp .deps/bpe_simple_vocab_16e6.txt.gz "$data/"
  cp tests/gpu.sh "$root/"
  torch=$(ldd build/pixelclip | sed -n 's|.*=> \(.*\)/lib/libtorch_cpu.so .*|\1|p')
  torch_version "$torch" >"$root/torch_version"
  tar -C "$staging" -czf "$archive" pixelclip-gpu
  size=$(($(wc -c <"$archive") / 1000000))
  echo "gpu.sh: $archive, $size MB, for LibTorch $(cat "$root/torch_version")"
  [ "$size" -le 60 ] || fail "the archive is larger than 60 MB"
}

# --- What the machine has ---

# Of a LibTorch folder, without a local part such as +cu130.
torch_version() { # FOLDER
  if [ -e "$1/version.py" ]; then
    sed -n "s/^__version__ = '\([^'+]*\).*/\1/p" "$1/version.py"
  else
    sed 's/+.*//' "$1/build-version" 2>/dev/null || :
  fi
}

find_torch() {
  torch=${PIXELCLIP_TORCH_DIR:-${LIBTORCH:-}}
  if [ -z "$torch" ]; then
    torch=$(python3 -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null) ||
      fail "LibTorch was not found: python3 has no torch; install torch==$(cat "$here/torch_version"), or name a folder in LIBTORCH"
  fi
  [ -e "$torch/lib/libtorch_cpu.so" ] || fail "there is no LibTorch in $torch: lib/libtorch_cpu.so is missing"
  wanted=$(cat "$here/torch_version") found=$(torch_version "$torch")
  [ "$found" = "$wanted" ] ||
    fail "the LibTorch in $torch is version ${found:-unknown}, but the archive was built with $wanted: install torch==$wanted, or name another folder in LIBTORCH"
}

set_up() {
  libraries=${LD_LIBRARY_PATH:-}
  if [ $packed = yes ]; then
    find_torch
    program=$here/bin/pixelclip tests=$here/bin/gpu_test files=$here/share/pixelclip
    libraries=$here/lib:$torch/lib${libraries:+:$libraries}
  else
    (cd "$here" && sh tools/setup.sh gpu_test)
    program=$here/build/pixelclip tests=$here/build/tests/gpu/gpu_test files=$here
  fi
  cd "$files"
  message=$(with_libraries "$program" --version 2>&1) || fail "the program does not start: $message"
  message=$(with_libraries "$tests" --gtest_list_tests 2>&1) || fail "$(echo "$message" | tail -n 1)"
}

# --- Stages ---

with_libraries() {
  env LD_LIBRARY_PATH="$libraries" PIXELCLIP_TEST_DEVICE="$device" PIXELCLIP_TEST_PROGRAM="$program" \
    PIXELCLIP_TEST_FILES="$files" "$@"
}

passed=0 failed=0
stages=
# Runs COMMAND unless it has passed in an earlier call. Its output is OUT/NAME.log, its outcome OUT/NAME.state.
stage() { # NAME COMMAND...
  name=$1
  shift
  stages="$stages $name"
  if grep -q '^passed' "$out/$name.state" 2>/dev/null; then
    passed=$((passed + 1))
    return
  fi
  begun=$(date +%s)
  with_libraries timeout -k 10 "$limit" "$@" >"$out/$name.log" 2>&1 &
  child=$!
  status=0
  wait $child || status=$?
  child=
  case $status in
    0) state=passed ;;
    124 | 137) state="FAILED: stopped after $limit s" ;;
    *) state="FAILED with status $status" ;;
  esac
  # A result: that much does not fit.
  if [ "$state" != passed ] && grep -qi 'out of .*memory' "$out/$name.log"; then state='passed: out of memory'; fi
  case $state in passed*) passed=$((passed + 1)) ;; *) failed=$((failed + 1)) ;; esac
  echo "$state ($(($(date +%s) - begun)) s)" >"$out/$name.state"
  echo "gpu.sh: $name: $(cat "$out/$name.state")"
}

stop() {
  [ -z "${child:-}" ] || kill -TERM "$child" 2>/dev/null || :
  fail "interrupted; the same command goes on with ${name:-the first stage}"
}

run_tests() { stage "$1" "$tests" --gtest_filter="$2"; } # NAME FILTER

bench_train() { # BACKBONE IMAGES PRECISION
  case $3 in
    tf32) keys="FLOAT32_PRECISION high" ;;
    bf16) keys="SOLVER.AMP.ENABLED True SOLVER.AMP.DTYPE bfloat16" ;;
    fp16) keys="SOLVER.AMP.ENABLED True SOLVER.AMP.DTYPE float16" ;;
  esac
  # shellcheck disable=SC2086 # words, not one name
  stage "train-$1-$2-$3" "$program" bench train --backbone "$1" --images "$2" --steps "$steps" \
    --json "$out/train-$1-$2-$3.json" $timeline MODEL.DEVICE "$device" $keys $small
}

sanitize() {
  if [ "$device" != cuda ]; then return; fi
  for sanitizer in compute-sanitizer /usr/local/cuda/bin/compute-sanitizer none; do
    if command -v "$sanitizer" >/dev/null; then break; fi
  done
  if [ "$sanitizer" = none ]; then
    echo "gpu.sh: compute-sanitizer is not installed, so the kernel is not examined"
    return
  fi
  stage sanitizer "$sanitizer" --error-exitcode 1 "$tests" --gtest_filter='ArgmaxKernel.*'
}

all_stages() {
  # shellcheck disable=SC2016 # for the inner shell
  stage machine sh -c '"$1" doctor; nvidia-smi || echo "there is no nvidia-smi"' sh "$program"
  others='FeaturesOnAGpu.*:ArgmaxKernel.*:*GoldenModel.*:*StepOnAGpu.*:Nccl.*:TrainingOnAGpu.*'
  inference='ScoringOnAGpu.*:CommandsOnAGpu.*:Scoring.*:Segmenter.*:SegmenterTest.*'
  run_tests features 'FeaturesOnAGpu.*:ArgmaxKernel.*'
  run_tests golden '*GoldenModel.*'
  run_tests step '*StepOnAGpu.*:Nccl.*'
  run_tests training 'TrainingOnAGpu.*'
  run_tests inference "$inference"
  run_tests layers "-$others:$inference"
  sanitize
  for backbone in vit_base convnext_base; do
    for images in $batches; do
      for precision in $precisions; do
        timeline=
        [ "$precision" != bf16 ] || timeline="--timeline $out/timeline-$backbone-$images.json"
        bench_train $backbone "$images" "$precision"
      done
    done
  done
  stage scoring "$program" bench eval --published-sets --device "$device" --images "$scored" --rounds 3 \
    --json "$out/scoring.json"
}

# --- The result ---

figure() { tr -d ' \n' <"$out/$1.json" | sed -n "s/.*\"$2\":{[^}]*\"value\":\([^,}]*\).*/\1/p"; } # FILE KEY

training_table() {
  echo '| training | images | precision | images/s | step, s | memory, GiB | waiting for data, % | launches | waits |'
  echo '|---|---|---|---|---|---|---|---|---|'
  for backbone in vit_base convnext_base; do
    for images in $batches; do
      for precision in $precisions; do
        bench=train-$backbone-$images-$precision
        if ! grep -q '^passed (' "$out/$bench.state"; then
          echo "| $backbone | $images | $precision | $(cat "$out/$bench.state") | | | | | |"
          continue
        fi
        memory=$(figure "$bench" gpu_memory)
        echo "$backbone $images $precision $(figure "$bench" images_per_second) $(figure "$bench" step)" \
          "${memory:-$(figure "$bench" memory)} $(figure "$bench" data_share) $(figure "$bench" operations)" \
          "$(figure "$bench" synchronized)" |
          awk '{ printf "| %s | %s | %s | %.2f | %.3f | %.1f | %.1f | %d | %d |\n", $1, $2, $3, $4, $5, $6 / 1024, 100 * $7, $8, $9 }'
      done
    done
  done
}

scoring_table() {
  echo '| scoring, ViT-B/16 | images/s, float32 | bfloat16 |'
  echo '|---|---|---|'
  for set in coco_stuff ade20k context cityscapes voc; do
    echo "$set $(figure scoring "${set}_float32") $(figure scoring "${set}_bfloat16")" |
      awk '{ printf "| %s | %.1f | %.1f |\n", $1, $2, $3 }'
  done
}

write_result() {
  {
    echo "# PixelCLIP on $device, $(date -u +%Y-%m-%d)"
    echo
    # shellcheck disable=SC2016 # Markdown
    echo '`pixelclip doctor` and nvidia-smi below name the machine. float32 is TF32 where a GPU has it.'
    echo
    echo '| stage | outcome |'
    echo '|---|---|'
    for name in $stages; do echo "| $name | $(cat "$out/$name.state") |"; done
    echo
    training_table
    echo
    [ ! -e "$out/scoring.json" ] || scoring_table
    echo
    for name in $stages; do
      printf '## %s\n```\n' "$name"
      cat "$out/$name.log"
      # shellcheck disable=SC2016 # Markdown
      printf '```\n'
    done
  } >"$out/result.md"
}

run() { # [OPTIONS] [OUT]
  while [ $# -gt 0 ]; do
    case $1 in
      --device) [ $# -gt 1 ] || fail "--device needs a name"; device=$2; shift ;;
      --quick) quick=yes ;;
      -*) fail "there is no option $1; the first lines of $0 list them" ;;
      *) out=$1 ;;
    esac
    shift
  done
  case $device in cuda | cpu) ;; *) fail "the device is $device; expected cuda or cpu" ;; esac
  out=${out:-$here/output/gpu}
  mkdir -p "$out" || fail "$out cannot be made"
  out=$(cd "$out" && pwd)
  trap stop INT TERM HUP
  set_up
  batches="12 48" precisions="tf32 bf16 fp16" steps=10 scored=64 small='' limit=200
  [ "$device" != cpu ] || { precisions="tf32 bf16" limit=900; }  # no processor computes in float16
  if [ $quick = yes ]; then
    batches=1 steps=1 scored=1 small="MODEL.CLIP_RESOLUTION (64,64) MODEL.MASK_RESOLUTION (64,64)"
  fi
  setting="device $device, quick $quick, program $(cksum <"$program")"
  if [ -e "$out/setting" ] && [ "$(cat "$out/setting")" != "$setting" ]; then
    fail "$out holds results of another device or program; name another folder, or remove it"
  fi
  echo "$setting" >"$out/setting"
  started=$(date +%s)
  all_stages
  write_result
  echo "gpu.sh: $passed stages passed, $failed failed, $(($(date +%s) - started)) s; $out/result.md holds all of it"
  [ $failed -eq 0 ]
}

case ${1:-} in
  --pack)
    [ $# -eq 2 ] || fail "usage: sh tests/gpu.sh --pack ARCHIVE"
    pack "$2"
    ;;
  --run)
    [ $# -ge 2 ] || fail "usage: sh tests/gpu.sh --run ARCHIVE [OPTIONS] [OUT]"
    [ -e "$2" ] || fail "there is no file $2"
    folder=$(cd "$(dirname "$2")" && pwd)
    tar -C "$folder" -xzf "$2" || fail "$2 cannot be unpacked in $folder"
    shift 2
    exec sh "$folder/pixelclip-gpu/gpu.sh" "$@"
    ;;
  *) run "$@" ;;
esac
