#include "image/shown_image.hpp"

#include <algorithm>

namespace pixelclip {

ShownImageFile::ShownImageFile(const std::filesystem::path& file, int64_t short_side)
    : name_(file.string()), mapped_(file) {
  constexpr int64_t kLarge = 50'000'000, kMost = 1'500'000'000;  // pixels
  if (short_side > 0) options_.max_pixels = kMost;
  info_ = probe(mapped_.bytes(), name_, options_);
  if (short_side > 0 && info_.height * info_.width > kLarge)
    options_.scale = decode_scale(std::min(info_.height, info_.width), short_side);
}

int64_t ShownImageFile::pixels() const {
  return info_.height * info_.width / (options_.scale * options_.scale);
}

ShownImage ShownImageFile::decode(std::vector<std::string>* remarks) const {
  DecodeOptions options = options_;
  options.remarks = remarks;
  return {decode_rgb(mapped_.bytes(), name_, options), info_.height, info_.width};
}

ShownImage read_shown_image(const std::filesystem::path& file, int64_t short_side) {
  return ShownImageFile(file, std::max<int64_t>(1, short_side)).decode();
}

}  // namespace pixelclip
