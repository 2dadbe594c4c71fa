#!/bin/sh
# Builds the wheel and tries it as a user would: in a new environment, without the source tree, without other variables,
# without root, in another folder. Uses the objects of build/ where it is configured.
set -eu
cd "$(dirname "$0")/.."
tree=$PWD
sh tools/setup.sh -n
python=$tree/.deps/venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"

reuse=
[ ! -e build/build.ninja ] || reuse=--config-settings=prebuilt=build
# shellcheck disable=SC2086 # words, not one name
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps $reuse --wheel-dir "$folder/dist" .
wheel=$(ls "$folder"/dist/pixelclip-*.whl)
size=$(wc -c <"$wheel")
echo "wheel.sh: ${wheel##*/}, $((size / 1000)) kB"
[ "$size" -lt 60000000 ] || { echo "the wheel is larger than 60 MB"; exit 1; }

# The environment: the packages that the wheel depends on are linked, not fetched again.
base=$python
version='import sys; print(sys.version_info[:2])'
# A Python in somebody's home may be closed to others.
[ "$(/usr/bin/python3 -c "$version" 2>/dev/null)" != "$("$python" -c "$version")" ] || base=/usr/bin/python3
"$base" -m venv --without-pip "$folder/venv"
site=$(echo "$folder"/venv/lib/python3*/site-packages)
for package in "$tree"/.deps/venv/lib/python3*/site-packages/*; do
  case ${package##*/} in *.dist-info | pip | pixelclip*) ;; *) ln -s "$folder/packages/${package##*/}" "$site/" ;; esac
done
mkdir -p "$folder/packages" "$folder/shared" "$folder/home" "$folder/work/tests"
cp -r configs tests/python "$folder/work/"
shared=${PIXELCLIP_SHARED:-../shared}

cat >"$folder/inside.sh" <<'INSIDE'
set -eu
export PATH="$FOLDER/venv/bin:/usr/bin:/bin"
cd "$FOLDER/work"
fail() { echo "wheel.sh: $*"; exit 1; }
[ ! -e "$TREE/CMakeLists.txt" ] || fail "the source tree is still there"

site=$(echo "$FOLDER"/venv/lib/python3*/site-packages)
for file in "$site"/pixelclip/bin/pixelclip "$site"/pixelclip/*.so "$site"/pixelclip/lib/*.so*; do
  missing=$(LD_LIBRARY_PATH=$(echo "$FOLDER"/packages/torch/lib) ldd "$file" | grep 'not found' || :)
  [ -z "$missing" ] || fail "$file lacks $missing"
done
pixelclip --version
for command in $(pixelclip --help | sed -n '/^Subcommands\|^SUBCOMMANDS/,$ s/^  \([a-z_-]*\) .*/\1/p'); do
  pixelclip "$command" --help >/dev/null || fail "pixelclip $command --help"
done
pixelclip doctor >/dev/null || fail "pixelclip doctor"
[ "$(pixelclip tokenize 'a dog')" = '[49406,320,1929,49407]' ] || fail "tokenize"
pixelclip config --config-file configs/pixelclip_vit_base.yaml >/dev/null
python -c 'import pixelclip; print(pixelclip.__version__, tuple(pixelclip.tokenize("a dog").shape))'

if [ -e "$FOLDER/shared/golden/vit/model.pth" ]; then
  export PIXELCLIP_SHARED="$FOLDER/shared"
  python python/package_test.py 2>"$FOLDER/home/log" || { cat "$FOLDER/home/log"; fail "tests/python/package_test.py"; }
  # Two processes give the numbers of one; the names come from a vocabulary in the wheel.
  for processes in 1 2; do
    pixelclip eval --config-file configs/pixelclip_vit_base.yaml --num-gpus $processes MODEL.DEVICE cpu \
      MODEL.WEIGHTS "$FOLDER/shared/golden/vit/model.pth" MODEL.SEM_SEG_HEAD.NUM_CLASSES 8 \
      MODEL.CLIP_RESOLUTION '(96,96)' TEST.PROMPT_ENSEMBLE_TYPE single DATASETS.ROOT "$FOLDER/shared/data/voc_mini" \
      OUTPUT_DIR "$FOLDER/home/$processes" 2>"$FOLDER/home/log" || { cat "$FOLDER/home/log"; fail "pixelclip eval"; }
  done
  python - "$FOLDER/home" <<'PYTHON' || fail "two processes score other numbers than one"
import json, sys
scores = [{k: v["sem_seg"] for k, v in json.load(open(f"{sys.argv[1]}/{n}/eval/results.json")).items()} for n in (1, 2)]
sys.exit(scores[0] != scores[1])
PYTHON
else
  echo "wheel.sh: no ../shared folder here: nothing was encoded"
fi
INSIDE

# Where namespaces can be made, the source tree is hidden; root becomes nobody.
cat >"$folder/hide.sh" <<'HIDE'
set -eu
mount --bind "$PACKAGES" "$FOLDER/packages"
[ ! -d "$SHARED" ] || mount --bind "$SHARED" "$FOLDER/shared"
mount -t tmpfs none "$TREE"
cd "$FOLDER"
drop=
if [ "$REAL_ROOT" = yes ]; then
  chown -R 65534:65534 "$FOLDER/home" "$FOLDER/work"
  drop="setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all"
fi
exec $drop env -i FOLDER="$FOLDER" TREE="$TREE" HOME="$FOLDER/home" OMP_NUM_THREADS=2 sh "$FOLDER/inside.sh"
HIDE
real_root=no
[ "$(id -u)" -ne 0 ] || real_root=yes
namespace="unshare --mount --propagation private"
[ $real_root = yes ] || namespace="unshare --user --map-root-user --mount --propagation private"
if ! $namespace true 2>/dev/null; then
  echo "wheel.sh: no mount namespaces here (unshare), so the tree cannot be hidden"
  exit 2
fi

# Installed by the files alone: the packages that it needs are links yet to be filled.
"$python" -m pip --python "$folder/venv/bin/python" install --quiet --disable-pip-version-check --no-deps --no-index \
  "$wheel"
FOLDER=$folder TREE=$tree PACKAGES=$(echo "$tree"/.deps/venv/lib/python3*/site-packages) \
  SHARED=$(cd "$shared" 2>/dev/null && pwd || echo "$shared") REAL_ROOT=$real_root $namespace sh "$folder/hide.sh"
echo "wheel.sh: good"
