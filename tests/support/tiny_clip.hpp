#pragma once

#include <torch/utils.h>

#include "clip/clip.hpp"
#include "io/state_dict.hpp"
#include "io/torch_writer.hpp"
#include "support/support.hpp"

namespace pixelclip::testing {

/// Writes a CLIP of random weights with the true vocabulary: ViT, patch 8, 4 × 4 patches, 16
/// numbers an embedding.
inline fs::path write_tiny_clip(const fs::path& path) {
  torch::manual_seed(1);
  ClipArchitecture architecture;
  architecture.vit = VitOptions{.width = 64, .layers = 2, .patch = 8, .grid = 4, .embedding = 16};
  architecture.text = {.width = 64, .layers = 1, .heads = 1, .embedding = 16};
  CLIP clip(architecture);
  write_torch_file(path, to_value(state_of(*clip)));
  return path;
}

}  // namespace pixelclip::testing
