#include "base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace pixelclip {
namespace {

constexpr int kDraws = 20'000;

TEST(Random, TheStreamIsTheSameOnEveryMachine) {
  Random random(42, 1, 7);
  EXPECT_EQ(random.next(), 0x62b084daf1a0da13ull);
  EXPECT_EQ(random.next(), 0x96d7421cab50caf2ull);
}

TEST(Random, KeysThatDifferAnywhereGiveOtherStreams) {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    for (uint64_t epoch = 0; epoch < 8; ++epoch) {
      for (uint64_t index = 0; index < 8; ++index) first.insert(Random(seed, epoch, index).next());
    }
  }
  EXPECT_EQ(first.size(), 512u);
}

TEST(Random, UniformNumbersFillTheirRange) {
  Random random(0);
  double sum = 0, least = 1, most = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.uniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
    least = std::min(least, value), most = std::max(most, value);
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.01);
  EXPECT_LT(least, 0.001);
  EXPECT_GT(most, 0.999);
  for (int i = 0; i < 100; ++i) {
    const double value = random.uniform(-3, 5);
    EXPECT_GE(value, -3);
    EXPECT_LT(value, 5);
  }
}

TEST(Random, IntegersMeetEachValueOfTheirRangeAndNoOther) {
  Random random(1);
  std::vector<int> counts(7);
  for (int i = 0; i < kDraws; ++i) {
    const int64_t value = random.integer(-3, 4);
    ASSERT_GE(value, -3);
    ASSERT_LT(value, 4);
    ++counts[static_cast<size_t>(value + 3)];
  }
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 7.0, 300);
  EXPECT_EQ(random.integer(5, 5), 5) << "an empty range";
  EXPECT_EQ(random.integer(5, 2), 5) << "an empty range";
}

TEST(Random, ChancesOfZeroAndOneAreCertain) {
  Random random(2);
  int hits = 0;
  for (int i = 0; i < kDraws; ++i) {
    EXPECT_FALSE(random.chance(0));
    EXPECT_TRUE(random.chance(1));
    hits += random.chance(0.25);
  }
  EXPECT_NEAR(hits, 0.25 * kDraws, 300);
}

TEST(Random, NormalNumbersHaveMeanZeroAndVarianceOne) {
  Random random(3);
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random.normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.03);
  EXPECT_NEAR(squares / kDraws, 1, 0.04);
}

}  // namespace
}  // namespace pixelclip
