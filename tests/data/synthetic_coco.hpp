#pragma once

#include "data/sa1b_masks.hpp"
#include "data/synthetic_sa1b.hpp"

namespace pixelclip::testing {
using nlohmann::json;

/// Areas of the masks, the largest first.
inline std::vector<int64_t> areas_of(const MaskRuns& masks) {
  std::vector<int64_t> out;
  for (const auto& mask : masks.masks) out.push_back(mask.area);
  return out;
}

inline json image_entry(int id, const std::string& name, int64_t height, int64_t width) {
  return {{"id", id}, {"file_name", name}, {"height", height}, {"width", width}};
}

/// Two images with polygons, run lengths of both kinds, a crowd, and a stray annotation.
inline json synthetic_coco() {
  const Rle square = rle_from_bitmap(rectangle(20, 30, {2, 3, 5, 6}), 20, 30);
  return {
      {"info", {{"year", 2026}}},
      {"annotations",
       {{{"image_id", 7}, {"segmentation", {{0, 0, 10, 0, 10, 4, 0, 4}}}, {"iscrowd", 0}},
        {{"image_id", 9}, {"segmentation", {{-5, -5, 100, -5, 100, 100, -5, 100}}}},
        {{"image_id", 7}, {"segmentation", {{"size", {20, 30}}, {"counts", encode_rle(square)}}}},
        {{"image_id", 7},
         {"segmentation", {{"size", {20, 30}}, {"counts", square.counts}}},
         {"iscrowd", 1}},
        {{"image_id", 7},
         {"segmentation", {{0, 10, 2, 10, 2, 12, 0, 12}, {4, 10, 6, 10, 6, 12, 4, 12}}}},
        {{"image_id", 7}, {"segmentation", {{50, 50, 60, 50, 60, 60}}}},
        {{"image_id", 1000}, {"segmentation", json::array()}}}},
      {"images",
       {image_entry(9, "deep/b.jpg", 10, 12), image_entry(7, "a.jpg", 20, 30),
        image_entry(3, "gone.jpg", 5, 5)}}};
}

}  // namespace pixelclip::testing
