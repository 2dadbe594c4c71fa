#include "cli/region_json.hpp"

#include <nlohmann/json.hpp>

#include "image/rle.hpp"
#include "visualization/overlay.hpp"

namespace pixelclip::cli {

nlohmann::json region_to_json(const Segmentation& segmentation, const Region& region,
                              const Color& color, bool with_mask) {
  const auto pixels = static_cast<double>(segmentation.labels.ids.size());
  nlohmann::json json = {{"id", region.id},
                         {"name", segmentation.names[region.id]},
                         {"color", to_hex(color)},
                         {"area", region.area},
                         {"share", static_cast<double>(region.area) / pixels},
                         {"score", region.score}};
  if (with_mask) json["rle"] = rle_to_json(region.mask);
  return json;
}

}  // namespace pixelclip::cli
