#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace pixelclip {

/// Shares of something limited that tasks hold while they work. A share larger than the limit waits
/// until nobody holds any.
class Budget {
 public:
  explicit Budget(int64_t limit) : limit_(limit) {}

  class Share {
   public:
    Share(Budget& budget, int64_t amount) : budget_(budget), amount_(amount) {
      std::unique_lock lock(budget_.mutex_);
      budget_.freed_.wait(
          lock, [&] { return budget_.held_ == 0 || budget_.held_ + amount_ <= budget_.limit_; });
      budget_.held_ += amount_;
    }
    ~Share() {
      const std::lock_guard lock(budget_.mutex_);
      budget_.held_ -= amount_;
      budget_.freed_.notify_all();
    }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

   private:
    Budget& budget_;
    const int64_t amount_;
  };

 private:
  const int64_t limit_;
  int64_t held_ = 0;
  std::mutex mutex_;
  std::condition_variable freed_;
};

}  // namespace pixelclip
