#include <array>

#include "data/catalog.hpp"

namespace pixelclip {
namespace {

constexpr int ignored = 255;

/// `kept` ids in order become 0, 1, …; every other id is ignored.
template <size_t N>
IdMap keep_only(const std::array<int, N>& kept) {
  IdMap map{.classes = std::vector<int32_t>(kept.back() + 1, ignored), .rest_ignored = true};
  for (size_t i = 0; i < N; ++i) map.classes[kept[i]] = static_cast<int32_t>(i);
  return map;
}

}  // namespace

IdMap coco_stuff_ids() {
  IdMap map{.classes = std::vector<int32_t>(182), .rest_ignored = true};
  // The label file leaves out eleven of COCO's things.
  for (const int id : {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}) map.classes[id] = ignored;
  int32_t next = 0;
  for (int32_t& id : map.classes) {
    if (id != ignored) id = next++;
  }
  return map;
}

IdMap ade20k_ids() {
  IdMap map{.classes = {ignored}};
  for (int id = 0; id < 150; ++id) map.classes.push_back(id);
  return map;
}

IdMap context_ids(bool background) {
  constexpr std::array kept = {2,   9,   18,  19,  22,  23,  25,  31,  33,  34,  44,  45,
                               46,  59,  65,  68,  72,  80,  85,  98,  104, 105, 113, 115,
                               144, 158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260,
                               284, 295, 296, 308, 324, 326, 347, 349, 354, 355, 360, 366,
                               368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458};
  static_assert(kept.size() == 59);
  IdMap map = keep_only(kept);
  if (background) map.classes[0] = 59;
  return map;
}

IdMap context_459_ids(bool prepared) {
  constexpr int classes = 459;
  IdMap map;
  if (prepared) {
    map.classes.assign(65536, -1);
    for (int id = 0; id <= classes; ++id) map.classes[id] = id;
    map.classes[65535] = classes;
    return map;
  }
  map.classes = {classes};
  for (int id = 0; id < classes; ++id) map.classes.push_back(id);
  return map;
}

std::vector<int32_t> coco_category_ids() {
  std::vector<int32_t> ids;
  const auto map = coco_stuff_ids().classes;
  for (size_t id = 0; id < map.size(); ++id) {
    if (map[id] != ignored)
      ids.push_back(static_cast<int32_t>(id) + 1);  // label files count from 0
  }
  return ids;
}

IdMap cityscapes_ids() {
  return keep_only(
      std::array{7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33});
}

IdMap voc_ids(bool background) {
  IdMap map{.classes = std::vector<int32_t>(256, -1)};
  map.classes[0] = background ? 20 : ignored;
  for (int id = 1; id <= 20; ++id) map.classes[id] = id - 1;
  map.classes[255] = ignored;
  return map;
}

}  // namespace pixelclip
