#pragma once

#include "io/torch_writer.hpp"
#include "support/tiny_clip.hpp"

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

/// A DINO of random weights with patches of 8 pixels.
inline void write_tiny_dino(const fs::path& path) {
  torch::manual_seed(2);
  StateDict weights{{"cls_token", torch::randn({1, 1, 64})},
                    {"pos_embed", torch::randn({1, 17, 64})},
                    {"patch_embed.proj.weight", 0.1 * torch::randn({64, 3, 8, 8})},
                    {"patch_embed.proj.bias", torch::zeros({64})},
                    {"norm.weight", torch::ones({64})},
                    {"norm.bias", torch::zeros({64})}};
  const std::string block = "blocks.0.";
  for (const char* norm : {"norm1", "norm2"}) {
    weights[block + norm + ".weight"] = torch::ones({64});
    weights[block + norm + ".bias"] = torch::zeros({64});
  }
  const std::tuple<const char*, int64_t, int64_t> linears[] = {
      {"attn.qkv", 192, 64}, {"attn.proj", 64, 64}, {"mlp.fc1", 256, 64}, {"mlp.fc2", 64, 256}};
  for (const auto& [name, out, in] : linears) {
    weights[block + name + ".weight"] = 0.05 * torch::randn({out, in});
    weights[block + name + ".bias"] = torch::zeros({out});
  }
  write_torch_file(path, to_value(weights));
}

}  // namespace pixelclip::testing
