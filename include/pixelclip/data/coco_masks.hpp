#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pixelclip/base/file.hpp"
#include "pixelclip/data/sa1b_masks.hpp"

namespace pixelclip {

/// A COCO instance file: {"images": [{id, file_name, height, width}], "annotations": [{image_id,
/// segmentation: polygons or run lengths, iscrowd}]}. The file stays mapped; of its annotations only
/// their places are kept, 16 bytes each.
class CocoMasks {
 public:
  struct Picture {
    std::string name;  ///< as the file says, relative to the folder of pictures
    int64_t height = 0, width = 0;
    uint64_t first = 0, count = 0;  ///< annotations, in `places_`
  };

  /// Errors name the file: unreadable, not JSON or cut short, no images or annotations, two pictures of
  /// one id.
  explicit CocoMasks(const std::filesystem::path& path);

  const std::vector<Picture>& pictures() const { return pictures_; }
  const std::filesystem::path& path() const { return file_.path(); }
  /// Annotations of pictures that the file does not list.
  int64_t strays() const { return strays_; }
  /// The masks of one picture. Thread-safe. Errors: as Sa1bMaskReader's.
  void read(int64_t picture, int64_t max_masks, Sa1bMaskReader& reader, MaskRuns& out) const;

 private:
  struct Place {
    uint64_t begin;
    uint32_t size, number;  ///< bytes, place in the list
  };
  MappedFile file_;
  std::vector<Picture> pictures_;
  std::vector<Place> places_;
  int64_t strays_ = 0;
};

}  // namespace pixelclip
