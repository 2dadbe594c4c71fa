#include "base/serial_executor.hpp"

#include <stdexcept>
#include <vector>

#include "support/support.hpp"

namespace pixelclip {
namespace {

TEST(SerialExecutor, OneThreadDoesTheWorkOfMany) {
  SerialExecutor executor;
  std::vector<std::thread::id> ids;  // without a lock: one thread alone writes
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i)
        executor.run([&] { ids.push_back(std::this_thread::get_id()); });
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_EQ(ids.size(), 400u);
  for (const auto& id : ids) EXPECT_EQ(id, ids.front());
  EXPECT_NE(ids.front(), std::this_thread::get_id());
}

TEST(SerialExecutor, AnErrorReachesTheThreadThatGaveTheWork) {
  SerialExecutor executor;
  EXPECT_THROW(executor.run([] { throw std::runtime_error("no"); }), std::runtime_error);
  bool done = false;
  executor.run([&] { done = true; });
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace pixelclip
