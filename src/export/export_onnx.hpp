#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "inference/segmenter.hpp"

namespace pixelclip {

enum class OnnxPart { image, text, segmenter };

struct OnnxOptions {
  std::filesystem::path out;
  OnnxPart part = OnnxPart::image;
  std::optional<int64_t> batch = {};  ///< Images, or texts, at once; none: free.
  std::optional<Size2> size = {};     ///< H×W of the input image; none: free.
  /// Resize the image to the encoder's resolution in the graph, as the program does. Else the
  /// encoder takes the image as it comes.
  bool resize = true;
  std::optional<int64_t> length = {};   ///< Ids a text; none: free, up to the encoder's context.
  bool uint8_input = false;             ///< Else float32; the range is 0–255 for both.
  bool half = false;                    ///< Matrices and kernels are stored in float16.
  bool weights_beside = false;          ///< In OUT.data instead of OUT.
  std::vector<std::string> names = {};  ///< Of the segmenter.
  Background background = {};
  bool labels = false;  ///< The segmenter also gives the best class of each pixel.
};

/// Writes one part of the model that `model` names as an ONNX file (docs/onnx.md). It computes what
/// Segmenter computes in float32 for an image in one window. Logs what was written.
/// Errors: built without ONNX; sizes that the model cannot take; as Segmenter; an unwritable path.
void export_onnx(const SegmenterOptions& model, const OnnxOptions& options);

}  // namespace pixelclip
