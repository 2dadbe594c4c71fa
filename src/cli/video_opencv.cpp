#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "base/error.hpp"
#include "cli/video.hpp"

namespace pixelclip::cli {

struct Video::State {
  cv::VideoCapture capture;
  cv::Mat frame;
};

Video::Video(const std::filesystem::path& file) : state_(std::make_unique<State>()) {
  cv::utils::logging::setLogLevel(
      cv::utils::logging::LOG_LEVEL_SILENT);  // the error below says it all
  if (!state_->capture.open(file.string())) {
    fail_in(file.string(), "is no video that OpenCV can read; convert it to MP4 or AVI");
  }
}

Video::~Video() = default;

bool Video::next(Image& rgb) {
  if (!state_->capture.read(state_->frame) || state_->frame.empty()) return false;
  rgb.reshape(state_->frame.rows, state_->frame.cols, 3);
  cv::Mat out(state_->frame.size(), CV_8UC3, rgb.pixels.data());
  cv::cvtColor(state_->frame, out, cv::COLOR_BGR2RGB);
  return true;
}

}  // namespace pixelclip::cli
