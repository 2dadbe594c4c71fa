#pragma once

#include <cstdint>
#include <filesystem>

#include "clip/clip.hpp"
#include "demo/world.hpp"

namespace pixelclip {

/// The demo's own small CLIP and how it is trained. OpenAI's layout throughout.
struct DemoClipOptions {
  uint64_t seed = 0;
  int64_t side = 48;  ///< Images are shrunk to this side, pixels.
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

/// Trains a CLIP from nothing on the images and captions of the world in `folder`: the symmetric
/// contrastive loss of Radford et al. 2021 (figure 3), AdamW with warm-up and a cosine schedule.
/// The captions name things but never say where they are. Uses all cores. Errors: no world there.
CLIP train_demo_clip(const std::filesystem::path& folder, const DemoClipOptions& options,
                     const DemoProgress& progress = {});

/// Whether `folder`/clip.pth was made with the same options from the world that is there.
bool demo_clip_ready(const std::filesystem::path& folder, const DemoClipOptions& options = {});

/// Trains one unless `folder`/clip.pth was made with the same options from this world; the file is
/// a torch.save of the tensors in CLIP's own names.
void make_demo_clip(const std::filesystem::path& folder, const DemoClipOptions& options = {},
                    const DemoProgress& progress = {});

}  // namespace pixelclip
