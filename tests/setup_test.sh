#!/bin/sh
# What tools/setup.sh does without root, with an apt-get and a dpkg that only note what is asked of them.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log
give_up() {
  echo "$1"
  cat "$log"
  exit 1
}

mkdir -p "$folder/tree/tools" "$folder/tree/.deps/cuda-crt/nvidia/cu13/include/crt" "$folder/bin"
cp tools/setup.sh "$folder/tree/tools/"
echo merges >"$folder/tree/.deps/bpe_simple_vocab_16e6.txt.gz"
: >"$folder/tree/.deps/cuda-crt/nvidia/cu13/include/crt/host_config.h"
fake() { # NAME: the script on standard input
  { echo '#!/bin/sh'; cat; } >"$folder/bin/$1"
  chmod +x "$folder/bin/$1"
}
for tool in cat echo ls mkdir rm ln sed grep basename dirname readlink sh env; do
  ln -s "$(which $tool)" "$folder/bin/$tool"
done
echo 'echo 1000' | fake id
echo 'exit 0' | fake python3  # with venv and ensurepip
fake dpkg-query <<'SCRIPT'
case "$*" in *libwebp-dev* | *ninja-build*) exit 1 ;; *) echo 'install ok installed' ;; esac
SCRIPT
fake apt-get <<SCRIPT
echo "\$*" >>"$folder/asked"
case "\$*" in
  *simulate*) printf 'Inst libwebp7 [1.0] (1.2 Debian:12 [amd64])\nInst libwebp-dev (1.2 Debian:12 [amd64])\nConf libwebp-dev (1.2)\n' ;;
  *download*) : >a.deb ;;
esac
SCRIPT
fake dpkg-deb <<'SCRIPT'
lib=$3/usr/lib/x86_64-linux-gnu
mkdir -p "$lib/blas"
: >"$lib/blas/libblas.so.3"
ln -s libwebp.so.7 "$lib/libwebp.so"
SCRIPT
setup() { (cd "$folder/tree" && PATH="$folder/bin" sh tools/setup.sh -p >"$log" 2>&1); }

if setup; then give_up "without a compiler it should end"; fi
grep -q 'g++ is missing' "$log" || give_up "the missing compiler should be named"

for tool in g++ ninja; do echo 'exit 0' | fake $tool; done
mv "$folder/bin/ninja" "$folder/ninja"
setup || give_up "it should unpack packages without root"
grep -q 'unpacking .*ninja-build.*libwebp-dev into .deps/debian' "$log" || give_up "the packages should be named"
grep -q 'download.* libwebp7=1.2 libwebp-dev=1.2$' "$folder/asked" || give_up "asked for: $(cat "$folder/asked")"
lib=$folder/tree/.deps/debian/usr/lib/x86_64-linux-gnu
[ -e "$lib/libblas.so.3" ] || give_up "alternatives should be linked"
[ "$(readlink "$lib/libwebp.so.7")" = /usr/lib/x86_64-linux-gnu/libwebp.so.7 ] || give_up "installed libraries should be linked"

: >"$folder/asked"
setup || give_up "a second call should do nothing"
[ ! -s "$folder/asked" ] || give_up "a second call asked for: $(cat "$folder/asked")"
