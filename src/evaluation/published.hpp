#pragma once

#include <string>
#include <vector>

#include "clip/clip.hpp"
#include "evaluation/report.hpp"

namespace pixelclip {

/// "ViT-B/16" or "ConvNeXt-B" if the image encoder has the sizes of that backbone of the paper;
/// empty for others.
std::string published_backbone(const ClipArchitecture& architecture);

/// The rows of datasets/published_results.json (the paper's table) for this backbone and these
/// training masks: one, or none for another backbone. A missing file is reported in a warning.
std::vector<ComparedRow> published_rows(const ClipArchitecture& architecture, bool dino_masks);

/// The rows of the same file for a training-free method on this backbone, the best source first.
std::vector<ComparedRow> published_method_rows(const ClipArchitecture& architecture,
                                               const std::string& method);

}  // namespace pixelclip
