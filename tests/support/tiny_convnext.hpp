#pragma once

#include "io/torch_writer.hpp"
#include "support/tiny_clip.hpp"
#include "support/tiny_dino.hpp"

namespace pixelclip::testing {

/// A CLIP of random weights with a ConvNeXt of five blocks.
inline void write_tiny_convnext(const fs::path& path) {
  torch::manual_seed(1);
  ClipArchitecture architecture;
  architecture.text = {
      .width = 64, .layers = 1, .heads = 1, .embedding = 16, .activation = Activation::gelu};
  architecture.convnext =
      ConvNextOptions{.depths = {1, 1, 2, 1}, .widths = {8, 16, 24, 32}, .embedding = 16};
  CLIP clip(architecture);
  torch::NoGradGuard no_grad;
  for (auto& item : clip->named_parameters()) {
    if (item.key().ends_with("gamma")) item.value().fill_(0.5);  // so that the blocks matter
  }
  write_torch_file(path, to_value(state_of(*clip)));
}

}  // namespace pixelclip::testing
