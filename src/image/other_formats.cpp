#include "image/other_formats.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/error.hpp"
#include "image/exif.hpp"

/// Formats beside JPEG and PNG; the only file that needs OpenCV's imgcodecs.
namespace pixelclip::formats {
namespace {

bool begins_with(Bytes bytes, const char* text, size_t size, size_t offset = 0) {
  return bytes.size() >= offset + size && std::memcmp(bytes.data() + offset, text, size) == 0;
}

/// OpenCV may be built with readers that follow references to other files or addresses, so that
/// only formats known to be plain images are given to it.
bool is_known(Bytes bytes) {
  const bool netpbm = bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
                      std::strchr(" \t\r\n", bytes[2]) && bytes[2] != 0;
  return netpbm || begins_with(bytes, "BM", 2) || begins_with(bytes, "II*\0", 4) ||
         begins_with(bytes, "MM\0*", 4) ||
         (begins_with(bytes, "RIFF", 4) && begins_with(bytes, "WEBP", 4, 8)) ||
         begins_with(bytes, "\0\0\0\x0CjP  ", 8);
}

/// The file as stored: OpenCV turns a TIFF image by its orientation, asked or not.
class Unturned {
 public:
  explicit Unturned(Bytes bytes) : bytes_(bytes) {
    if (!is_tiff(bytes)) return;
    const TiffLayout layout = tiff_layout(bytes);
    if (layout.orientation == 1 || layout.orientation_at == 0) return;
    copy_.assign(bytes.begin(), bytes.end());
    const bool little = bytes[0] == 'I';
    copy_[layout.orientation_at] = little ? 1 : 0;
    copy_[layout.orientation_at + 1] = little ? 0 : 1;
    bytes_ = copy_;
  }
  Unturned(const Unturned&) = delete;
  Unturned& operator=(const Unturned&) = delete;
  Bytes bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> copy_;
  Bytes bytes_;
};

/// The indices of an uncompressed BMP with a palette of up to 256 colors, which OpenCV looks up;
/// without a size for other files.
LabelMap bmp_indices(Bytes bytes) {
  LabelMap labels{0, 0, {}};
  const auto number = [&](size_t at, int count) {
    uint32_t value = 0;
    for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[at + i];
    return value;
  };
  constexpr size_t kHeaders = 14 + 40;
  if (!begins_with(bytes, "BM", 2) || bytes.size() < kHeaders || number(14, 4) < 40) return labels;
  const uint32_t bits = number(28, 2), compression = number(30, 4);
  if (compression != 0 || (bits != 1 && bits != 4 && bits != 8)) return labels;
  const int64_t start = number(10, 4), width = static_cast<int32_t>(number(18, 4));
  const int64_t signed_height = static_cast<int32_t>(number(22, 4));
  const int64_t height = std::abs(signed_height), stride = (width * bits + 31) / 32 * 4;
  const auto size = static_cast<int64_t>(bytes.size());
  if (width <= 0 || height == 0 || start > size || height > (size - start) / stride) return labels;
  labels = {height, width, std::vector<int32_t>(height * width)};
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = bytes.data() + start + stride * (signed_height < 0 ? y : height - 1 - y);
    for (int64_t x = 0; x < width; ++x) {
      const int64_t bit = x * bits;
      const auto below = static_cast<int>(8 - bits - bit % 8);
      labels.ids[y * width + x] = row[bit / 8] >> below & ((1 << bits) - 1);
    }
  }
  return labels;
}

/// One, three or more bands of fractions or of 32 bits as levels of RGB.
cv::Mat to_levels(cv::Mat mat, const std::string& name, const DecodeOptions& options) {
  mat = mat.reshape(1);  // bands side by side
  double least = 0, most = 0;
  cv::Mat finite;
  mat.convertTo(finite, CV_32F);
  cv::patchNaNs(finite, 0);
  cv::minMaxLoc(finite, &least, &most);
  const bool shares = least >= 0 && most > 0 && most <= 1 && mat.depth() >= CV_32F;
  if (shares) {
    remark(options, name + ": its values are fractions up to 1, taken as shares of 255");
  } else if (least < 0 || most > 255) {
    remark(options, str(name, ": its values go from ", least, " to ", most,
                        "; what lies outside 0 to 255 is cut off"));
  }
  finite = cv::max(cv::min(finite, 255.0), 0.0);  // also infinities
  cv::Mat levels;
  finite.convertTo(levels, CV_8U, shares ? 255 : 1);
  return levels;
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

int other_orientation(Bytes bytes) {
  if (is_tiff(bytes)) return tiff_layout(bytes).orientation;
  return begins_with(bytes, "WEBP", 4, 8) ? webp_orientation(bytes) : 1;
}

Image decode_other(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  const Unturned file(bytes);
  TiffLayout layout;
  if (is_tiff(bytes)) layout = tiff_layout(bytes);
  if (layout.samples > 4) {
    fail(name, ": a TIFF image of ", layout.samples,
         " bands; 1, 3 or 4 are read (write red, green and blue to a file of their own)");
  }
  const bool wide = layout.fractions || layout.bits > 16;
  cv::Mat mat =
      decode(file.bytes(), name,
             wide ? cv::IMREAD_UNCHANGED : cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  check_size(mat.rows, mat.cols, name, options.max_pixels);
  const int bands = mat.channels();
  if (wide) mat = to_levels(mat, name, options);
  Image image(mat.rows, mat.cols / (wide ? bands : 1), 3);
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* in = mat.ptr(static_cast<int>(y));
    uint8_t* out = image.row(y);
    for (int64_t x = 0; x < image.width; ++x, in += bands, out += 3) {
      const bool grey = bands < 3;
      out[0] = in[grey ? 0 : 2], out[1] = in[grey ? 0 : 1], out[2] = in[0];
    }
  }
  if (layout.bits == 16 && !wide) remark_dark_16_bits(image, name, options);
  return image;
}

LabelMap decode_other_labels(Bytes bytes, const std::string& name) {
  const Unturned file(bytes);
  const cv::Mat mat = decode(file.bytes(), name, cv::IMREAD_UNCHANGED);
  if (mat.channels() == 3) {
    LabelMap indices = bmp_indices(bytes);
    if (indices.height > 0) return indices;
  }
  if (mat.channels() != 1 || (mat.depth() != CV_8U && mat.depth() != CV_16U &&
                              mat.depth() != CV_16S && mat.depth() != CV_32S)) {
    fail(name, ": the labels are colors or fractions; an image of whole ids was expected");
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
