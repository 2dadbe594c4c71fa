#include "image/image.hpp"

#include "base/error.hpp"

namespace pixelclip {

void check_crop(const Rect& crop, int64_t height, int64_t width, const std::string& where) {
  if (!crop.empty() && crop.x >= 0 && crop.y >= 0 && crop.x <= width - crop.width &&
      crop.y <= height - crop.height) {
    return;
  }
  fail(where, "the crop at (", crop.x, ", ", crop.y, ") of ", crop.width, " x ", crop.height,
       " is not inside an image of ", height, " x ", width);
}

}  // namespace pixelclip
