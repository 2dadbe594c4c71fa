#include "engine/text_cache.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"
#include "engine/protocol.hpp"
#include "evaluation/fingerprint.hpp"
#include "io/safetensors.hpp"
#include "nn/torch_threads.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// On a CPU in parts of fixed size, each by one thread: then no bit depends on their number.
torch::Tensor embed(PixelCLIP& model, const std::vector<std::string>& names,
                    const std::vector<std::string>& templates) {
  constexpr size_t kPart = 16;
  const signals::Doing encoding(str("encoding ", names.size(), " class names"));
  if (!model->device().is_cpu()) return model->class_embeddings(names, templates);
  std::vector<torch::Tensor> parts((names.size() + kPart - 1) / kPart);
  const int threads = at::get_num_threads();
  const TorchThreads one(1);
  parallel_for(static_cast<int64_t>(parts.size()), threads, [&](int64_t i) {
    at::init_num_threads();
    const auto first = names.begin() + i * kPart;
    const auto last = names.begin() + std::min(names.size(), (i + 1) * kPart);
    parts[i] = model->class_embeddings({first, last}, templates);
  });
  return torch::cat(parts);
}

/// The file of these embeddings.
fs::path file_of(PixelCLIP& model, const std::vector<std::string>& names,
                 const std::vector<std::string>& templates, const fs::path& folder) {
  Fingerprint print;
  print.add(text_checksum(model));
  if (model->text_precision() != FloatType::float32) print.add(to_string(model->text_precision()));
  for (const auto* texts : {&templates, &names}) {
    print.add(str(texts->size()));
    for (const auto& text : *texts) print.add(text);
  }
  return folder / (print.hex() + ".safetensors");
}

/// The embeddings [count, C] in `file`; undefined, with a warning, when it is damaged.
torch::Tensor read_embeddings(const fs::path& file, size_t count) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return {};
  try {
    const auto tensors = read_safetensors(file).tensors;
    const auto found = tensors.find("classes");
    if (found != tensors.end() && found->second.dim() == 2 &&
        found->second.size(0) == static_cast<int64_t>(count)) {
      return found->second.clone();
    }
    log::warn(file.string(), " holds other tensors than these class embeddings; it is replaced");
  } catch (const Error& e) {
    log::warn(e.what(), "; the class embeddings are computed again");
  }
  return {};
}

}  // namespace

torch::Tensor cached_class_embeddings(PixelCLIP& model, const std::vector<std::string>& names,
                                      const std::vector<std::string>& templates,
                                      const fs::path& folder, bool is_main) {
  const fs::path file = file_of(model, names, templates, folder);
  const auto known = read_embeddings(file, names.size());
  if (known.defined()) return known.to(model->device());
  const auto classes = embed(model, names, templates);
  if (is_main) {
    fs::create_directories(folder);
    write_safetensors(file, {{"classes", classes.to(torch::kCPU)}});
  }
  return classes;
}

}  // namespace pixelclip
