#pragma once

#include <cstdint>
#include <vector>

namespace pixelclip {

/// Maps ids in label files to classes: id i is class `classes[i]` (or the ignore value). With an
/// empty table, ids are classes. Ids beyond the table are ignored if `rest_ignored`, else an error,
/// as is an entry of −1.
struct IdMap {
  std::vector<int32_t> classes = {};
  bool rest_ignored = false;
};

/// Maps of the published ids of each set (255: ignored).
IdMap coco_stuff_ids();
IdMap ade20k_ids();
IdMap context_ids(bool background = false);
/// All 459 names; ignored: 459. `prepared`: for label files that contain classes, where 65535 may
/// be used for 459.
IdMap context_459_ids(bool prepared);
/// Of SegmentationClassContext: 0 is the background, 1 to 59 are the classes.
IdMap context_class_ids(bool background);
/// Of COCO-Stuff's label files: 0 is everything but the 80 things.
IdMap coco_object_ids();
/// Of the full ADE20K's 3,156 ids; all but 847 are ignored: 65535.
IdMap ade20k_full_ids();
IdMap cityscapes_ids();
IdMap voc_ids(bool background);
/// COCO's own ids of COCO-Stuff's 171 classes: person is 1, wood 182.
std::vector<int32_t> coco_category_ids();

}  // namespace pixelclip
