#!/bin/sh
# Sets up, builds everything and runs all tests. Arguments go to ctest.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh all
# Only tests need these: ONNX Runtime runs what `pixelclip export` writes. Without them such tests are skipped.
python=.deps/test-venv
if [ ! -e "$python/done" ]; then
  echo "tests/run.sh: installing onnxruntime into $python (200 MB)" >&2
  python3 -m venv "$python" && "$python/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 \
    onnxruntime==1.32.0 pillow==13.0.0 && touch "$python/done" ||
    echo "tests/run.sh: onnxruntime cannot be installed here" >&2
fi
status=0
ctest --test-dir build --output-on-failure "$@" || status=$?
# ctest counts programs; these single tests lacked a file or a program that they need.
skipped=$(sed -n 's/^\[  SKIPPED \] \([^ ]*\) (.*/\1/p' build/Testing/Temporary/LastTest.log | tr '\n' ' ')
echo "tests/run.sh: $(echo "$skipped" | wc -w) single tests skipped${skipped:+: $skipped}"
exit $status
