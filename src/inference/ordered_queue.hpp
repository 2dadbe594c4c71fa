#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace pixelclip {

/// Passes values from several threads to one in the order of their index. A thread that is `room`
/// or more ahead of the reader blocks, so memory is bounded.
template <typename T>
class OrderedQueue {
 public:
  explicit OrderedQueue(int64_t room) : room_(room) {}

  /// Returns false if the queue was closed.
  bool push(int64_t index, T value) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || index < next_ + room_; });
    if (closed_) return false;
    waiting_.emplace(index, std::move(value));
    changed_.notify_all();
    return true;
  }

  /// The value of the next index; nullopt if the queue was closed before it arrived.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || waiting_.contains(next_); });
    const auto found = waiting_.find(next_);
    if (found == waiting_.end()) return std::nullopt;
    T value = std::move(found->second);
    waiting_.erase(found);
    ++next_;
    changed_.notify_all();
    return value;
  }

  /// Wakes all threads. Values that are ready in order can still be popped.
  void close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  const int64_t room_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int64_t, T> waiting_;
  int64_t next_ = 0;
  bool closed_ = false;
};

}  // namespace pixelclip
