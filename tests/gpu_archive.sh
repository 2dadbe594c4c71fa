#!/bin/sh
# Packs the archive of tests/gpu.sh and runs it on the CPU in an empty root: the C library, a shell with its small tools,
# and a Python with torch, but none of the libraries that the build needs. Needs root. usage: tests/gpu_archive.sh [OUT]
set -eu
cd "$(dirname "$0")/.."
tree=$PWD out=${1:-$PWD/output/gpu_archive}
[ "$(id -u)" -eq 0 ] || { echo "gpu_archive.sh: root is needed to make an empty root"; exit 1; }
mkdir -p "$out"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/root
mkdir -p "$root/bin" "$root/tmp" "$root/proc" "$root/dev" "$root/out" "$root/package"
sh tests/gpu.sh --pack "$root/package/pixelclip-gpu.tar.gz"
cp tests/gpu.sh "$root/package/"

for tool in sh env cat cp date dirname mkdir mktemp rm sed awk grep tr cksum tar gzip timeout tail sleep wc sort; do
  cp -L "$(command -v $tool)" "$root/bin/$tool"
done
for library in $(ldd "$root"/bin/* | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// && !/:$/ { print $1 }' | sort -u) \
  /lib/*-linux-gnu/libdl.so.2 /lib/*-linux-gnu/librt.so.1 /lib/*-linux-gnu/libpthread.so.0 /lib/*-linux-gnu/libutil.so.1; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
environment=$tree/.deps/venv
base=$("$environment/bin/python" -c 'import sys; print(sys.base_prefix)')

# Python's folders are mounted where they lie; the source tree itself is not there.
cat >"$folder/inside.sh" <<'INSIDE'
set -eu
mkdir -p "$ROOT$ENVIRONMENT" "$ROOT$BASE"
for place in "$ENVIRONMENT" "$BASE" /dev; do mount --bind "$place" "$ROOT$place"; done
mount --bind "$OUT" "$ROOT/out"
mount -t proc proc "$ROOT/proc"
# The Python of a machine: what `python3` names.
printf '#!/bin/sh\nexec %s/bin/python "$@"\n' "$ENVIRONMENT" >"$ROOT/bin/python3"
chmod +x "$ROOT/bin/python3"
exec chroot "$ROOT" /bin/env -i PATH=/bin HOME=/tmp OMP_WAIT_POLICY=PASSIVE \
  sh /package/gpu.sh --run /package/pixelclip-gpu.tar.gz --device cpu --quick /out
INSIDE
ROOT=$root OUT=$out ENVIRONMENT=$environment BASE=$base \
  unshare --mount --propagation private sh "$folder/inside.sh"
