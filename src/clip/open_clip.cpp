#include "clip/open_clip.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "clip/find_weights.hpp"
#include "clip/sources.hpp"

namespace pixelclip {
namespace {

ClipArchitecture shapes_in(const std::string& file, const StateDict& weights,
                           const std::string& prefix) {
  return with_context(file, [&] { return clip_architecture(weights, prefix); });
}

void settle(ClipArchitecture& architecture, const std::vector<ClipTraits>& sources,
            const std::string& file, bool say) {
  const auto settled = settle_traits(architecture, sources, file);
  if (!say) return;
  if (!settled.warning.empty()) log::warn(file, ": ", settled.warning);
  log::info(file, ": ", settled.choice);
}

}  // namespace

std::vector<ClipTraits> pixelclip_sources(const ClipTraits& by_hand, const std::string& file,
                                          const Dict& entries,
                                          const ClipArchitecture& architecture) {
  ClipTraits training;
  training.source = "as PixelCLIP's public code computes";
  training.image.activation = Activation::quick_gelu;
  training.text.activation = architecture.vit ? Activation::quick_gelu : Activation::gelu;
  if (architecture.vit) training.image.heads = architecture.vit->image_heads();
  training.text.heads = std::max<int64_t>(1, architecture.text.width / 64);
  return {by_hand, recorded_traits(entries, file), training};
}

ClipArchitecture analyze_pixelclip(const StateDict& weights, const std::string& file,
                                   const Dict& entries, const ClipTraits& by_hand, bool say) {
  ClipArchitecture architecture = shapes_in(file, weights, "sem_seg_head.predictor.clip_model.");
  settle(architecture, pixelclip_sources(by_hand, file, entries, architecture), file, say);
  return architecture;
}

ClipArchitecture analyze_clip(const WeightsFile& file, const StateDict& weights,
                              const std::string& asked, const std::filesystem::path& path,
                              const ClipTraits& by_hand, bool say) {
  const std::string name = path.string();
  if (is_pixelclip(weights)) return analyze_pixelclip(weights, name, file.rest, by_hand, say);
  ClipArchitecture architecture = shapes_in(name, to_clip_names(weights), "");
  settle(architecture, sources_of_traits(by_hand, asked, path, file.form, file.rest, architecture),
         name, say);
  return architecture;
}

ClipFile open_clip(const WeightsFile& file, StateDict weights, const std::string& asked,
                   const std::filesystem::path& path, const ClipTraits& by_hand) {
  ClipFile clip{path, {}, {}};
  if (is_pixelclip(weights)) {
    clip.architecture = analyze_pixelclip(weights, path.string(), file.rest, by_hand);
    clip.weights = to_clip_names(std::move(weights));
  } else {
    clip.weights = to_clip_names(std::move(weights));
    clip.architecture = analyze_clip(file, clip.weights, asked, path, by_hand);
  }
  return clip;
}

ClipFile open_clip(const std::string& name_or_path, const ClipTraits& by_hand) {
  const auto path = find_weights(name_or_path);
  const WeightsFile file = read_weights_file(path);
  return open_clip(file, to_state_dict(file), name_or_path, path, by_hand);
}

}  // namespace pixelclip
