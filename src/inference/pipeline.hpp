#pragma once

#include <ATen/Parallel.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/scope_exit.hpp"
#include "base/signal.hpp"
#include "inference/ordered_queue.hpp"

namespace pixelclip {

/// Reads, computes and writes overlapped: `work(item, worker)` makes a result of each item that
/// `next()` gives, on `workers` threads, and `finish(result)` gets the results in the order of the
/// items on the calling thread. `next` returns an optional, nothing at the end; it is called by one
/// thread at a time. Each worker takes over the calling thread's number of LibTorch threads. At
/// most 2 · workers results wait, so memory is bounded. A requested stop ends it after the items in
/// progress. The first exception of any of the functions ends it as well and is thrown again.
template <typename Next, typename Work, typename Finish>
void run_pipeline(int workers, const Next& next, const Work& work, const Finish& finish) {
  using Item = typename std::invoke_result_t<Next>::value_type;
  using Result = std::invoke_result_t<Work, Item&&, int>;
  OrderedQueue<Result> done(2 * workers);
  std::mutex mutex;  // of the three below
  int64_t taken = 0;
  bool ended = false;
  std::exception_ptr error;
  std::atomic<int> active{workers};
  const auto take = [&]() -> std::optional<std::pair<int64_t, Item>> {
    const std::lock_guard lock(mutex);
    if (ended || signals::stop_requested()) return std::nullopt;
    std::optional<Item> item = next();
    if (!item) {
      ended = true;
      return std::nullopt;
    }
    return std::pair(taken++, std::move(*item));
  };
  const auto body = [&](int worker) {
    try {
      at::init_num_threads();
      while (auto item = take()) {
        if (!done.push(item->first, work(std::move(item->second), worker))) break;
      }
    } catch (...) {
      {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        ended = true;
      }
      done.close();  // others may wait for a result that never comes
    }
    if (--active == 0) done.close();
  };
  {
    std::vector<std::jthread> pool;
    // Whatever ends this scope, the threads must not wait for room.
    const ScopeExit closer([&] { done.close(); });
    for (int w = 0; w < workers; ++w) pool.emplace_back(body, w);
    while (auto result = done.pop()) finish(std::move(*result));
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace pixelclip
