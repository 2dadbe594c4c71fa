#!/bin/sh
# Tests of the readers and the program's work on a small demo world under sanitizers: sh tests/sanitized_run.sh [asan|tsan]
# asan: addresses and undefined behaviour (the default); tsan: races. The first report of a sanitizer ends it.
# LibTorch itself is not built with them: leaks (it keeps memory to the end) and types across its border are not looked at.
set -eu
cd "$(dirname "$0")/.."
preset=${1:-asan}
build=build-$preset
sh tools/setup.sh -n
[ -e "$build/build.ninja" ] || cmake --preset "$preset" >/dev/null
ninja -C "$build" pixelclip io_test image_test data_test

folder=$(mktemp -d)
server=
# shellcheck disable=SC2317 # the trap calls it
clean_up() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || :
  rm -rf "$folder"
}
trap clean_up EXIT
export ASAN_OPTIONS="halt_on_error=1:detect_leaks=0:detect_stack_use_after_return=1:exitcode=99:max_allocation_size_mb=4096"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
# LibTorch takes locks whose release is not seen; the search for deadlocks counts them as held and overflows.
export TSAN_OPTIONS="halt_on_error=0:exitcode=99:detect_deadlocks=0:ignore_noninstrumented_modules=1:suppressions=$PWD/tests/tsan.supp"
export DETECTRON2_DATASETS="$folder" SAM_DATASETS="$folder" HOME="$folder" OMP_NUM_THREADS=1
pixelclip=$build/pixelclip
python=.deps/venv/bin/python
log=$folder/log
cat >"$folder/config.yaml" <<YAML
_BASE_: "$PWD/configs/demo.yaml"
SOLVER: {IMS_PER_BATCH: 4, MAX_ITER: 3, CHECKPOINT_PERIOD: 2}
TEST: {EVAL_PERIOD: 2, BEST_METRIC: "mIoU", VIS_IMAGES: 2}
VIS_PERIOD: 2
YAML

give_up() {
  echo "$1"
  tail -n 60 "$log"
  exit 1
}
# step WHAT STATUSES COMMAND...: the command's exit status must be among the STATUSES.
step() {
  what=$1 statuses=$2
  shift 2
  status=0
  timeout 900 "$@" >"$log" 2>&1 || status=$?
  if grep -q 'ERROR: AddressSanitizer\|runtime error: \|WARNING: ThreadSanitizer' "$log"; then
    give_up "$what: a sanitizer has found something"
  fi
  case " $statuses " in *" $status "*) ;; *) give_up "$what: exit status $status instead of $statuses" ;; esac
  echo "clean: $what"
}
train() { # WHAT STATUSES OUTPUT ARGUMENTS...
  what=$1 statuses=$2 output=$3
  shift 3
  step "$what" "$statuses" $pixelclip train --config-file "$folder/config.yaml" "$@" OUTPUT_DIR "$folder/$output"
}

for layer in io image data; do step "tests of $layer" 0 $build/tests/${layer}_test; done
step "demo world and small CLIP" 0 $pixelclip demo --photos 128 --scenes 16 --validation 6
train "training with evaluations" 0 out
train "resuming" 0 out --resume SOLVER.MAX_ITER 5
train "two ranks" 0 two --num-gpus 2 SOLVER.MAX_ITER 2 SOLVER.ACCUMULATE_STEPS 2
train "two ranks go on from one" 0 out --resume --num-gpus 2 SOLVER.MAX_ITER 6
train "float16" 0 float16 SOLVER.MAX_ITER 2 SOLVER.AMP.ENABLED True SOLVER.AMP.DTYPE float16
train "augmentation, the whole encoder trained" 0 augmented SOLVER.MAX_ITER 2 INPUT.STRONG_AUG True INPUT.COLOR_AUG_SSD True \
  MODEL.SEM_SEG_HEAD.CLIP_FINETUNE full
$python - "$folder/dino.pth" <<'PYTHON'
import sys, torch
torch.manual_seed(0)
names = {"cls_token": (1, 1, 64), "pos_embed": (1, 17, 64), "patch_embed.proj.weight": (64, 3, 16, 16), "patch_embed.proj.bias": (64,),
         "norm.weight": (64,), "norm.bias": (64,)}
for i in range(2):
    for name, shape in {"norm1.weight": (64,), "norm1.bias": (64,), "norm2.weight": (64,), "norm2.bias": (64,),
                        "attn.qkv.weight": (192, 64), "attn.qkv.bias": (192,), "attn.proj.weight": (64, 64), "attn.proj.bias": (64,),
                        "mlp.fc1.weight": (256, 64), "mlp.fc1.bias": (256,), "mlp.fc2.weight": (64, 256), "mlp.fc2.bias": (64,)}.items():
        names[f"blocks.{i}.{name}"] = shape
torch.save({name: torch.randn(shape) / 8 for name, shape in names.items()}, sys.argv[1])
PYTHON
train "masks from DINO" 0 dino SOLVER.MAX_ITER 2 MODEL.DINO True MODEL.DINO_WEIGHTS "$folder/dino.pth"
weights="MODEL.WEIGHTS $folder/out/model_final.pth"
# shellcheck disable=SC2086 # words, not one name
{
  step "scoring with a report" 0 $pixelclip eval --config-file "$folder/config.yaml" $weights OUTPUT_DIR "$folder/scores"
  step "scoring on two ranks, windows, sizes, refinement" 0 $pixelclip eval --config-file "$folder/config.yaml" --num-gpus 2 $weights \
    OUTPUT_DIR "$folder/scores2" TEST.SLIDING_WINDOW.ENABLED True TEST.AUG.ENABLED True TEST.REFINE pamr TEST.BACKGROUND.MODE threshold
}
# A signal saves, and what waits for others ends.
$pixelclip train --config-file "$folder/config.yaml" OUTPUT_DIR "$folder/stopped" SOLVER.MAX_ITER 100000 TEST.EVAL_PERIOD 0 >"$log" 2>&1 &
program=$!
for _ in $(seq 1200); do
  [ -e "$folder/stopped/metrics.json" ] && [ "$(wc -l <"$folder/stopped/metrics.json")" -ge 2 ] && break
  sleep 0.1
