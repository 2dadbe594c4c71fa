#!/bin/sh
# tests/gpu.sh as in an unpacked archive whose programs are stand-ins: what it refuses, that it goes on where it stopped, and
# its table.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log
root=$folder/pixelclip-gpu
mkdir -p "$root/bin" "$root/lib" "$root/share/pixelclip" "$folder/torch/lib" "$folder/bin"
cp tests/gpu.sh "$root/"
echo 2.11.0 >"$root/torch_version"
echo "__version__ = '2.11.0+cu130'" >"$folder/torch/version.py"
: >"$folder/torch/lib/libtorch_cpu.so"
cat >"$root/bin/pixelclip" <<'PROGRAM'
#!/bin/sh
echo "pixelclip $*" >>"$CALLS"
case "$*" in
  *"--images 48"*bfloat16*) echo "out of GPU memory: lower SOLVER.IMS_PER_BATCH" >&2; exit 1 ;;
esac
while [ $# -gt 0 ]; do
  if [ "$1" = --json ]; then
    echo '{"figures": {"images_per_second": {"unit": "images/s", "value": 12.5}, "step": {"unit": "s", "value": 0.96},
      "memory": {"unit": "MiB", "value": 2048.0}, "data_share": {"unit": "", "value": 0.015},
      "voc_float32": {"unit": "images/s", "value": 33.3}}}' >"$2"
  fi
  shift
done
PROGRAM
cat >"$root/bin/gpu_test" <<'PROGRAM'
#!/bin/sh
echo "gpu_test $*" >>"$CALLS"
[ ! -e "$FAULTS/no_gpu" ] || { echo "gpu_test: the device cuda cannot be used: no NVIDIA driver is loaded" >&2; exit 1; }
case "$*" in
  *Golden*=* | *=*Golden*) case "$*" in *-Features*) ;; *) [ ! -e "$FAULTS/golden" ] || exit 1 ;; esac ;;
  *=*StepOnAGpu*) if [ -e "$FAULTS/slow" ]; then sleep 30; fi ;;
esac
PROGRAM
printf '#!/bin/sh\nexit 1\n' >"$folder/bin/python3"
chmod +x "$root"/bin/* "$folder/bin/python3"
export CALLS="$folder/calls" FAULTS="$folder/faults"
mkdir "$FAULTS"

give_up() { echo "$1"; cat "$log"; exit 1; }
run() { env "PATH=$folder/bin:$PATH" PIXELCLIP_TORCH_DIR= sh "$root/gpu.sh" "$@" >"$log" 2>&1; }
refuses() { # TEXT ARGUMENTS...
  text=$1
  shift
  if run "$@"; then give_up "should have failed: $*"; fi
  if [ "$(wc -l <"$log")" != 1 ] || ! grep -q -- "$text" "$log"; then give_up "expected the sentence '$text' from: $*"; fi
}

refuses 'python3 has no torch; install torch==2.11.0' --device cpu "$folder/out"
export LIBTORCH="$folder/none"
refuses 'there is no LibTorch in' --device cpu "$folder/out"
export LIBTORCH="$folder/torch"
echo "__version__ = '2.10.0'" >"$folder/torch/version.py"
refuses 'is version 2.10.0, but the archive was built with 2.11.0' --device cpu "$folder/out"
echo "__version__ = '2.11.0+cu130'" >"$folder/torch/version.py"
: >"$FAULTS/no_gpu"
refuses 'the device cuda cannot be used: no NVIDIA driver is loaded' "$folder/out"
rm "$FAULTS/no_gpu"
refuses 'expected cuda or cpu' --device tpu "$folder/out"
refuses 'no option --fast' --fast "$folder/out"
refuses 'works in the source tree' --pack "$folder/archive.tar.gz"
if sh tests/gpu.sh --run "$folder/none.tar.gz" >"$log" 2>&1; then give_up "an archive that is not there"; fi
grep -q 'there is no file' "$log" || give_up "an archive that is not there should be named"

# Interrupted in its fourth stage.
: >"$FAULTS/slow"
env "PATH=$folder/bin:$PATH" sh "$root/gpu.sh" --device cpu "$folder/out" >"$log" 2>&1 &
script=$!
for _ in $(seq 600); do
  ! grep -q StepOnAGpu "$CALLS" || break
  sleep 0.05
done
kill -TERM $script
if wait $script; then give_up "an interrupted run should fail"; fi
grep -q 'interrupted; the same command goes on with step' "$log" || give_up "the interruption should be told"
rm "$FAULTS/slow"

# It goes on with that stage; a failed one is told and tried again by the next call.
: >"$CALLS"
: >"$FAULTS/golden"
rm "$folder/out/golden.state"
if run --device cpu "$folder/out"; then give_up "a failed stage should show in the status"; fi
grep -q '1 failed' "$log" || give_up "the number of failed stages"
grep -q 'filter=FeaturesOnAGpu' "$CALLS" && give_up "a stage that had passed ran again"
grep -q '^| golden | FAILED with status 1' "$folder/out/result.md" || give_up "the table of stages"
rm "$FAULTS/golden"
: >"$CALLS"
run --device cpu "$folder/out" || give_up "the last call should pass"
[ "$(grep -c 'filter=' "$CALLS")" = 1 ] || give_up "only the failed stage should run again"
grep -q '^| layers | passed' "$folder/out/result.md" || give_up "the stage of the layers' own tests"
grep -q '^| vit_base | 12 | tf32 | 12.50 | 0.960 | 2.0 | 1.5 | 0 | 0 |$' "$folder/out/result.md" || give_up "the table of training"
grep -q '^| vit_base | 48 | bf16 | passed: out of memory' "$folder/out/result.md" || give_up "out of memory is a result"
grep -q '^| voc | 33.3 |' "$folder/out/result.md" || give_up "the table of scoring"
refuses 'holds results of another device or program' --device cpu --quick "$folder/out"
echo "tests/gpu.sh refuses, goes on and reports as described"
