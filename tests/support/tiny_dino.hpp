#pragma once

#include <torch/utils.h>

#include <string>
#include <tuple>

#include "io/state_dict.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"
#include "support/support.hpp"

namespace pixelclip::testing {

/// Weights of a small DINO with random values: 64 numbers a feature, patches of `patch` pixels and
/// positions for grid × grid of them.
inline StateDict tiny_dino(int64_t patch = 4, int64_t grid = 2) {
  torch::manual_seed(0);
  StateDict weights{{"cls_token", torch::randn({1, 1, 64})},
                    {"pos_embed", torch::randn({1, 1 + grid * grid, 64})},
                    {"patch_embed.proj.weight", torch::randn({64, 3, patch, patch})},
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
  return weights;
}

inline fs::path write_tiny_dino(const fs::path& path, int64_t patch = 4, int64_t grid = 2) {
  write_torch_file(path, to_value(tiny_dino(patch, grid)));
  return path;
}

}  // namespace pixelclip::testing
