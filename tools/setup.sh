#!/bin/sh
# Installs what is missing and builds. Quick when nothing is. With -n nothing is built, with -p torch is
# not installed either, as `pip wheel .` needs it.
# Without root, Debian packages are unpacked below .deps/debian, where CMake looks for them.
# PIXELCLIP_TORCH_DIR names a LibTorch (>= 2.4) to use instead of the pinned wheel.
set -eu
cd "$(dirname "$0")/.."

torch_version=2.11.0
numpy_version=2.4.6
pillow_version=13.0.0
open_clip_version=3.3.0
crt_version=13.0.88  # of the CUDA that torch is built with
packages="g++ cmake ninja-build python3 python3-venv python3-dev
libopencv-core-dev libopencv-imgproc-dev
libtiff-dev libwebp-dev libopenjp2-7-dev libyaml-cpp-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libcli11-dev
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
  if [ -e "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)/Python.h" ]; then
    missing=$(echo " $missing " | sed 's/ python3-dev / /')
  fi
  # shellcheck disable=SC2086 # words, not one name
  set -- $missing
  [ $# -eq 0 ] && return
  command -v apt-get >/dev/null 2>&1 || die "please install these packages, or what they are called here: $*"
  if [ "$(id -u)" -ne 0 ]; then
    unpack_packages "$@"
    return
  fi
  say "installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# Unpacks packages, and those that they need and that are not installed, into .deps/debian.
unpack_packages() {
  root=$PWD/.deps/debian
  marker=$root/packages.done
  [ "$(cat "$marker" 2>/dev/null)" = "$*" ] && return
  for tool in g++ python3; do
    command -v $tool >/dev/null 2>&1 ||
      die "$tool is missing and cannot be used from a folder: ask for apt-get install $tool, or use the wheel"
  done
  say "without root: unpacking $* into .deps/debian"
  apt=$PWD/.deps/apt
  rm -rf "$root" "$apt"
  mkdir -p "$root" "$apt/lists/partial" "$apt/archives/partial"
  own="-o Dir::State::lists=$apt/lists -o Dir::Cache=$apt -o Debug::NoLocking=1"
  # shellcheck disable=SC2086 # words, not one name
  {
    apt-get $own update -qq || die "apt-get update failed: please ask for apt-get install $*"
    plan=$(apt-get $own install --simulate --no-install-recommends "$@") ||
      die "apt-get cannot resolve the packages: please ask for apt-get install $*"
    chosen=$(echo "$plan" | sed -n 's/^Inst \([^ ]*\) .*(\([^ ]*\) .*/\1=\2/p')
    (cd "$apt/archives" && apt-get $own download -qq $chosen) || die "apt-get download failed"
  }
  for file in "$apt"/archives/*.deb; do dpkg-deb --extract "$file" "$root"; done
  rm -rf "$apt"
  for folder in "$root"/usr/lib/*-linux-gnu; do
    # What update-alternatives would link.
    for library in "$folder"/blas/lib*.so* "$folder"/lapack/lib*.so*; do
      [ ! -e "$library" ] || ln -sf "$library" "$folder/"
    done
    # Links of -dev packages to libraries that are installed. CMake packages name the library itself, such as
    # libfmt.so.9.1.0.
    for link in "$folder"/lib*.so; do
      [ ! -e "$link" ] || continue
      for library in "/usr/lib/${folder##*/}/${link##*/}".*; do ln -sf "$library" "$folder/"; done
    done
  done
  echo "$*" >"$marker"
}

# Python's venv, also where Debian's python3-venv is only unpacked.
make_environment() { # FOLDER
  if python3 -c 'import ensurepip, venv' 2>/dev/null; then
    python3 -m venv "$1"
    return
  fi
  python3 -m venv --without-pip "$1"
  "$1/bin/python" "$(ls .deps/debian/usr/share/python-wheels/pip-*.whl)/pip" install --quiet --no-index \
    "$(ls .deps/debian/usr/share/python-wheels/pip-*.whl)"
}

install_torch() {
  [ -n "${PIXELCLIP_TORCH_DIR:-}" ] && return
  wanted="torch==$torch_version numpy==$numpy_version pillow==$pillow_version"
  [ "$(cat .deps/venv/packages.done 2>/dev/null)" = "$wanted" ] && return
  [ -e .deps/venv/bin/pip ] || say "fetching LibTorch $torch_version into .deps/venv (about 5 GB unpacked)"
  mkdir -p .deps
  [ -e .deps/venv/bin/pip ] || make_environment .deps/venv
  # shellcheck disable=SC2086 # words, not one name
  .deps/venv/bin/pip install --quiet --disable-pip-version-check $wanted
  echo "$wanted" >.deps/venv/packages.done
}

# The pip of .deps/venv, which is made where python3 has none.
run_pip() {
  if [ -e .deps/venv/bin/pip ]; then
    .deps/venv/bin/pip "$@"
  elif python3 -m pip --version >/dev/null 2>&1; then
    python3 -m pip "$@"
  else
    make_environment .deps/venv
    .deps/venv/bin/pip "$@"
  fi
}

install_merges() {
  merges=.deps/bpe_simple_vocab_16e6.txt.gz
  [ -s "$merges" ] && return
  say "fetching CLIP's list of byte pairs"
  mkdir -p .deps
  wheel=$(mktemp -d)
  run_pip download --quiet --disable-pip-version-check --no-deps -d "$wheel" "open-clip-torch==$open_clip_version"
  python3 - "$wheel" "$merges" <<'PYTHON'
import glob, sys, zipfile
wheel = glob.glob(sys.argv[1] + "/*.whl")[0]
data = zipfile.ZipFile(wheel).read("open_clip/bpe_simple_vocab_16e6.txt.gz")
open(sys.argv[2] + ".part", "wb").write(data)
PYTHON
  mv "$merges.part" "$merges"
  rm -r "$wheel"
}

# CUDA 13's headers include some that are in a package of their own, which torch does not install.
install_crt() {
  [ -e .deps/cuda-crt/nvidia/cu13/include/crt/host_config.h ] && return
  run_pip install --quiet --disable-pip-version-check --no-deps --target .deps/cuda-crt "nvidia-cuda-crt==$crt_version"
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
if [ -d .deps/debian/usr/bin ]; then  # cmake and ninja
  PATH=$PWD/.deps/debian/usr/bin:$PATH
  LD_LIBRARY_PATH=$(echo "$PWD"/.deps/debian/usr/lib/*-linux-gnu)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export PATH LD_LIBRARY_PATH
fi
[ "${1:-}" = "-p" ] || install_torch
install_merges
install_crt
case ${1:-} in -n | -p) ;; *) build "${1:-}" ;; esac
