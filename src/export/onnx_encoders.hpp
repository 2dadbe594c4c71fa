#pragma once

#include <optional>

#include "clip/clip.hpp"
#include "config/keys.hpp"
#include "export/onnx_graph.hpp"

namespace pixelclip {

/// The dense output of the image encoder as ImageEncoderImpl::dense computes it: images
/// [B, 3, H, W], normalised → [B, h, w, C], not normalised. `size` is H×W where it is known, for
/// then the position embedding is resized before and not in the graph.
OnnxValue onnx_dense(OnnxGraph& graph, const ClipArchitecture& architecture,
                     const OnnxValue& images, const std::optional<Size2>& size);

/// TextEncoderImpl::encode_text: ids int64 [N, L] → [N, C], not normalised.
OnnxValue onnx_text(OnnxGraph& graph, const TextOptions& text, const OnnxValue& ids);

}  // namespace pixelclip
