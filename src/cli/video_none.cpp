#include "base/error.hpp"
#include "cli/video.hpp"

namespace pixelclip::cli {

struct Video::State {};

Video::Video(const std::filesystem::path& file) {
  fail_in(ErrorKind::unavailable, file.string(),
          "this program was built without OpenCV's videoio, so it reads no videos; install ",
          "libopencv-videoio-dev and build again, or cut the video into images");
}

Video::~Video() = default;

bool Video::next(Image&) { return false; }

}  // namespace pixelclip::cli
