#!/bin/sh
# Installs what is missing and builds. Quick when nothing is. With -n nothing is built.
# PIXELCLIP_TORCH_DIR names a LibTorch (>= 2.4) to use instead of the pinned wheel.
set -eu
cd "$(dirname "$0")/.."

torch_version=2.11.0
numpy_version=2.4.6
open_clip_version=3.3.0
packages="g++ cmake ninja-build python3 python3-venv libopencv-core-dev libopencv-imgproc-dev
libopencv-imgcodecs-dev libyaml-cpp-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libcli11-dev
libjpeg62-turbo-dev libpng-dev zlib1g-dev libutf8proc-dev libgtest-dev libgmock-dev libgloo-dev
libcpp-httplib-dev libonnx-dev libprotobuf-dev"

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

install_packages() {
  missing=
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  # A python or cmake that did not come from Debian does as well.
  for tool in cmake:cmake ninja:ninja-build g++:g++ python3:python3; do
    command -v "${tool%%:*}" >/dev/null 2>&1 || continue
    missing=$(echo " $missing " | sed "s/ ${tool##*:} / /")
  done
  if python3 -c 'import ensurepip, venv' 2>/dev/null; then
    missing=$(echo " $missing " | sed 's/ python3-venv / /')
  fi
  # shellcheck disable=SC2086 # words, not one name
  set -- $missing
  [ $# -eq 0 ] && return
  command -v apt-get >/dev/null 2>&1 || die "please install these packages, or what they are called here: $*"
  [ "$(id -u)" -eq 0 ] || die "please run: sudo apt-get install --no-install-recommends $*"
  say "installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

install_torch() {
  [ -n "${PIXELCLIP_TORCH_DIR:-}" ] && return
  [ -e ".deps/venv/torch-$torch_version.done" ] && return
  say "fetching LibTorch $torch_version into .deps/venv (about 5 GB unpacked)"
  mkdir -p .deps
  python3 -m venv .deps/venv
  .deps/venv/bin/pip install --quiet --disable-pip-version-check "torch==$torch_version" "numpy==$numpy_version"
  touch ".deps/venv/torch-$torch_version.done"
}

install_merges() {
  merges=.deps/bpe_simple_vocab_16e6.txt.gz
  [ -s "$merges" ] && return
  say "fetching CLIP's list of byte pairs"
  mkdir -p .deps
  wheel=$(mktemp -d)
  python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$wheel" "open-clip-torch==$open_clip_version"
  python3 - "$wheel" "$merges" <<'PYTHON'
import glob, sys, zipfile
wheel = glob.glob(sys.argv[1] + "/*.whl")[0]
data = zipfile.ZipFile(wheel).read("open_clip/bpe_simple_vocab_16e6.txt.gz")
open(sys.argv[2] + ".part", "wb").write(data)
PYTHON
  mv "$merges.part" "$merges"
  rm -r "$wheel"
}

build() {
  if [ -e build/pixelclip ] && [ ! -w build ]; then
    say "build/ cannot be written, so build/pixelclip is taken as it is"
    return
  fi
  if [ ! -e build/build.ninja ]; then
    say "configuring"
    cmake --preset release ${PIXELCLIP_TORCH_DIR:+"-DPIXELCLIP_TORCH_DIR=$PIXELCLIP_TORCH_DIR"} >build.log 2>&1 ||
      { cat build.log >&2; die "the configuration failed"; }
    mv build.log build/configure.log
  fi
  [ -e build/pixelclip ] || say "building (some minutes)"
  ninja -C build "${1:-pixelclip}" >&2
}

install_packages
install_torch
install_merges
[ "${1:-}" = "-n" ] || build "${1:-}"
