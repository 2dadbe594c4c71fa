#pragma once

#include <cstdlib>

#include "support/support.hpp"

namespace pixelclip::testing {

/// The device of tests that compute on one as on another: $PIXELCLIP_TEST_DEVICE, default cpu.
inline std::string device() {
  const char* named = std::getenv("PIXELCLIP_TEST_DEVICE");
  return named ? named : "cpu";
}

/// The folder of configs/ and tests/golden/: $PIXELCLIP_TEST_FILES, default the source tree.
inline fs::path test_files() {
  const char* named = std::getenv("PIXELCLIP_TEST_FILES");
  return named ? named : PIXELCLIP_SOURCE_DIR;
}

}  // namespace pixelclip::testing
