#!/bin/sh
# run.sh and eval.sh as a user calls them, on a tiny model and real files, and what they say of bad input.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log

give_up() {
  echo "$1"
  cat "$log"
  exit 1
}
# A command that must fail and say TEXT in one line that begins with "error".
refuses() { # TEXT COMMAND...
  text=$1
  shift
  if "$@" >"$log" 2>&1; then give_up "should have failed: $*"; fi
  grep -q -- "$text" "$log" || give_up "expected '$text' from: $*"
}

refuses 'usage: sh run.sh' sh run.sh
refuses 'usage: sh run.sh' sh run.sh configs/demo.yaml 1
refuses 'usage: sh eval.sh' sh eval.sh configs/demo.yaml

vit=configs/pixelclip_vit_base.yaml
pixelclip=build/pixelclip
refuses 'no_such.yaml' $pixelclip train --config-file no_such.yaml OUTPUT_DIR "$folder/x"
refuses 'did you mean SOLVER.BASE_LR' $pixelclip train --config-file $vit SOLVER.BASE_LRR 1 OUTPUT_DIR "$folder/x"
refuses 'no_such.pth' $pixelclip train --config-file $vit MODEL.WEIGHTS no_such.pth OUTPUT_DIR "$folder/x"
refuses 'no weights of' env HOME="$folder" $pixelclip train --config-file $vit OUTPUT_DIR "$folder/x"

refuses 'run tools/download_weights.sh' $pixelclip train --config-file $vit MODEL.WEIGHTS https://host/a/model.pth OUTPUT_DIR "$folder/x"
# Weights are looked at before the demo's world is made, which takes a minute.
echo 'no weights' >"$folder/text.pth"
refuses 'text.pth' $pixelclip train --config-file configs/demo.yaml MODEL.WEIGHTS "$folder/text.pth" DATASETS.ROOT "$folder/demo_root" OUTPUT_DIR "$folder/x"
refuses 'no weights of' env HOME="$folder" $pixelclip train --config-file configs/demo.yaml MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED ViT-B/16 \
  DATASETS.ROOT "$folder/demo_root" OUTPUT_DIR "$folder/x"
[ ! -e "$folder/demo_root/demo" ] || give_up "the demo's world was made before the weights were looked at"

# Published weights are fetched by name; a curl of our own notes what is asked for.
mkdir "$folder/bin"
cat >"$folder/bin/curl" <<CURL
#!/bin/sh
while [ "\$1" != --output ]; do shift; done
: >"\$2"
echo "\$3" >>"$folder/asked"
CURL
chmod +x "$folder/bin/curl"
PATH="$folder/bin:$PATH" sh tools/download_weights.sh "$folder/weights" pixelclip_vit_base pixelclip_convnext_base_dino.pth >"$log" 2>&1 || give_up "fetching by name failed"
for name in pixelclip_vit_base pixelclip_convnext_base_dino; do
  [ -f "$folder/weights/$name.pth" ] || give_up "$name is not there"
