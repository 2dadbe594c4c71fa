#include "image/shown_image.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "image/codec.hpp"

namespace pixelclip {

ShownImage read_shown_image(const std::filesystem::path& file, int64_t short_side) {
  constexpr int64_t kLarge = 50'000'000, kMost = 1'500'000'000;  // pixels
  const MappedFile mapped(file);
  DecodeOptions options;
  options.max_pixels = kMost;
  const ImageInfo info = probe(mapped.bytes(), file.string(), options);
  if (info.height * info.width > kLarge) {
    options.scale =
        decode_scale(std::min(info.height, info.width), std::max<int64_t>(1, short_side));
  }
  return {decode_rgb(mapped.bytes(), file.string(), options), info.height, info.width};
}

}  // namespace pixelclip
