#!/bin/sh
# Compares this program's encoders, text tower and tokeniser at true size (ViT-B/16, convnext_base_w_320,
# random weights) with open_clip's, which gets a virtual environment of its own, and with what ONNX Runtime makes of
# `pixelclip export`. What `pixelclip convert --to` writes is loaded in open_clip and transformers.
# usage: tests/true_size.sh
set -eu
cd "$(dirname "$0")/.."

venv=.deps/open_clip-venv
if [ ! -e "$venv/done" ]; then
  echo "true_size: installing open_clip into $venv" >&2
  python3 -m venv "$venv"
  # The wheel that LibTorch comes from serves here as well.
  for site in "$venv"/lib/python3*/site-packages; do
    ls -d "$PWD"/.deps/venv/lib/python3*/site-packages >"$site/torch.pth" 2>/dev/null || rm "$site/torch.pth"
  done
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check torch==2.11.0 torchvision==0.26.0 \
    open-clip-torch==3.3.0; then
    echo "true_size: skipped, because open_clip cannot be installed here" >&2
    exit 0
  fi
  touch "$venv/done"
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 transformers==5.24.0
sh tools/setup.sh clip_test
sh tools/setup.sh export_test
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
"$venv/bin/python" tests/true_size.py "$folder"
export PIXELCLIP_TEST_PYTHON="$venv/bin/python" PIXELCLIP_TRUE_SIZE="$folder"
build/tests/clip_test --gtest_filter='TrueSize.*:Published.*'
build/tests/export_test --gtest_filter='TrueSizeOnnx.*'
