#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.hpp"
#include "image/polygon.hpp"

namespace pixelclip {

/// The masks of one image as runs (see image/rle.hpp), the largest first. All data is in two arrays
/// that are reused from image to image.
struct MaskRuns {
  struct Mask {
    uint64_t begin = 0, count = 0;  ///< in `counts`
    int64_t area = 0;               ///< pixels
  };
  /// Annotations without a mask.
  struct LeftOut {
    int64_t crowds = 0;      ///< crowd regions, if these are not masks
    int64_t unusable = 0;    ///< others
    int64_t broken = 0;      ///< of these, masks that cannot be parsed
    std::string first = {};  ///< "FILE: annotation NUMBER (id ID) REASON" of the first unusable one
  };
  int64_t height = 0, width = 0;  ///< of the image; 0 if not in the file
  std::vector<uint32_t> counts;
  std::vector<Mask> masks;
  LeftOut left_out;

  std::span<const uint32_t> runs(const Mask& mask) const {
    return std::span(counts).subspan(mask.begin, mask.count);
  }
};

class JsonScanner;

/// Largest accepted side of an image with masks, in pixels.
inline constexpr int64_t kMaxSide = 1 << 20;

/// Information that a mask file may lack.
struct MaskSource {
  int64_t height = 0, width = 0;  ///< of the displayed image; 0: unknown
  bool crowds = true;             ///< whether crowd regions ("iscrowd": 1) are masks
};

/// Reads SA-1B's JSON: {"image": {height, width}, "annotations": [{"segmentation": {"size": [h, w],
/// "counts": "RLE" or [runs]}, "iscrowd"}]}, or the list of annotations alone, as SAM's script
/// writes it, or LabelMe's "shapes". A segmentation may also be COCO's list of polygons. A missing
/// size is taken from the image. An annotation without a valid mask is left out and counted. Empty
/// masks are dropped; of the rest the `max_masks` largest are kept. Areas are computed from the
/// runs. Reuses its memory; use one per thread.
class Sa1bMaskReader {
 public:
  /// Errors name the file and the annotation or the line: unreadable, not JSON, cut short, no list
  /// of annotations, only invalid masks, sizes that differ from each other or from the image's.
  void read(const std::filesystem::path& path, int64_t max_masks, MaskRuns& out);
  /// The same for text in memory; errors begin with `name`.
  void parse(std::string_view text, const std::string& name, int64_t max_masks, MaskRuns& out,
             const MaskSource& source = {});

  /// For formats that store annotations elsewhere: begin() with the image's size (0: unknown),
  /// add() for each annotation (NAME: annotation NUMBER in errors), then end(). If that returns
  /// false, the size became known only after masks that need it: add() all again.
  static void begin(int64_t height, int64_t width, MaskRuns& out);
  void add(JsonScanner& json, const std::string& name, int64_t number, bool crowds, MaskRuns& out);
  bool end(const MaskSource& source, const std::string& name, int64_t max_masks, MaskRuns& out);

 private:
  struct Segment;
  void walk(std::string_view text, const std::string& name, bool crowds, MaskRuns& out);
  void add_shape(JsonScanner& json, const std::string& name, int64_t number, MaskRuns& out);
  void read_segmentation(JsonScanner& json, Segment& segment);
  bool read_object(JsonScanner& json, Segment& segment);
  void read_counts(JsonScanner& json, Segment& segment);
  size_t read_list(JsonScanner& json, Segment& segment);
  void add_coordinate(std::optional<double> value, Segment& segment);
  bool keep_polygons();
  void take(const Segment& segment, const JsonScanner& json, const std::string& name,
            MaskRuns& out);

  std::string text_;
  std::vector<uint32_t> counts_, corners_;
  std::vector<double> points_;
  PolygonFiller filler_;
  int64_t image_height_ = 0, image_width_ = 0;
  bool needs_size_ = false;
};

/// Sorts the masks by area, the largest first, and drops all but `max_masks`.
void keep_largest(MaskRuns& masks, int64_t max_masks);

/// Each id of a label map as a mask, except 0 and `ignore`.
void masks_of_ids(const LabelMap& labels, int64_t ignore, int64_t max_masks, MaskRuns& out);

}  // namespace pixelclip
