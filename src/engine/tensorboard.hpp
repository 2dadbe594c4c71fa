#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "image/image.hpp"

namespace pixelclip {

/// Writes one event file that TensorBoard reads: TFRecord frames of hand-coded protocol buffers
/// (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).
class TensorBoardWriter {
 public:
  /// A new file in `folder`. Where the folder has older ones or `resume_at` is above 0, TensorBoard
  /// discards their values of that step and later. Errors, here and below: the file cannot be
  /// written.
  TensorBoardWriter(const std::filesystem::path& folder, int64_t resume_at);

  void scalars(const std::map<std::string, double>& values, int64_t step);
  void picture(const std::string& tag, const Image& image, int64_t step);
  const std::filesystem::path& path() const { return path_; }

 private:
  void write(const std::string& fields, int64_t step);

  std::filesystem::path path_;
  std::ofstream file_;
};

/// CRC-32C (Castagnoli) of `bytes`, as TFRecord masks it.
uint32_t masked_crc(std::string_view bytes);

}  // namespace pixelclip
