#pragma once

#include "evaluation/confusion.hpp"

namespace pixelclip {

/// detectron2's boundary map: id minus the least id within round(0.02·diagonal) pixels (a square
/// window; outside the image counts as 0), so non-zero only near outlines (Boundary IoU, Cheng et
/// al. 2021). Defined for ids below 256.
LabelMap boundary_map(const LabelMap& labels);

/// Counts the boundary maps of an image exactly as detectron2 does: the difference of ids is taken
/// for the class, and the index is computed in one byte, so it wraps with 16 or more classes.
/// BoundaryIoU must be interpreted accordingly. Ignored truth is boundary.classes().
void add_boundaries(const LabelMap& predicted, const LabelMap& truth, Confusion& boundary);

}  // namespace pixelclip
