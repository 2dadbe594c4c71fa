#include "base/parallel.hpp"

#include <atomic>
#include <set>
#include <stdexcept>

#include "support/support.hpp"

namespace pixelclip {
namespace {

TEST(ParallelFor, CallsEachIndexOnceAndThrowsTheFirstError) {
  std::vector<std::atomic<int>> calls(1000);
  parallel_for(1000, 4, [&](int64_t i) { ++calls[i]; });
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_THROW(parallel_for(10, 3,
                            [](int64_t i) {
                              if (i == 5) throw std::runtime_error("five");
                            }),
               std::runtime_error);
}

TEST(OneThread, DoesTheTasksOfManyThreadsOneAfterTheOther) {
  OneThread one;
  int running = 0;  // no atomic: the sanitizer for threads would tell
  std::set<std::thread::id> ids;
  parallel_for(200, 8, [&](int64_t i) {
    const int64_t result = one([&] {
      EXPECT_EQ(++running, 1);
      ids.insert(std::this_thread::get_id());
      --running;
      return 2 * i;
    });
    EXPECT_EQ(result, 2 * i);
  });
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_NE(*ids.begin(), std::this_thread::get_id());
  EXPECT_THROW(one([]() -> int { throw std::runtime_error("told"); }), std::runtime_error);
  EXPECT_EQ(one([] { return 7; }), 7) << "an error ends a task, not the thread";
}

}  // namespace
}  // namespace pixelclip
