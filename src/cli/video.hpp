#pragma once

#include <filesystem>
#include <memory>

#include "image/image.hpp"

namespace pixelclip::cli {

/// The frames of a video file, in order.
class Video {
 public:
  /// Errors: no such video or format; the program was built without OpenCV's videoio.
  explicit Video(const std::filesystem::path& file);
  ~Video();
  Video(const Video&) = delete;
  Video& operator=(const Video&) = delete;

  /// The next frame as RGB; false at the end.
  bool next(Image& rgb);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pixelclip::cli
