#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "config/enumerations.hpp"
#include "data/sa1b_masks.hpp"

namespace pixelclip {

/// A COCO instance file: {"images": [{id, file_name, height, width}], "annotations": [{image_id,
/// segmentation: polygons or run lengths, iscrowd}]}, categories or not. The file stays
/// memory-mapped; only the offsets of its annotations are stored, 16 bytes each. Ids are numbers or
/// strings; file_name may be missing if coco_url is present (LVIS), and sizes may be missing.
class CocoMasks {
 public:
  struct ImageEntry {
    std::string name;               ///< path or URL in the file; empty: left out
    int64_t height = 0, width = 0;  ///< 0: not in the file
    uint64_t first = 0, count = 0;  ///< annotations, in `places_`
  };

  /// Errors name the file and the image or annotation: unreadable, not JSON or cut short, no
  /// images or annotations, no annotation that belongs to one of the images.
  explicit CocoMasks(const std::filesystem::path& path,
                     CrowdRegions crowds = CrowdRegions::automatic);

  const std::vector<ImageEntry>& images() const { return images_; }
  const std::filesystem::path& path() const { return file_.path(); }
  /// Annotations of images that the file does not list or that are left out.
  int64_t strays() const { return strays_; }
  /// Entries of images that are left out, and what is wrong with the first: no id, no name,
  /// another image's id, two sizes.
  int64_t unusable() const { return unusable_; }
  const std::string& first_unusable() const { return first_unusable_; }
  /// Annotations with "iscrowd": 1, and whether they are masks.
  int64_t crowd_regions() const { return crowd_regions_; }
  bool uses_crowds() const { return crowds_; }
  /// The masks of one image. Thread-safe. Errors: as Sa1bMaskReader's.
  void read(int64_t image, int64_t max_masks, const MaskSource& source, Sa1bMaskReader& reader,
            MaskRuns& out) const;

 private:
  struct Place {
    uint64_t begin;
    uint32_t size, number;  ///< bytes, index in the list
  };
  struct Reader;
  MappedFile file_;
  std::vector<ImageEntry> images_;
  std::vector<Place> places_;
  std::string first_unusable_;
  int64_t strays_ = 0, unusable_ = 0, crowd_regions_ = 0;
  bool crowds_ = true;
};

}  // namespace pixelclip
