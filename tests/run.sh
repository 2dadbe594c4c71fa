#!/bin/sh
# Sets up, builds everything and runs all tests. Arguments go to ctest. Fails when a test is skipped that is neither in
# tests/expected_skips.txt nor for want of ../shared.
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
  python3 -m venv --without-pip "$python" &&
    .deps/venv/bin/pip --python "$python/bin/python" install --quiet --disable-pip-version-check $wanted &&
    echo "$wanted" >"$python/packages.done" || echo "tests/run.sh: they cannot be installed here" >&2
fi
status=0
ctest --test-dir build --output-on-failure "$@" || status=$?
# ctest counts programs; these single tests lacked a file or a program that they need. Lines NAME<tab>REASON.
skips=build/skipped_tests.txt
awk '
  /: Skipped$/ { getline reason; next }
  /^test_[^ ]+ \(.* \.\.\. skipped / { reason = $0; gsub(/^.* skipped .|.$/, "", reason); print $1 "\t" reason }  # Python
  /^\[  SKIPPED \] [^ ]+ \(/ { if (!seen[$4]++) print $4 "\t" reason; reason = "" }
' build/Testing/Temporary/LastTest.log | sort >"$skips"
echo "tests/run.sh: $(wc -l <"$skips") single tests skipped: $(cut -f1 "$skips" | tr '\n' ' ')"
unexpected=$(awk '
  NR == FNR { if ($1 !~ /^#/) expected[$1] = 1; next }
  { split($0, field, "\t") }
  !(field[1] in expected) && field[2] != "no ../shared folder here" { print "  " field[1] ": " field[2] }
' tests/expected_skips.txt "$skips")
if [ -n "$unexpected" ]; then
  printf 'tests/run.sh: these tests are not in tests/expected_skips.txt and must not be skipped:\n%s\n' "$unexpected"
  [ $status -ne 0 ] || status=1
fi
exit $status
