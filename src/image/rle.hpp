#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.hpp"

/// COCO's run-length encoding: a mask column by column as alternating run lengths, background
/// first.
namespace pixelclip {

struct Rle {
  int64_t height = 0, width = 0;
  std::vector<uint32_t> counts;

  bool operator==(const Rle&) const = default;
};

/// Treatment of runs that end with a mask run before height · width.
enum class RleEnd {
  error,
  background,  ///< background follows to the end; some writers omit the last run
};

/// Decodes the compressed string into `counts`, whose memory is reused. Errors (one sentence that
/// does not name the file): characters outside the code, a string cut short, runs that are
/// negative, overflow, or whose sum is not height · width (see `end`).
void parse_rle(std::string_view text, int64_t height, int64_t width, std::vector<uint32_t>& counts,
               RleEnd end = RleEnd::error);
Rle decode_rle(std::string_view text, int64_t height, int64_t width);
/// The inverse, character for character as pycocotools writes it.
std::string encode_rle(const Rle& rle);

/// Checks runs of uncompressed RLE. Errors as for parse_rle.
void check_rle(std::span<const uint32_t> counts, int64_t height, int64_t width);

/// The same, but appends background to the end if the runs end with a mask run.
void complete_rle(std::vector<uint32_t>& counts, int64_t height, int64_t width);

int64_t rle_area(std::span<const uint32_t> counts);
/// Bounding box of the mask; empty for an empty mask.
Rect rle_bbox(const Rle& rle);

/// One byte a pixel, row by row; anything but 0 is mask.
Rle rle_from_bitmap(std::span<const uint8_t> bitmap, int64_t height, int64_t width);
/// The pixels of `labels` equal to `id`.
Rle rle_from_label(const LabelMap& labels, int32_t id);
/// The masks of all ids that occur, by ascending id.
std::map<int32_t, Rle> rles_from_labels(const LabelMap& labels);
/// Calls `visit(id, begin, end)` for each run of equal ids, column by column; pixel (y, x) has the
/// index x · height + y.
template <typename Visit>
void for_each_run(const LabelMap& labels, const Visit& visit) {
  int64_t begin = 0, at = 0;
  int32_t current = labels.ids.empty() ? 0 : labels.ids.front();
  for (int64_t x = 0; x < labels.width; ++x) {
    for (int64_t y = 0; y < labels.height; ++y, ++at) {
      const int32_t id = labels.ids[static_cast<size_t>(y * labels.width + x)];
      if (id == current) continue;
      visit(current, begin, at);
      begin = at;
      current = id;
    }
  }
  if (at > begin) visit(current, begin, at);
}
/// COCO's JSON of a mask: {"size": [height, width], "counts": "…"}.
nlohmann::json rle_to_json(const Rle& rle);
/// SA-1B's JSON of a mask: {id, segmentation, bbox, area, predicted_iou: 1, stability_score: 1,
/// point_coords: [], crop_box: the whole image}.
nlohmann::json sa1b_annotation(int64_t id, const Rle& mask);
/// Writes 0 and 1.
std::vector<uint8_t> rle_to_bitmap(const Rle& rle);

}  // namespace pixelclip
