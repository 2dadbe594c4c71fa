#!/bin/sh
# Sets up, builds everything and runs all tests.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh all
ctest --test-dir build --output-on-failure "$@"
