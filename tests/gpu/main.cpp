#include <gtest/gtest.h>

#include <cstdio>

#include "engine/runtime.hpp"
#include "gpu/gpu.hpp"

namespace pixelclip::testing {

const bool kFakeGpu = false;

size_t misuses() { return 0; }
void expect_proper_use(const fs::path&, int) {}

std::string program() {
  const char* named = std::getenv("PIXELCLIP_TEST_PROGRAM");
  return named ? named : PIXELCLIP_PROGRAM;
}

}  // namespace pixelclip::testing

/// The tests on the device of $PIXELCLIP_TEST_DEVICE, default cuda, with the program of
/// $PIXELCLIP_TEST_PROGRAM, default that of the build.
int main(int argc, char** argv) {
  using namespace pixelclip;
  ::testing::InitGoogleTest(&argc, argv);
  setenv("PIXELCLIP_TEST_DEVICE", "cuda", /*overwrite=*/0);
  try {
    find_device(pixelclip::testing::device());
    runtime::set_up_gpu_math(MatmulPrecision::highest);
  } catch (const Error& e) {
    std::fprintf(stderr, "gpu_test: %s\n", e.what());
    return 1;
  }
  return RUN_ALL_TESTS();
}
