#include "inference/pipeline.hpp"

#include <numeric>

#include "inference/budget.hpp"
#include "inference/two_threads.hpp"
#include "nn/torch_threads.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

/// Gives 0, 1, … count − 1.
auto numbers(int count) {
  return [count, next = 0]() mutable -> std::optional<int> {
    return next < count ? std::optional(next++) : std::nullopt;
  };
}

TEST(Pipeline, ResultsComeInOrderAndEachItemIsWorkedOnOnce) {
  for (const int workers : {1, 3, 8}) {
    auto next = numbers(100);
    std::vector<int> seen;
    run_pipeline(
        workers, [&] { return next(); }, [](int item, int) { return 2 * item; },
        [&](int result) { seen.push_back(result); });
    ASSERT_EQ(seen.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[i], 2 * i);
  }
}

TEST(Pipeline, AnErrorOfAnyPartEndsItAndIsThrown) {
  for (const std::string part : {"next", "work", "finish"}) {
    auto next = numbers(100);
    const auto fail_in = [&](const std::string& name, int value) {
      if (name == part && value == 5) throw std::runtime_error(name);
      return value;
    };
    try {
      run_pipeline(
          3,
          [&] {
            auto item = next();
            if (item) fail_in("next", *item);
            return item;
          },
          [&](int item, int) { return fail_in("work", item); },
          [&](int result) { fail_in("finish", result); });
      ADD_FAILURE() << part;
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(e.what(), part);
    }
  }
}

TEST(Pipeline, AnErrorReachesWorkersThatWaitForRoom) {
  // The first item fails when the other worker has filled all room behind it.
  auto next = numbers(100);
  std::atomic<int> done{0};
  const auto work = [&](int item, int) {
    if (item == 0) {
      while (done < 4) std::this_thread::yield();
      throw std::runtime_error("late");
    }
    ++done;
    return item;
  };
  EXPECT_THROW(run_pipeline(
                   2, [&] { return next(); }, work, [](int) {}),
               std::runtime_error);
}

TEST(Budget, AShareLargerThanTheLimitIsHeldAlone) {
  Budget budget(10);
  std::atomic<int64_t> held{0}, most{0};
  std::vector<std::jthread> threads;
  for (const int64_t amount : {4, 5, 6, 25, 3, 8}) {
    threads.emplace_back([&, amount] {
      const Budget::Share share(budget, amount);
      const int64_t now = held += amount;
      if (amount == 25) {
        EXPECT_EQ(now, 25);
      } else {
        EXPECT_LE(now, 10);
      }
      held -= amount;
    });
  }
}

TEST(RunWithTwoThreads, GivesTheSameWhateverTheCallerHas) {
  torch::manual_seed(1);
  const auto a = torch::randn({6, 512}), b = torch::randn({512, 400});
  const auto x = torch::randn({1, 3, 75, 50});
  std::vector<torch::Tensor> products, images;
  for (const int threads : {1, 2, 3}) {
    const TorchThreads scope(threads);
    run_with_two_threads(torch::kCPU, [&] {
      products.push_back(torch::matmul(a, b));
      images.push_back(at::upsample_bilinear2d(x, {320, 320}, false));
      EXPECT_EQ(at::get_num_threads(), 2);
    });
    EXPECT_EQ(at::get_num_threads(), threads);
  }
  for (size_t i = 1; i < products.size(); ++i) {
    EXPECT_TRUE(torch::equal(products[i], products[0]));
    EXPECT_TRUE(torch::equal(images[i], images[0]));
  }
  EXPECT_THROW(run_with_two_threads(torch::kCPU, [] { throw std::logic_error("x"); }),
               std::logic_error);
}

}  // namespace
}  // namespace pixelclip
