#pragma once

#include <cstdint>

namespace pixelclip {

/// Two lengths, in the order of PyTorch and detectron2: height first.
struct Size2 {
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const Size2&) const = default;
};

}  // namespace pixelclip
