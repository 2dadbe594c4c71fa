#!/bin/sh
# Scores MODEL.WEIGHTS (default OUTPUT_DIR/model_final.pth) on every set of TEST.PROTOCOL; what follows OUTPUT_DIR wins:
# sh eval.sh CONFIG NUM_GPUS OUTPUT_DIR [KEY VALUE ...]
set -eu
if [ $# -lt 3 ]; then
  echo "usage: sh eval.sh CONFIG NUM_GPUS OUTPUT_DIR [MODEL.WEIGHTS FILE] [KEY VALUE ...]" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
config=$1 gpus=$2 output=$3
shift 3

sh "$here/tools/setup.sh"
exec "$here/build/pixelclip" eval --config-file "$config" --num-gpus "$gpus" \
  MODEL.WEIGHTS "$output/model_final.pth" OUTPUT_DIR "$output" "$@"
