#pragma once

#include <cstdint>
#include <filesystem>

#include "clip/clip.hpp"
#include "demo/world.hpp"

namespace pixelclip {

/// Size and training of the demo's small CLIP, which has OpenAI's layout.
struct DemoClipOptions {
  uint64_t seed = 0;
  int64_t side = 48;  ///< Input side in pixels.
  int64_t patch = 8;
  int64_t width = 128;
  int64_t layers = 2;
  int64_t text_layers = 2;
  int64_t embedding = 128;
  int64_t batch = 128;
  int64_t iterations = 300;
  double learning_rate = 1e-3;
  double weight_decay = 0.05;
};

/// Trains a CLIP from scratch on the images and captions in `folder`: the symmetric contrastive
/// loss of Radford et al. 2021 (figure 3), AdamW with warm-up and a cosine schedule. Uses all
/// cores. Errors: no demo data in the folder.
CLIP train_demo_clip(const std::filesystem::path& folder, const DemoClipOptions& options,
                     const DemoProgress& progress = {});

/// Whether `folder`/clip.pth was made with the same options from the data in `folder`.
bool demo_clip_ready(const std::filesystem::path& folder, const DemoClipOptions& options = {});

/// Trains a CLIP unless demo_clip_ready(); `folder`/clip.pth is a torch.save of the tensors with
/// CLIP's names.
void make_demo_clip(const std::filesystem::path& folder, const DemoClipOptions& options = {},
                    const DemoProgress& progress = {});

}  // namespace pixelclip
