#include "cli/weights_file.hpp"

#include <array>
#include <cstdio>

#include "base/error.hpp"
#include "base/log.hpp"

namespace pixelclip::cli {
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

}  // namespace

WeightsFile read_known_weights(const std::filesystem::path& path) {
  WeightsFile file = pixelclip::read_weights_file(path);
  std::erase_if(file.rest.items, [&](const auto& entry) {
    std::string unknown;
    if (is_known(entry.first, unknown) && is_known(entry.second, unknown)) return false;
    const auto* name = entry.first.template get_if<std::string>();
    log::warn(path.string(), ": the entry '", name ? printable(*name) : entry.first.kind(),
              "' holds an object of the unknown class ", printable(unknown), " and is left out");
    return true;
  });
  return file;
}

bool is_weights_name(const std::filesystem::path& path) {
  for (const char* ending : {".pth", ".pt", ".bin", ".safetensors"}) {
    if (path.extension() == ending) return true;
  }
  return false;
}

void warn_of_overflow(const std::string& name, const torch::Tensor& tensor) {
  if (!tensor.is_floating_point() || tensor.numel() == 0) return;
  const auto [low, high] = torch::aminmax(tensor.reshape({-1}).to(torch::kFloat));
  if (high.item<double>() > 65504 || low.item<double>() < -65504) {
    log::warn("tensor ", printable(name),
              " holds numbers too large for half precision; they become infinite");
  }
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

}  // namespace pixelclip::cli
