#include <nlohmann/json.hpp>

#include "gpu/gpu.hpp"
#include "rehearsal/fake_cuda.hpp"

// The fake device as the GPU of tests/gpu.
namespace pixelclip::testing {

const bool kFakeGpu = true;

void without_waiting(const std::function<void()>& work) { EXPECT_EQ(waits_in(work), 0); }

int64_t waits_in(const std::function<void()>& work) {
  fake_cuda::reset_counts();
  work();
  return fake_cuda::counts().synchronisations;
}

std::string program() { return PIXELCLIP_PROGRAM; }

size_t misuses() { return fake_cuda::violations().size(); }

void expect_proper_use(const fs::path& folder, int rank) {
  std::ifstream in(folder / (std::to_string(rank) + ".json"));
  ASSERT_TRUE(in) << "no report in " << folder;
  const auto report = nlohmann::json::parse(in);
  EXPECT_GT(report["operations"], 1000);
  EXPECT_TRUE(report["violations"].empty()) << report["violations"];
  EXPECT_EQ(report["contexts"], nlohmann::json({rank})) << "rank " << rank;
}

}  // namespace pixelclip::testing
