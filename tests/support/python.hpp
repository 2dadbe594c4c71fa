#pragma once

#include <cstdlib>
#include <string>

#include "support/support.hpp"

namespace pixelclip::testing {

/// A Python that has `modules` ("numpy, onnxruntime"): of $PIXELCLIP_TEST_PYTHON, .deps/test-venv
/// (made by tests/run.sh) or PATH; empty where none has them.
inline std::string python_with(const std::string& modules) {
  const char* named = std::getenv("PIXELCLIP_TEST_PYTHON");
  const std::string venv = (fs::path(PIXELCLIP_SOURCE_DIR) / ".deps/test-venv/bin/python").string();
  for (const std::string& python :
       {std::string(named ? named : ""), venv, std::string("python3")}) {
    if (python.empty()) continue;
    const std::string test = python + " -c 'import " + modules + "' >/dev/null 2>&1";
    if (std::system(test.c_str()) == 0) return python;
  }
  return "";
}

#define SKIP_WITHOUT_PYTHON(python, modules)                \
  const std::string python = testing::python_with(modules); \
  if (python.empty())                                       \
  GTEST_SKIP() << "no Python with " << modules << " here; tests/run.sh installs them"

}  // namespace pixelclip::testing
