#pragma once

#include <nlohmann/json_fwd.hpp>

#include "inference/segmentation.hpp"
#include "inference/segmenter.hpp"
#include "visualization/palette.hpp"

namespace pixelclip::cli {

/// One class of a segmentation as `segment` and `serve` write it: {id, name, color, area, share,
/// score}, and with `with_mask` also {rle: {size, counts}}.
nlohmann::json region_to_json(const Segmentation& segmentation, const Region& region,
                              const Color& color, bool with_mask);

}  // namespace pixelclip::cli
