#include <torch/utils.h>

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/weights_file.hpp"
#include "clip/clip.hpp"
#include "clip/open_clip.hpp"
#include "clip/sources.hpp"
#include "io/state_dict.hpp"

namespace pixelclip::cli {
namespace {
namespace fs = std::filesystem;

struct Faults {
  int64_t nan = 0, infinite = 0;
};

/// Counts in slices, so that large tensors need little memory.
Faults count_faults(const torch::Tensor& tensor) {
  Faults faults;
  if (!tensor.is_floating_point() || tensor.numel() == 0) return faults;
  const auto flat = tensor.reshape({-1});
  for (const auto& slice : flat.split(4 << 20)) {
    const auto numbers = slice.to(torch::kFloat);
    faults.nan += torch::isnan(numbers).sum().item<int64_t>();
    faults.infinite += torch::isinf(numbers).sum().item<int64_t>();
  }
  return faults;
}

std::string shape_text(const torch::Tensor& tensor) {
  std::string text = "[";
  for (int64_t i = 0; i < tensor.dim(); ++i) text += str(i > 0 ? ", " : "", tensor.size(i));
  return text + "]";
}

std::string notes(const torch::Tensor& tensor, const Faults& faults) {
  std::string text;
  if (!tensor.is_contiguous()) text += " strided";
  if (faults.nan > 0) text += str(" NaN: ", faults.nan);
  if (faults.infinite > 0) text += str(" infinite: ", faults.infinite);
  return text;
}

/// The tensors anywhere in `value`: how many, and their bytes.
std::pair<int64_t, double> tensors_in(const Value& value) {
  std::pair<int64_t, double> sum{0, 0.0};
  const auto add = [&](const Value& item) {
    const auto [count, bytes] = tensors_in(item);
    sum.first += count;
    sum.second += bytes;
  };
  if (const auto* tensor = value.get_if<torch::Tensor>()) {
    return {1, static_cast<double>(tensor->nbytes())};
  }
  if (value.is<ValueList>() || value.is<Tuple>()) {
    for (const auto& item : value.as_list()) add(item);
  }
  if (const auto* dict = value.get_if<Dict>()) {
    for (const auto& [key, item] : dict->items) add(item);
  }
  return sum;
}

std::string describe(const Value& value) {
  if (const auto* text = value.get_if<std::string>()) return printable(*text);
  if (const auto* number = value.get_if<int64_t>()) return std::to_string(*number);
  if (const auto* number = value.get_if<double>()) return str(*number);
  if (const auto* flag = value.get_if<bool>()) return *flag ? "True" : "False";
  const auto [count, bytes] = tensors_in(value);
  return count > 0 ? str(value.kind(), " with ", count, " tensors, ", human_size(bytes))
                   : value.kind();
}

/// Sizes, then activation and heads with the reason for each.
std::string architecture(const fs::path& path, const WeightsFile& file, const StateDict& weights) {
  if (weights.contains("cls_token") && weights.contains("blocks.0.attn.qkv.weight")) {
    return str("ViT in DINO's names, width ", weights.at("cls_token").size(-1));
  }
  StateDict shapes;  // tensors without data: renaming would copy some of them
  for (const auto& [name, tensor] : weights) {
    shapes[name] = torch::empty(tensor.sizes(), tensor.options().device(torch::kMeta));
  }
  const bool trained = is_pixelclip(shapes);
  std::string text;
  try {
    auto found = clip_architecture(to_clip_names(shapes));
    text = (trained ? "PixelCLIP on CLIP " : "CLIP ") + found.describe() + "\ncomputes with: ";
    const auto sources = trained ? pixelclip_sources({}, path.string(), file.rest, found)
                                 : sources_of_traits({}, "", path, file.form, file.rest, found);
    const auto settled = settle_traits(found, sources, path.string());
    return text + settled.choice + (settled.warning.empty() ? "" : "\nwarning: " + settled.warning);
  } catch (const Error& e) {
    return text.empty() ? "unknown" : text + e.what();
  }
}

/// The location of the weights in the file, in lines; nothing if they are at the top under their
/// own names.
std::string chosen(const WeightsFile& file) {
  std::string text, entries, prefixes;
  for (const auto& entry : file.entries) entries += (entries.empty() ? "" : ".") + printable(entry);
  for (const auto& prefix : file.prefixes) prefixes += prefix;
  if (!entries.empty()) text += "weights in: " + entries + "\n";
  if (!prefixes.empty()) text += "prefix removed from all names: " + prefixes + "\n";
  for (const auto& remark : file.remarks) text += "note: " + remark + "\n";
  return text;
}

void inspect(const fs::path& path, const Output& output) {
  const torch::NoGradGuard no_grad;
  const WeightsFile file = read_known_weights(path);
  size_t width = 4;
  int64_t parameters = 0;
  StateDict weights;
  for (const auto& [key, value] : file.weights.items) {
    width = std::max(width, printable(key.as_string()).size());
    weights[key.as_string()] = value.as_tensor();
    parameters += value.as_tensor().numel();
  }
  const std::string found = architecture(path, file, weights);
  std::ostringstream out;
  out << path.string() << ": " << file.form << ", "
      << human_size(static_cast<double>(fs::file_size(path))) << "\n"
      << chosen(file) << "architecture: " << found << "\n"
      << "weights: " << weights.size() << " tensors, " << parameters << " numbers\n";
  nlohmann::json entries = nlohmann::json::object(), tensors = nlohmann::json::array();
  for (const auto& [key, value] : file.rest.items) {
    out << describe(key) << ": " << describe(value) << "\n";
    entries[describe(key)] = describe(value);
  }
  Faults total;
  const auto column = [](size_t size) { return std::setw(static_cast<int>(size)); };
  out << std::left << "\n"
      << column(width + 2) << "name" << column(24) << "shape" << column(16) << "type"
      << "size\n";
  for (const auto& [key, value] : file.weights.items) {
    const torch::Tensor& tensor = value.as_tensor();
    const Faults faults = count_faults(tensor);
    total.nan += faults.nan, total.infinite += faults.infinite;
    const char* type = c10::toString(tensor.scalar_type());
    out << column(width + 2) << printable(key.as_string()) << column(24) << shape_text(tensor)
        << column(16) << type << human_size(static_cast<double>(tensor.nbytes()))
        << notes(tensor, faults) << "\n";
    tensors.push_back({{"name", key.as_string()},
                       {"shape", tensor.sizes().vec()},
                       {"type", type},
                       {"nan", faults.nan},
                       {"infinite", faults.infinite}});
  }
  out << "\nNaN: " << total.nan << ", infinite: " << total.infinite << "\n";
  output.result({{"file", path.string()},
                 {"form", file.form},
                 {"bytes", fs::file_size(path)},
                 {"architecture", found},
                 {"entries", entries},
                 {"numbers", parameters},
                 {"nan", total.nan},
                 {"infinite", total.infinite},
                 {"tensors", tensors}},
                out.str());
}

}  // namespace

void add_inspect(CLI::App& app) {
  const auto path = std::make_shared<fs::path>();
  auto* command = app.add_subcommand("inspect", "List the content of a weights file");
  command->add_option("FILE", *path, "torch.save, TorchScript or safetensors file")->required();
  const auto output = add_output_flags(*command);
  command->callback([path, output] { inspect(*path, *output); });
}

}  // namespace pixelclip::cli
