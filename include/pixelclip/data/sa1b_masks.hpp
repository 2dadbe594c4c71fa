#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pixelclip {

/// The masks of one picture as runs (see image/rle.hpp), the largest first. Everything lies in two
/// arrays that are reused from picture to picture.
struct MaskRuns {
  struct Mask {
    uint64_t begin = 0, count = 0;  ///< in `counts`
    int64_t area = 0;               ///< pixels
  };
  int64_t height = 0, width = 0;  ///< of the picture; 0 when the file says neither
  std::vector<uint32_t> counts;
  std::vector<Mask> masks;

  std::span<const uint32_t> runs(const Mask& mask) const {
    return std::span(counts).subspan(mask.begin, mask.count);
  }
};

/// Reads SA-1B's JSON (the same form from any tool): {"image": {height, width}, "annotations":
/// [{"segmentation": {"size": [h, w], "counts": "RLE" or [runs]}, "iscrowd"}]}. Crowds and empty masks
/// are dropped; of the rest the `max_masks` largest are kept. Areas are counted, not believed.
/// Keeps its memory; one for each thread.
class Sa1bMaskReader {
 public:
  /// Errors name the file and the line and column or annotation: unreadable, not JSON, cut short, no
  /// list of annotations, no run-length mask, sizes that differ from each other or from the picture's.
  void read(const std::filesystem::path& path, int64_t max_masks, MaskRuns& out);
  /// The same for text in memory; `name` stands for the file in errors.
  void parse(std::string_view text, const std::string& name, int64_t max_masks, MaskRuns& out);

 private:
  std::string text_;
  std::vector<uint32_t> counts_;
};

}  // namespace pixelclip
