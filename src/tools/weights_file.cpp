#include "weights_file.hpp"

#include <array>
#include <cstdio>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/io/safetensors.hpp"
#include "pixelclip/io/torch_file.hpp"

namespace pixelclip::tools {
namespace {

/// True when the value can be written again; the first unknown class found goes to `unknown`.
bool is_known(const Value& value, std::string& unknown) {
  if (const auto* object = value.get_if<Opaque>()) {
    unknown = object->name;
    return false;
  }
  const ValueList* list = value.get_if<ValueList>();
  if (const auto* tuple = value.get_if<Tuple>()) list = &tuple->items;
  if (list) {
    for (const auto& item : *list) {
      if (!is_known(item, unknown)) return false;
    }
  }
  if (const auto* dict = value.get_if<Dict>()) {
    for (const auto& [key, item] : dict->items) {
      if (!is_known(key, unknown) || !is_known(item, unknown)) return false;
    }
  }
  return true;
}

WeightsFile from_safetensors(const std::filesystem::path& path) {
  const Safetensors file = read_safetensors(path);
  WeightsFile result{"safetensors", *to_value(file.tensors).get_if<Dict>(), {}, false};
  for (const auto& [key, text] : file.metadata) {
    const bool whole = !text.empty() && text.size() < 18 &&
                       text.find_first_not_of("0123456789") == std::string::npos;
    result.rest.set(key, whole ? Value(static_cast<int64_t>(std::stoll(text))) : Value(text));
  }
  return result;
}

}  // namespace

WeightsFile read_weights_file(const std::filesystem::path& path) {
  if (is_safetensors(path)) return from_safetensors(path);
  const Value root = read_torch_file(path);
  to_state_dict(root, path.string());  // refuses what holds no weights
  WeightsFile result{"torch archive", {}, {}, false};
  const Dict& top = *root.get_if<Dict>();
  const Value* weights = nullptr;
  for (const char* key : {"model", "state_dict"}) {
    const Value* inner = top.find(key);
    if (!weights && inner && inner->is<Dict>()) weights = inner;
  }
  result.nested = weights != nullptr;
  const Dict& named = weights ? *weights->get_if<Dict>() : top;
  for (const auto& [key, item] : named.items) {
    if (key.is<std::string>() && item.is<torch::Tensor>()) {
      result.weights.items.emplace_back(key, item);
    } else if (!weights) {
      result.rest.items.emplace_back(key, item);
    }
  }
  if (weights) {
    for (const auto& [key, item] : top.items) {
      if (&item != weights) result.rest.items.emplace_back(key, item);
    }
  }
  std::erase_if(result.rest.items, [&](const auto& entry) {
    std::string unknown;
    if (is_known(entry.first, unknown) && is_known(entry.second, unknown)) return false;
    const auto* name = entry.first.template get_if<std::string>();
    log::warn(path.string(), ": the entry '", name ? printable(*name) : entry.first.kind(),
              "' holds an object of the unknown class ", printable(unknown), " and is left out");
    return true;
  });
  return result;
}

std::string human_size(double bytes) {
  static constexpr std::array units{"bytes", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return text;
}

}  // namespace pixelclip::tools
