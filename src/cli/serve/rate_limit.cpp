#include "cli/serve/rate_limit.hpp"

#include <algorithm>

namespace pixelclip::cli {

bool RateLimit::admit(const std::string& client, double now) {
  constexpr size_t kMostClients = 1000;
  const std::lock_guard lock(mutex_);
  if (buckets_.size() > kMostClients) buckets_.clear();
  Bucket& bucket = buckets_.try_emplace(client, Bucket{2 * rate_, now}).first->second;
  bucket.tokens = std::min(2 * rate_, bucket.tokens + (now - bucket.filled_at) * rate_);
  bucket.filled_at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

}  // namespace pixelclip::cli
