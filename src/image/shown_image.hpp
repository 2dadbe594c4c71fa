#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "image/codec.hpp"
#include "image/image.hpp"

namespace pixelclip {

/// An image as it is displayed, and its size, which is larger than that of `rgb` where the file was
/// read smaller.
struct ShownImage {
  Image rgb;
  int64_t height = 0, width = 0;
};

/// An image file of which only the header has been read, for read_shown_image() and for those who
/// first ask how many pixels there will be.
class ShownImageFile {
 public:
  /// `short_side` 0: never read smaller, and Pillow's limit of pixels holds.
  ShownImageFile(const std::filesystem::path& file, int64_t short_side);

  int64_t pixels() const;  ///< That decode() makes.
  /// `remarks` takes doubts about the values, as DecodeOptions; null: the first few are logged.
  ShownImage decode(std::vector<std::string>* remarks = nullptr) const;

 private:
  std::string name_;
  MappedFile mapped_;
  DecodeOptions options_;
  ImageInfo info_;
};

/// Reads an image file turned by its orientation. One of more than 50 megapixels is read smaller
/// where the format allows that, with at least `short_side` pixels on its short side. Errors: as
/// decode_rgb; more than 1.5 gigapixels.
ShownImage read_shown_image(const std::filesystem::path& file, int64_t short_side);

}  // namespace pixelclip
