#!/bin/sh
# Compares this program with the public implementation, running on the CPU beside it: class scores, evaluation, training from
# disk, checkpoints in both directions, configs, data set names, tokens, DINO masks. Ends with status 77 where the public code
# is not installed, and says so.
# usage: PIXELCLIP_PUBLIC_DIR=… DETECTRON2_DIR=… [PIXELCLIP_PUBLIC_PYTHON=…] tests/public_parity.sh [--true-size] [--only NAME...]
#   PIXELCLIP_PUBLIC_DIR     a checkout of cvlab-kaist/PixelCLIP (commit 42f5c9c)
#   DETECTRON2_DIR           a checkout of facebookresearch/detectron2 (commit 02b5c4e), not built
#   PIXELCLIP_PUBLIC_PYTHON  a Python that has what docs/differences.md lists (default: python3)
# --true-size takes ViT-B/16 and convnext_base_w_320 (20 minutes on two cores) instead of tiny models; NAME is one of
# configs names tokens scores evaluation training order exchange published dino intended; the last one measures what
# docs/differences.md lists, and fails nothing.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)

skip() {
  echo "public_parity: skipped, nothing was compared: $1" >&2
  exit 77
}
python=${PIXELCLIP_PUBLIC_PYTHON:-python3}
[ -n "${PIXELCLIP_PUBLIC_DIR:-}" ] || skip "PIXELCLIP_PUBLIC_DIR does not name a checkout of the public PixelCLIP"
[ -n "${DETECTRON2_DIR:-}" ] || skip "DETECTRON2_DIR does not name a checkout of detectron2"
[ -f "$PIXELCLIP_PUBLIC_DIR/train_net.py" ] || skip "there is no $PIXELCLIP_PUBLIC_DIR/train_net.py"
[ -d "$DETECTRON2_DIR/detectron2" ] || skip "there is no $DETECTRON2_DIR/detectron2"
needed="torch, torchvision, open_clip, timm, fast_pytorch_kmeans, fvcore, iopath, omegaconf, pycocotools, einops, safetensors, cv2, scipy, yaml"
"$python" -c "import $needed" 2>/dev/null || skip "$python lacks one of $needed"

program=${PIXELCLIP_PROGRAM:-$tree/build/pixelclip}
[ -x "$program" ] || {
  echo "public_parity: there is no $program; build it first (sh tools/setup.sh)" >&2
  exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PYTHONDONTWRITEBYTECODE=1 "$python" -W ignore "$tree/tests/public_parity/checks.py" "$program" "$tree" "$folder" "$@" 2>"$folder.log" || {
  status=$?
  tail -n 40 "$folder.log" >&2
  rm -f "$folder.log"
  exit $status
}
rm -f "$folder.log"
