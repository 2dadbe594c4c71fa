#include "data/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;

std::vector<int64_t> epoch(TrainingSampler& sampler, int64_t number) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < sampler.samples(); ++i) {
    const SampleKey key = sampler.at(number * sampler.samples() + i);
    EXPECT_EQ(key.epoch, number);
    out.push_back(key.index);
  }
  return out;
}

TEST(TrainingSampler, EachEpochIsAPermutationOfItsOwn) {
  TrainingSampler sampler(50, 7);
  const auto first = epoch(sampler, 0), second = epoch(sampler, 1);
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 50u);
  EXPECT_EQ(std::set(second.begin(), second.end()).size(), 50u);
  EXPECT_NE(first, second);
  TrainingSampler other(50, 8);
  EXPECT_NE(epoch(other, 0), first);
}

TEST(TrainingSampler, IsAFunctionOfThePositionAlone) {
  TrainingSampler forward(13, 3), jumping(13, 3);
  std::vector<int64_t> stream;
  for (int64_t p = 0; p < 100; ++p) stream.push_back(forward.at(p).index);
  for (const int64_t p : {99, 0, 57, 13, 12, 56}) EXPECT_EQ(jumping.at(p).index, stream[p]);
}

TEST(TrainingSampler, GivesTheStreamOfDetectron2) {
  // randperm(7) three times from torch.Generator().manual_seed(5).
  const std::vector<int64_t> expected = {1, 0, 4, 2, 6, 5, 3, 1, 6, 5, 3,
                                         2, 4, 0, 4, 3, 5, 1, 0, 2, 6};
  TrainingSampler sampler(7, 5);
  for (int64_t p = 0; p < 21; ++p) EXPECT_EQ(sampler.at(p).index, expected[p]) << p;
}

TEST(TrainingSampler, AllOrdersAreEquallyLikely) {
  std::map<std::array<int64_t, 3>, int> counts;
  const int draws = 6000;
  for (int seed = 0; seed < draws; ++seed) {
    TrainingSampler sampler(3, static_cast<uint64_t>(seed));
    ++counts[{sampler.at(0).index, sampler.at(1).index, sampler.at(2).index}];
  }
  ASSERT_EQ(counts.size(), 6u);
  // Five standard deviations of a binomial around 1000.
  for (const auto& [order, count] : counts) EXPECT_NEAR(count, 1000, 5 * std::sqrt(1000 * 5 / 6.0));
}

TEST(TrainingSampler, SubstitutesLieInTheSetAndVary) {
  const TrainingSampler sampler(1000, 1);
  std::set<int64_t> drawn;
  for (int64_t attempt = 1; attempt <= 20; ++attempt) {
    const int64_t index = sampler.substitute(5, attempt);
    EXPECT_GE(index, 0);
    EXPECT_LT(index, 1000);
    EXPECT_EQ(index, sampler.substitute(5, attempt));
    drawn.insert(index);
  }
  EXPECT_GT(drawn.size(), 15u);
}

TEST(TrainingSampler, AnEmptySetIsAnError) {
  EXPECT_ERROR(TrainingSampler(0, 1), HasSubstr("empty"));
}

}  // namespace
}  // namespace pixelclip
