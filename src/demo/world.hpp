#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace pixelclip {

/// Options of the demo's data set. The same options give the same images on every machine and with
/// any number of threads.
struct DemoWorldOptions {
  uint64_t seed = 0;
  int photos = 4000;     ///< With captions, for the small CLIP.
  int scenes = 600;      ///< With unnamed masks, for PixelCLIP.
  int validation = 200;  ///< Labelled scenes.
  int photo_side = 48;   ///< Of the square photos, pixels.
  int scene_side = 192;  ///< Of the square scenes, pixels.
  int threads = 0;       ///< 0: all cores.
};

/// Reports `done` of `total` steps of the task `what`; may be empty.
using DemoProgress = std::function<void(const std::string& what, int64_t done, int64_t total)>;

/// Writes the demo's data set to `folder`, all at once or not at all: photos/photo_N.jpg,
/// captions.json         {"photo_N": "a photo of a ball and sand", …} images/sa_000000/sa_N.jpg,
/// annotations/sa_000000/sa_N.json          SA-1B's layout images/validation/demo_val_N.jpg,
/// annotations/validation/demo_val_N.png labels: positions in demo_classes() world.json
/// the stamp, vouching for the rest A complete data set with the same options is kept; another one
/// is replaced. Errors: options below 1, a folder with other content.
void make_demo_world(const std::filesystem::path& folder, const DemoWorldOptions& options = {},
                     const DemoProgress& progress = {});

/// Whether `folder` contains a complete data set of this version, with any options or with
/// `options`.
bool demo_world_ready(const std::filesystem::path& folder);
bool demo_world_ready(const std::filesystem::path& folder, const DemoWorldOptions& options);

/// Options of the data set in `folder`. Errors: no complete data set of this version.
DemoWorldOptions demo_world_options(const std::filesystem::path& folder);

}  // namespace pixelclip
