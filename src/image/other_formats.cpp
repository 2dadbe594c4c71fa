#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "formats.hpp"
#include "pixelclip/base/error.hpp"

/// Formats beside JPEG and PNG; the only file that needs OpenCV's imgcodecs.
namespace pixelclip::formats {
namespace {

bool begins_with(Bytes bytes, const char* text, size_t size, size_t offset = 0) {
  return bytes.size() >= offset + size && std::memcmp(bytes.data() + offset, text, size) == 0;
}

/// OpenCV may be built with readers that follow references to other files or addresses, so that
/// only formats known to be plain pictures are given to it.
bool is_known(Bytes bytes) {
  const bool netpbm = bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
                      std::strchr(" \t\r\n", bytes[2]) && bytes[2] != 0;
  return netpbm || begins_with(bytes, "BM", 2) || begins_with(bytes, "II*\0", 4) ||
         begins_with(bytes, "MM\0*", 4) ||
         (begins_with(bytes, "RIFF", 4) && begins_with(bytes, "WEBP", 4, 8)) ||
         begins_with(bytes, "\0\0\0\x0CjP  ", 8);
}

cv::Mat decode(Bytes bytes, const std::string& name, int flags) {
  if (!is_known(bytes)) {
    fail(name,
         ": this is not an image of a known kind (JPEG, PNG, BMP, WebP, TIFF, JPEG 2000 and "
         "PNM are read)");
  }
  static const auto quiet = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  (void)quiet;
  cv::Mat image;
  try {
    const cv::Mat wrapped(1, static_cast<int>(bytes.size()), CV_8U,
                          const_cast<uint8_t*>(bytes.data()));
    image = cv::imdecode(wrapped, flags);
  } catch (const cv::Exception& e) {
    fail(name, ": not a readable image (", e.err, ")");
  }
  if (image.empty()) fail(name, ": not a readable image (it is damaged or cut short)");
  return image;
}

}  // namespace

Image decode_other(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  const int turn = options.orient ? 0 : cv::IMREAD_IGNORE_ORIENTATION;
  const cv::Mat bgr = decode(bytes, name, cv::IMREAD_COLOR | turn);
  check_size(bgr.rows, bgr.cols, name, options.max_pixels);
  Image image(bgr.rows, bgr.cols, 3);
  for (int y = 0; y < bgr.rows; ++y) {
    const uint8_t* in = bgr.ptr(y);
    uint8_t* out = image.row(y);
    for (int x = 0; x < bgr.cols; ++x, in += 3, out += 3) {
      out[0] = in[2], out[1] = in[1], out[2] = in[0];
    }
  }
  return image;
}

LabelMap decode_other_labels(Bytes bytes, const std::string& name) {
  const cv::Mat mat = decode(bytes, name, cv::IMREAD_UNCHANGED);
  if (mat.channels() != 1 ||
      (mat.depth() != CV_8U && mat.depth() != CV_16U && mat.depth() != CV_32S)) {
    fail(name, ": the labels are colours or fractions; an image of whole ids was expected");
  }
  LabelMap labels{mat.rows, mat.cols, {}};
  cv::Mat ids(mat.rows, mat.cols, CV_32S);
  mat.convertTo(ids, CV_32S);
  for (int y = 0; y < ids.rows; ++y) {
    labels.ids.insert(labels.ids.end(), ids.ptr<int32_t>(y), ids.ptr<int32_t>(y) + ids.cols);
  }
  return labels;
}

}  // namespace pixelclip::formats