done
[ "$(cat "$folder/asked")" = "https://huggingface.co/hsshin98/PixelCLIP/resolve/main/weights/pixelclip_vit_base.pth
https://huggingface.co/hsshin98/PixelCLIP/resolve/main/weights/pixelclip_convnext_base_dino.pth" ] || give_up "asked for: $(cat "$folder/asked")"
PATH="$folder/bin:$PATH" sh tools/download_weights.sh "$folder/weights" pixelclip >"$log" 2>&1 || give_up "fetching all four failed"
[ -f "$folder/weights/pixelclip_vit_base_dino.pth" ] || give_up "pixelclip should mean all four models"
[ "$(wc -l <"$folder/asked")" = 4 ] || give_up "what is there should not be fetched again"
: >"$folder/asked"
PATH="$folder/bin:$PATH" sh tools/download_weights.sh "$folder/weights" dino_vitb8 dinov2_vits14 dinov2_vitb14_reg >"$log" 2>&1 || give_up "fetching helpers failed"
[ "$(cat "$folder/asked")" = "https://dl.fbaipublicfiles.com/dino/dino_vitbase8_pretrain/dino_vitbase8_pretrain.pth
https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth
https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth" ] || give_up "asked for: $(cat "$folder/asked")"
refuses 'neither an address nor one of' env PATH="$folder/bin:$PATH" sh tools/download_weights.sh "$folder/weights" pixelclip_vit_bas

shared=${PIXELCLIP_SHARED:-../shared}
if [ ! -e "$shared/golden/vit/model.pth" ]; then
  echo "no ../shared folder here: only usage and refusals were tried"
  exit 0
fi
mkdir -p "$folder/sets/VOCdevkit/VOC2012" "$folder/empty"
cp -r "$shared"/data/voc_mini/VOCdevkit/VOC2012/* "$folder/sets/VOCdevkit/VOC2012"
chmod -R u+w "$folder/sets"
export DETECTRON2_DATASETS="$folder/sets" SAM_DATASETS="$shared/data/sa1b_mini"
tiny="MODEL.DEVICE cpu MODEL.WEIGHTS $shared/golden/vit/model.pth MODEL.SEM_SEG_HEAD.NUM_CLASSES 8
MODEL.CLIP_RESOLUTION (96,96) MODEL.MASK_RESOLUTION (48,48) INPUT.MIN_SIZE_TRAIN (160,) INPUT.CROP.SIZE (128,128)
INPUT.SIZE_DIVISIBILITY 128 SOLVER.MAX_ITER 3 SOLVER.IMS_PER_BATCH 2 DATALOADER.NUM_WORKERS 2
TEST.PROMPT_ENSEMBLE_TYPE single"

# shellcheck disable=SC2086 # words, not one name
{
  refuses 'annotations' env SAM_DATASETS="$folder/empty" $pixelclip train --config-file $vit $tiny OUTPUT_DIR "$folder/x"
  refuses 'multiple of 4 ranks' $pixelclip train --config-file $vit $tiny --num-gpus 4 OUTPUT_DIR "$folder/x"
  refuses 'cannot' $pixelclip train --config-file $vit $tiny OUTPUT_DIR /proc/no_such_folder
  refuses 'SegmentationClass\|coco' env DETECTRON2_DATASETS="$folder/empty" $pixelclip eval --config-file $vit $tiny OUTPUT_DIR "$folder/x"
  echo '["a", "b"]' >"$folder/two.json"
  refuses 'classes' $pixelclip train --eval-only --config-file $vit $tiny OUTPUT_DIR "$folder/x" \
    DATASETS.TEST '("voc_2012_test_sem_seg",)' MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON "$folder/two.json"

  # What the command line says of DATASETS.TEST replaces the protocol, of which VOC is on disk.
  refuses 'ADEChallengeData2016' $pixelclip eval --config-file $vit $tiny OUTPUT_DIR "$folder/x" DATASETS.TEST '("ade20k_150_test_sem_seg",)'

  $pixelclip prepare voc --root "$folder/sets" >"$log" 2>&1 || give_up "prepare voc failed"
  sh run.sh $vit 1 "$folder/out" $tiny >"$log" 2>&1 || give_up "run.sh failed"
}
for file in model_final.pth last_checkpoint metrics.json log.txt config.yaml eval/results.json \
  eval/inference/voc_2012_test_sem_seg/sem_seg_predictions.json; do
  [ -s "$folder/out/$file" ] || give_up "$file is missing"
done
[ "$(wc -l <"$folder/out/metrics.json")" = 3 ] || give_up "metrics.json should hold 3 lines"
grep -q 'training without evaluation.*ade20k_150' "$log" || give_up "training should say that DATASETS.TEST is absent"
grep -q 'copypaste:' "$log" || give_up "no line for spreadsheets"
grep -q 'skipping ade20k_150_test_sem_seg' "$log" || give_up "absent sets should be named"
python3 - "$folder/out/eval/results.json" <<'PYTHON' || give_up "results.json is not as it should be"
import json, sys
scores = json.load(open(sys.argv[1]))["voc_2012_test_sem_seg"]["sem_seg"]
assert all(0 <= scores[key] <= 100 for key in ("mIoU", "fwIoU", "mACC", "pACC", "IoU-cat")), scores
PYTHON
grep -q 'CLIP before training' "$log" && give_up "trained weights are no plain CLIP"
# --eval-only --resume scores the newest checkpoint, though MODEL.WEIGHTS names another file; the folder keeps its configuration.
cp "$folder/out/config.yaml" "$folder/config.yaml"
# shellcheck disable=SC2086
{
  $pixelclip train --eval-only --resume --config-file $vit $tiny DATASETS.TEST '("voc_2012_test_sem_seg",)' \
    MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON datasets/voc20.json OUTPUT_DIR "$folder/out" >"$log" 2>&1 || give_up "--eval-only --resume failed"
  grep -q "weights from $folder/out/model_final.pth" "$log" || give_up "--eval-only --resume should score the newest checkpoint"
  cmp -s "$folder/config.yaml" "$folder/out/config.yaml" || give_up "scoring should leave the training run's configuration"
  # Plain CLIP is scored, and named as such in log, table and files.
  $pixelclip convert "$shared/golden/vit/model.pth" "$folder/clip.pth" --only encoder >"$log" 2>&1 || give_up "convert failed"
  $pixelclip eval --resume --config-file $vit $tiny MODEL.WEIGHTS "$folder/clip.pth" TEST.PROTOCOL '("voc_2012_test_sem_seg",)' \
    OUTPUT_DIR "$folder/plain" >"$log" 2>&1 || give_up "eval of a plain CLIP failed"
}
grep -q 'has no checkpoint; scoring .*clip.pth' "$log" || give_up "eval --resume should say what it scores without a checkpoint"
grep -q 'scoring CLIP before training' "$log" || give_up "the log should name plain CLIP"
for file in results.md results.json report.html; do
  grep -q 'CLIP before training\|"clip_before_training":true' "$folder/plain/eval/$file" || give_up "$file should name plain CLIP"
done
# A second call trains no more and scores again from what the first one left.
# shellcheck disable=SC2086
sh run.sh $vit 1 "$folder/out" $tiny >"$log" 2>&1 || give_up "the second run.sh failed"
grep -q 'nothing to train' "$log" || give_up "the second run.sh should have nothing to train"

# tune searches on half of a set and writes a configuration for eval.sh.
# shellcheck disable=SC2086
{
  small="$tiny DATASETS.ROOT $folder/sets"
  refuses 'did you mean method' $pixelclip tune --config-file $vit --set voc_2012_test_sem_seg --keys metod $small OUTPUT_DIR "$folder/tuned"
  $pixelclip tune --config-file $vit --set voc_2012_test_sem_seg --images 8 --keys method,templates --rounds 1 $small \
    OUTPUT_DIR "$folder/tuned" >"$log" 2>&1 || give_up "tune failed"
  grep -q 'belongs to TEST.PROTOCOL' "$log" || give_up "tune should warn of a set that is reported"
  for file in tuned.yaml tuning.json tuning.md results.json report.html; do
    [ -s "$folder/tuned/$file" ] || give_up "tune should write $file"
  done
  sh eval.sh "$folder/tuned/tuned.yaml" 1 "$folder/tuned" $small TEST.PROTOCOL '("voc_2012_test_sem_seg",)' >"$log" 2>&1 ||
    give_up "eval.sh of the tuned configuration failed"
  if grep -q TUNED_ON "$folder/tuned/tuned.yaml"; then
    grep -q 'images of this set chose the configuration' "$folder/tuned/eval/results.md" || give_up "results.md should mark the set that was searched"
  fi
  $pixelclip compare --config-file $vit --methods pixelclip,vanilla,naclip --sets voc_2012_test_sem_seg $small OUTPUT_DIR "$folder/compared" >"$log" 2>&1 ||
    give_up "compare failed"
  [ "$(grep -c '^| ' "$folder/compared/results.md")" = 4 ] || give_up "compare should write a row a method"
}

# A signal to run.sh reaches the training, which saves; nothing is scored.
# shellcheck disable=SC2086
sh run.sh $vit 1 "$folder/stopped" $tiny SOLVER.MAX_ITER 100000 >"$log" 2>&1 &
script=$!
for _ in $(seq 600); do
  [ -e "$folder/stopped/metrics.json" ] && [ "$(wc -l <"$folder/stopped/metrics.json")" -ge 2 ] && break
  sleep 0.1
done
kill -TERM $script
status=0
wait $script || status=$?
[ $status = 0 ] || give_up "run.sh ended with status $status after a signal"
[ -s "$folder/stopped/last_checkpoint" ] || give_up "a signal to run.sh saved no checkpoint"
grep -q 'training stopped before its end' "$log" || give_up "run.sh should say that training stopped"
echo "run.sh, eval.sh and their refusals are as described"
