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

# The program deals with signals: it saves what there is to save. Ctrl-C on a terminal reaches it anyway.
child=
stopped=
hand_on() { # SIGNAL STATUS
  stopped=yes
  [ -n "$child" ] || exit "$2"
  [ "$1" = INT ] && [ -t 0 ] || kill -s "$1" "$child" 2>/dev/null || :
}
trap 'hand_on TERM 143' TERM
trap 'hand_on INT 130' INT
trap 'hand_on USR1 138' USR1
trap 'hand_on HUP 129' HUP
run() { # COMMAND...
  "$@" <&0 &
  child=$!
  status=0
  wait "$child" || status=$?
  while kill -0 "$child" 2>/dev/null; do  # a signal ends the waiting, not the program
    status=0
    wait "$child" || status=$?
  done
  child=
  return "$status"
}

run sh "$here/tools/setup.sh"
run "$here/build/pixelclip" train --config-file "$config" --num-gpus "$gpus" --resume OUTPUT_DIR "$output" "$@"
if [ -n "$stopped" ] || [ ! -e "$output/model_final.pth" ]; then
  echo "training stopped before its end; the same command goes on" >&2
  exit 0
fi
# A MODEL.WEIGHTS among the arguments is where training started; what it made is scored.
run sh "$here/eval.sh" "$config" "$gpus" "$output" "$@" MODEL.WEIGHTS "$output/model_final.pth"
