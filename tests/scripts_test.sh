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
grep -q 'goes without scores.*ade20k_150' "$log" || give_up "training should say that DATASETS.TEST is absent"
grep -q 'copypaste:' "$log" || give_up "no line for spreadsheets"
grep -q 'leaving out ade20k_150_test_sem_seg' "$log" || give_up "absent sets should be named"
python3 - "$folder/out/eval/results.json" <<'PYTHON' || give_up "results.json is not as it should be"
import json, sys
scores = json.load(open(sys.argv[1]))["voc_2012_test_sem_seg"]["sem_seg"]
assert all(0 <= scores[key] <= 100 for key in ("mIoU", "fwIoU", "mACC", "pACC", "IoU-cat")), scores
PYTHON
# A second call trains no more and scores again from what the first one left.
# shellcheck disable=SC2086
sh run.sh $vit 1 "$folder/out" $tiny >"$log" 2>&1 || give_up "the second run.sh failed"
grep -q 'nothing to train' "$log" || give_up "the second run.sh should have nothing to train"
echo "run.sh, eval.sh and their refusals are as described"
