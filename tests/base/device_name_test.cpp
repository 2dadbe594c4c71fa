#include "base/device_name.hpp"

#include "support/support.hpp"

namespace pixelclip {
namespace {

TEST(DeviceName, IsTheProcessorAGpuOrANumberedGpu) {
  EXPECT_FALSE(parse_device_name("cpu")->gpu);
  EXPECT_TRUE(parse_device_name("cuda")->gpu);
  EXPECT_FALSE(parse_device_name("cuda")->index.has_value());
  EXPECT_EQ(parse_device_name("cuda:12")->index, 12);
}

TEST(DeviceName, OtherTextsAreNone) {
  for (const char* text : {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda:1234",
                           "cuda:0x1", "cuda1", "cpu:0", " cuda"}) {
    EXPECT_FALSE(parse_device_name(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace pixelclip
