#pragma once

#include "evaluation/confusion.hpp"

namespace pixelclip {

/// detectron2's boundary map: id minus the least id within round(0.02·diagonal) pixels (a square
/// window; outside the image counts as 0), so non-zero only near outlines (Boundary IoU, Cheng et
/// al. 2021). Defined for ids below 256.
LabelMap boundary_map(const LabelMap& labels);

/// Counts the boundary maps of an image as detectron2 does, which is the only way to meet its
/// numbers: the difference of ids stands for the class, and the index is formed in one byte, so it
/// wraps from 16 classes on. Do not read more into BoundaryIoU than that. Ignored truth holds
/// boundary.classes().
void add_boundaries(const LabelMap& predicted, const LabelMap& truth, Confusion& boundary);

}  // namespace pixelclip
