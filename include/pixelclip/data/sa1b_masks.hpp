#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pixelclip/image/image.hpp"
#include "pixelclip/image/polygon.hpp"

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

class JsonScanner;

/// Reads SA-1B's JSON (the same form from any tool): {"image": {height, width}, "annotations":
/// [{"segmentation": {"size": [h, w], "counts": "RLE" or [runs]}, "iscrowd"}]}. A segmentation may also
/// be COCO's list of polygons, when the picture's size stands before it. Crowds and empty masks are
/// dropped; of the rest the `max_masks` largest are kept. Areas are counted, not believed. Keeps its
/// memory; one for each thread.
class Sa1bMaskReader {
 public:
  /// Errors name the file and the line and column or annotation: unreadable, not JSON, cut short, no
  /// list of annotations, neither runs nor polygons, sizes that differ from each other or from the
  /// picture's.
  void read(const std::filesystem::path& path, int64_t max_masks, MaskRuns& out);
  /// The same for text in memory; `name` stands for the file in errors.
  void parse(std::string_view text, const std::string& name, int64_t max_masks, MaskRuns& out);

  /// For forms that hold their annotations elsewhere: begin() with the picture's size (0: not known
  /// yet), one add() for each annotation, which errors call NAME: annotation NUMBER, and
  /// keep_largest().
  static void begin(int64_t height, int64_t width, MaskRuns& out);
  void add(JsonScanner& json, const std::string& name, int64_t number, MaskRuns& out);

 private:
  struct Segment;
  void read_segmentation(JsonScanner& json, Segment& segment);
  void read_polygons(JsonScanner& json);

  std::string text_;
  std::vector<uint32_t> counts_, corners_;
  std::vector<double> points_;
  PolygonFiller filler_;
};

/// Sorts the masks by area, the largest first, and drops all but `max_masks`.
void keep_largest(MaskRuns& masks, int64_t max_masks);

/// Each id of a label map as a mask, except 0 and `ignore`.
void masks_of_ids(const LabelMap& labels, int64_t ignore, int64_t max_masks, MaskRuns& out);

}  // namespace pixelclip
