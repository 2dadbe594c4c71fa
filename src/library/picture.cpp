#include "pixelclip/picture.hpp"

#include "image/codec.hpp"

namespace pixelclip {

Picture load_picture(const std::filesystem::path& file) {
  Image image = read_rgb(file);
  return {image.height, image.width, std::move(image.pixels)};
}

}  // namespace pixelclip
