#pragma once

#include <map>
#include <mutex>
#include <string>

namespace pixelclip::cli {

/// Limits the requests of each client by a token bucket. A client may send `rate` requests a second
/// on average, and twice that number at once. Thread-safe.
class RateLimit {
 public:
  explicit RateLimit(double rate) : rate_(rate) {}

  /// Whether `client` may send one more request at the time `now` in seconds, which never falls.
  bool admit(const std::string& client, double now);

 private:
  struct Bucket {
    double tokens;
    double filled_at;
  };

  const double rate_;
  std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace pixelclip::cli
