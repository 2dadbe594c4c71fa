#!/bin/sh
# Sets up, builds everything and runs all tests. Arguments go to ctest.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh all
status=0
ctest --test-dir build --output-on-failure "$@" || status=$?
# ctest counts programs; these single tests lacked a file or a program that they need.
skipped=$(sed -n 's/^\[  SKIPPED \] \([^ ]*\) (.*/\1/p' build/Testing/Temporary/LastTest.log | tr '\n' ' ')
echo "tests/run.sh: $(echo "$skipped" | wc -w) single tests skipped${skipped:+: $skipped}"
exit $status