done
kill -TERM $program
step "a signal saves" 0 sh -c "tail --pid=$program -f /dev/null; cat '$folder/stopped/last_checkpoint'"
step "a signal ends the waiting" 143 env RANK=0 WORLD_SIZE=2 MASTER_PORT=29517 timeout --preserve-status 8 $pixelclip train \
  --config-file "$folder/config.yaml" OUTPUT_DIR "$folder/waiting"

mkdir "$folder/pictures"
cp "$folder"/demo/images/validation/*_[01].jpg "$folder/pictures"
$python - "$folder/pictures" <<'PYTHON'
import struct, sys, zlib
folder = sys.argv[1]
def png(path, width, height, depth, colour, rows):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    open(f"{folder}/{path}", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
png("one_pixel.png", 1, 1, 8, 2, b"\0abc")
png("wide.png", 700, 2, 8, 2, (b"\0" + bytes(range(250)) * 8 + bytes(100)) * 2)
png("grey16.png", 9, 7, 16, 0, (b"\0" + bytes(range(18))) * 7)
png("alpha.png", 8, 8, 8, 6, (b"\4" + bytes(range(32))) * 8)
jpeg = open(sorted(__import__("glob").glob(folder + "/*.jpg"))[0], "rb").read()
open(folder + "/cut.jpg", "wb").write(jpeg[: len(jpeg) // 2])
open(folder + "/no_end.jpg", "wb").write(jpeg[:-2])
for i in range(8):
    broken = bytearray(jpeg)
    for k in range(6): broken[(i * 977 + k * 3571) % len(jpeg)] ^= 0x5A
    open(f"{folder}/broken_{i}.jpg", "wb").write(broken)
open(folder + "/empty.jpg", "wb").write(b"")
PYTHON
words="grass; ball, sphere; sky"
step "segmenting odd pictures" "0 1" $pixelclip segment "$folder/pictures" --names "$words" --weights "$folder/out/model_final.pth" \
  --out "$folder/segmented" --logits --background 0.1
step "features of odd pictures" "0 1" $pixelclip features "$folder/pictures" --names "$words" --weights "$folder/out/model_final.pth" \
  --out "$folder/features.safetensors"
step "masks of odd pictures" "0 1" $pixelclip masks "$folder/pictures" --out "$folder/masks" --dino-weights "$folder/dino.pth" \
  --short-side 64 --clusters 3
step "doctor" "0 1" $pixelclip doctor --config-file "$folder/config.yaml" demo_train demo_val
step "plot" 0 $pixelclip plot "$folder/out" "$folder/two" -o "$folder/curves.html"

$pixelclip serve --weights "$folder/out/model_final.pth" --port 0 --public-url https://lab.example.org/words/ >"$folder/serve.log" 2>&1 &
server=$!
for _ in $(seq 600); do
  grep -q 'listening at http' "$folder/serve.log" && break
  sleep 0.1
done
step "requests to the server" 0 $python - "$folder/serve.log" "$folder/pictures" <<'PYTHON'
import glob, json, re, sys, threading, urllib.error, urllib.request
root = re.search(r"listening at (http://\S+:\d+)/", open(sys.argv[1]).read())[1]
def ask(path, body):
    try:
        return json.load(urllib.request.urlopen(root + path, body, timeout=300))
    except urllib.error.HTTPError as error:
        return json.load(error)
def visit(file):
    sent = ask("/words/api/images", open(file, "rb").read())
    if "image" not in sent: return print(file, sent["error"])
    for names in (["grass", "ball, sphere"], ["sky"]):
        print(ask("/api/segment", json.dumps({"image": sent["image"], "names": names, "rle": True, "background": 0.1}).encode())["classes"])
        print(ask("/api/point", json.dumps({"image": sent["image"], "names": names, "x": 0, "y": 0}).encode()))
    for body in (b"", b"{", b"[]", b'{"image": 1}', b'{"background": 1e400}', b"\xff" * 100): ask("/api/segment", body)
threads = [threading.Thread(target=visit, args=(file,)) for file in glob.glob(sys.argv[2] + "/*")]
for thread in threads: thread.start()
for thread in threads: thread.join()
PYTHON
kill -TERM $server
status=0
wait $server || status=$?
server=
cp "$folder/serve.log" "$log"
grep -q 'ERROR: AddressSanitizer\|runtime error: \|WARNING: ThreadSanitizer' "$log" && give_up "serve: a sanitizer has found something"
[ $status = 143 ] || give_up "serve: exit status $status after SIGTERM"
echo "clean: serve"

step "writing odd checkpoints" 0 $python tests/odd_checkpoints.py "$folder/weights" "$folder/out/model_final.pth"
for file in "$folder"/weights/*/*; do
  step "inspect $(basename "$file")" "0 1" $pixelclip inspect "$file"
done
for file in "$folder"/weights/odd/*; do
  step "convert $(basename "$file")" "0 1" $pixelclip convert "$file" "$folder/converted.safetensors"
done
echo "no sanitizer ($preset) has found anything"
