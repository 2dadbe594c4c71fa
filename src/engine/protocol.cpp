#include "engine/protocol.hpp"

#include <torch/utils.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"
#include "clip/traits.hpp"
#include "evaluation/fingerprint.hpp"
#include "inference/views.hpp"
#include "io/safetensors.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// Activations and heads that tensors do not tell, where they are not those that ViT and ConvNeXt
/// of the paper have.
std::vector<std::string> unusual_traits(const ClipArchitecture& architecture) {
  auto usual = architecture;
  usual.text.activation = architecture.vit ? Activation::quick_gelu : Activation::gelu;
  usual.text.heads = std::max<int64_t>(1, architecture.text.width / 64);
  if (usual.vit) {
    usual.vit->activation = Activation::quick_gelu;
    usual.vit->heads = 0;
  }
  std::vector<std::string> traits;
  const auto record = record_of(usual);
  for (const auto& [key, text] : record_of(architecture)) {
    if (record.at(key) != text) traits.push_back(key + " " + text);
  }
  return traits;
}

/// Of the tensors whose name begins with `prefix` (or does not, when `without`), in order of their
/// names.
std::string checksum(PixelCLIP& model, const std::string& prefix, bool without = false) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : model->clip()->named_parameters()) {
    if (item.key().starts_with(prefix) != without) tensors.emplace(item.key(), item.value());
  }
  Fingerprint print;
  for (const auto& trait : unusual_traits(model->clip()->architecture())) print.add(trait);
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = tensor.detach().to(torch::kCPU).contiguous();
    print.add(name).add({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  return print.hex();
}

/// Parts of fixed size, each by one thread: on a CPU the last bits do not depend on how many there
/// are.
torch::Tensor embed_in_parts(PixelCLIP& model, const std::vector<std::string>& names,
                             const std::vector<std::string>& templates) {
  constexpr size_t at_once = 16;
  const signals::Doing encoding(str("encoding ", names.size(), " class names"));
  if (!model->device().is_cpu()) return model->class_embeddings(names, templates);
  const int threads = at::get_num_threads();
  std::vector<torch::Tensor> parts((names.size() + at_once - 1) / at_once);
  const std::shared_ptr<void> restore(nullptr, [&](void*) { at::set_num_threads(threads); });
  at::set_num_threads(1);
  parallel_for(static_cast<int64_t>(parts.size()), threads, [&](int64_t i) {
    at::init_num_threads();
    const auto first = names.begin() + i * at_once;
    const auto last = names.begin() + std::min(names.size(), (i + 1) * at_once);
    parts[i] = model->class_embeddings({first, last}, templates);
  });
  return torch::cat(parts);
}

nlohmann::json size(const Size2& size) { return {size.height, size.width}; }

}  // namespace

std::string protocol_text(const Config& config, const std::vector<std::string>& templates) {
  const auto& test = config.test;
  const auto& model = config.model;
  nlohmann::ordered_json text = {{"RULE", test.rule},
                                 {"FORMAT", config.input.format},
                                 {"CLIP_PIXEL_MEAN", model.clip_pixel_mean},
                                 {"CLIP_PIXEL_STD", model.clip_pixel_std},
                                 {"PRECISION", model.precision},
                                 {"KEEP_ASPECT", test.keep_aspect},
                                 {"SYNONYMS", test.synonyms},
                                 {"REFINE", test.refine}};
  if (model.text_precision != "float32") text["TEXT_PRECISION"] = model.text_precision;
  // Keys of what is off decide nothing (see views_of).
  const auto& window = test.sliding_window;
  const bool own_shape = !window.enabled && keeps_shape(test);
  if (test.short_side > 0 && (window.enabled || own_shape)) {
    text["SHORT_SIDE"] = test.short_side;
  } else {
    if (!window.enabled) text["CLIP_RESOLUTION"] = size(model.clip_resolution);
    if (!own_shape) text["MIN_SIZE_TEST"] = config.input.min_size_test;
  }
  if (!window.enabled && !own_shape) text["MAX_SIZE_TEST"] = config.input.max_size_test;
  if (window.enabled)
    text["SLIDING_WINDOW"] = {size(window.size), size(window.stride), window.average};
  if (test.aug.enabled) {
    text["AUG"] = {test.aug.min_sizes, test.aug.max_size, test.aug.flip};
    text["MIN_SIZE_TEST"] = config.input.min_size_test;  // what MIN_SIZES are multiples of
  }
  if (!test.background.mode.empty()) {
    text["BACKGROUND"] = {test.background.mode, test.background.threshold, test.background.scale};
    if (test.background.mode == "words")
      text["BACKGROUND"].push_back(read_class_names(test.background.words));
  }
  if (!test.refine.empty())
    text["PAMR"] = {test.pamr.iterations, test.pamr.dilations, test.background.scale};
  if (!config.datasets.exif_orientation) text["EXIF_ORIENTATION"] = false;
  text["templates"] = templates;
  return text.dump(1);
}

std::string weights_checksum(PixelCLIP& model) { return checksum(model, ""); }

torch::Tensor cached_class_embeddings(PixelCLIP& model, const std::vector<std::string>& names,
                                      const std::vector<std::string>& templates,
                                      const fs::path& folder, bool is_main) {
  Fingerprint print;
  print.add(checksum(model, "visual.", /*without=*/true));
  if (model->text_precision() != "float32") print.add(model->text_precision());
  for (const auto* texts : {&templates, &names}) {
    print.add(str(texts->size()));
    for (const auto& text : *texts) print.add(text);
  }
  const fs::path file = folder / (print.hex() + ".safetensors");
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    try {
      const auto tensors = read_safetensors(file).tensors;
      const auto found = tensors.find("classes");
      if (found != tensors.end() && found->second.dim() == 2 &&
          found->second.size(0) == static_cast<int64_t>(names.size())) {
        return found->second.to(model->device()).clone();
      }
      log::warn(file.string(), ": it does not hold these class embeddings; they are made anew");
    } catch (const Error& e) {
      log::warn(e.what(), "; the class embeddings are made anew");
    }
  }
  const auto classes = embed_in_parts(model, names, templates);
  if (is_main) {
    fs::create_directories(folder);
    write_safetensors(file, {{"classes", classes.to(torch::kCPU)}});
  }
  return classes;
}

}  // namespace pixelclip
