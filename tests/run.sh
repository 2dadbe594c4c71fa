#!/bin/sh
# Sets up, builds everything and runs all tests. Arguments go to ctest.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh all
# Only tests need these: ONNX Runtime runs what `pixelclip export` writes, nbclient the notebook. Without them such tests
# are skipped.
python=.deps/test-venv
wanted="numpy==2.4.6 onnxruntime==1.32.0 pillow==13.0.0 nbclient==0.11.0 ipykernel==7.4.0"
if [ "$(cat "$python/packages.done" 2>/dev/null)" != "$wanted" ]; then
  echo "tests/run.sh: installing $wanted into $python (250 MB)" >&2
  # shellcheck disable=SC2086 # words, not one name
  python3 -m venv "$python" && "$python/bin/pip" install --quiet --disable-pip-version-check $wanted &&
    echo "$wanted" >"$python/packages.done" || echo "tests/run.sh: they cannot be installed here" >&2
fi
status=0
ctest --test-dir build --output-on-failure "$@" || status=$?
# ctest counts programs; these single tests lacked a file or a program that they need.
skipped=$(sed -n -e 's/^\[  SKIPPED \] \([^ ]*\) (.*/\1/p' -e 's/^\(test_[^ ]*\) (.*\.\.\. skipped .*/\1/p' build/Testing/Temporary/LastTest.log | tr '\n' ' ')
echo "tests/run.sh: $(echo "$skipped" | wc -w) single tests skipped${skipped:+: $skipped}"
exit $status
