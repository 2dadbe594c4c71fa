#include "image/webp.hpp"

#include <webp/decode.h>

#include "base/error.hpp"

namespace pixelclip::formats {

Image decode_webp(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) {
    fail_in(name, "not a readable image (the WebP file is damaged or cut short)");
  }
  check_size(features.height, features.width, name, options.max_pixels);
  if (features.has_animation) {
    fail_in(name, "an animated WebP file, which is not read; write its frames to files");
  }
  Image image(features.height, features.width, 3);
  if (!WebPDecodeRGBInto(bytes.data(), bytes.size(), image.pixels.data(), image.pixels.size(),
                         static_cast<int>(image.stride()))) {
    fail_in(name, "not a readable image (the WebP file is damaged or cut short)");
  }
  return image;
}

}  // namespace pixelclip::formats
