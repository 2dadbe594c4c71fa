#pragma once

#include <cstdint>
#include <functional>

namespace pixelclip {

/// Cores this process may run on (its affinity mask), at least 1.
int available_cores();

/// Calls `body(i)` for each i in [0, count) on up to `threads` threads (0: all cores), each index
/// once, in no fixed order. The first exception stops the rest and is thrown again here.
void parallel_for(int64_t count, int threads, const std::function<void(int64_t)>& body);

}  // namespace pixelclip
