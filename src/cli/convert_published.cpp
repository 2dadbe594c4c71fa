#include "cli/convert_published.hpp"

#include <array>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "cli/weights_file.hpp"
#include "clip/open_clip.hpp"
#include "clip/traits.hpp"
#include "io/safetensors.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip::cli {
namespace fs = std::filesystem;
namespace {

/// The weights file that `out` means, and the configuration beside it, empty where there is none.
std::pair<fs::path, fs::path> places(const fs::path& out, const PublishedClip& clip) {
  std::error_code ignored;
  if (is_weights_name(out) && !fs::is_directory(out, ignored)) return {out, {}};
  return {out / clip.weights_name, clip.config_name.empty() ? fs::path() : out / clip.config_name};
}

}  // namespace

fs::path convert_published(const fs::path& in, const fs::path& out, Publisher publisher,
                           bool half) {
  const WeightsFile file = read_known_weights(in);
  for (const auto& remark : file.remarks) log::info(remark);
  const ClipFile clip = open_clip(file, by_name(file), in.string(), in, {});
  const PublishedClip published = publish(clip, publisher);
  const auto [weights, config] = places(out, published);
  const auto floating = half ? std::optional(torch::kHalf) : std::nullopt;
  if (half) {
    for (const auto& [name, tensor] : published.weights) warn_of_overflow(name, tensor);
  }
  if (weights != out) make_writable_folder(out);
  if (weights.extension() == ".safetensors") {
    if (publisher == Publisher::openai)
      fail(weights.string(), ": OpenAI's program reads no safetensors files: name a .pt file");
    auto metadata = record_of(clip.architecture);
    metadata.emplace("format", "pt");  // transformers asks for it
    write_safetensors(weights, published.weights, metadata, floating);
  } else {
    write_torch_file(weights, to_value(published.weights), floating);
  }
  if (!config.empty()) write_text(config, published.config);
  return weights;
}

}  // namespace pixelclip::cli
