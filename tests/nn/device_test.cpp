#include "nn/device.hpp"

#include <torch/utils.h>

#include "nn/seeded_init.hpp"
#include "nn/torch_threads.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kVersionFile[] =
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    "GCC version:  gcc version 12.2.0\n";
constexpr char kOpenModule[] =
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n";

TEST(Device, TheDriverThatALibTorchNeedsIsNamed) {
  EXPECT_THAT(driver_fault(kVersionFile, 13),
              AllOf(HasSubstr("driver 535.104.05 is too old for CUDA 13, which needs 580"),
                    HasSubstr("PIXELCLIP_TORCH_DIR")));
  EXPECT_EQ(driver_fault(kVersionFile, 12), "");
  EXPECT_EQ(driver_fault(kOpenModule, 13), "");
  EXPECT_EQ(driver_fault("", 13), "no NVIDIA driver is loaded");
  EXPECT_EQ(driver_fault("an unknown text", 13), "");
}

TEST(Device, UnknownNamesAndGpusThatDoNotExistAreRefused) {
  EXPECT_TRUE(find_device("cpu").is_cpu());
  EXPECT_EQ(find_device("auto").is_cuda(), gpu_count() > 0);
  for (const char* name : {"gpu", "cuda:", "cuda:x", ""})
    EXPECT_ERROR(find_device(name), HasSubstr("expected auto, cpu, cuda or cuda:N"));
  EXPECT_ERROR(find_device("cuda:99"), HasSubstr("the device cuda:99"));
  if (gpu_count() == 0) EXPECT_ERROR(find_device("cuda"), HasSubstr("cannot be used: "));
}

TEST(SeededInit, DrawsFromTheSeedAndLeavesTheGeneratorAsItWas) {
  torch::manual_seed(7);
  const auto expected = torch::rand({4});
  torch::manual_seed(5);
  const auto of_seed = torch::rand({4});
  torch::manual_seed(7);
  {
    const SeededInit seeded(5);
    EXPECT_TRUE(torch::equal(torch::rand({4}), of_seed));
  }
  EXPECT_TRUE(torch::equal(torch::rand({4}), expected));
}

TEST(TorchThreads, HoldForAScope) {
  const int before = at::get_num_threads();
  {
    const TorchThreads three(3);
    EXPECT_EQ(at::get_num_threads(), 3);
  }
  EXPECT_EQ(at::get_num_threads(), before);
}

}  // namespace
}  // namespace pixelclip
