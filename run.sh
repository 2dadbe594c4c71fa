#!/bin/sh
# Trains, then scores: sh run.sh CONFIG NUM_GPUS OUTPUT_DIR [KEY VALUE ...]
set -eu
if [ $# -lt 3 ]; then
  echo "usage: sh run.sh CONFIG NUM_GPUS OUTPUT_DIR [KEY VALUE ...]" >&2
  echo "example: sh run.sh configs/demo.yaml 1 output/demo" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
config=$1 gpus=$2 output=$3
shift 3

sh "$here/tools/setup.sh"
"$here/build/pixelclip" train --config-file "$config" --num-gpus "$gpus" --resume OUTPUT_DIR "$output" "$@"
if [ ! -e "$output/model_final.pth" ]; then
  echo "training stopped before its end; the same command goes on" >&2
  exit 0
fi
# A MODEL.WEIGHTS among the arguments is where training started; what it made is scored.
sh "$here/eval.sh" "$config" "$gpus" "$output" "$@" MODEL.WEIGHTS "$output/model_final.pth"
