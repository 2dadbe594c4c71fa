#include "io/weights_names.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.hpp"

namespace pixelclip::io {
namespace {

/// Names that torch's wrappers, trainers and people's own modules put before all others.
constexpr std::array<std::string_view, 19> kPrefixes{"module.",
                                                     "_orig_mod.",
                                                     "_forward_module.",
                                                     "_fsdp_wrapped_module.",
                                                     "model.",
                                                     "student.",
                                                     "teacher.",
                                                     "backbone.",
                                                     "net.",
                                                     "network.",
                                                     "ema.",
                                                     "ema_model.",
                                                     "model_ema.",
                                                     "module_ema.",
                                                     "clip.",
                                                     "clip_model.",
                                                     "base_model.",
                                                     "state_dict.",
                                                     "ddp_model."};

/// Parts of which one alone is wanted: `kept` when every name begins with it or with one of
/// `dropped`.
struct NameChoice {
  std::string_view kept;
  std::array<std::string_view, 4> dropped;
};
constexpr NameChoice kChoices[] = {
    {"teacher.", {"student.", "student.", "student.", "student."}},
    {"backbone.", {"head.", "dino_head.", "ibot_head.", "projection_head."}},
};

const std::string& name_of(const std::pair<Value, Value>& entry) {
  return *entry.first.get_if<std::string>();
}

bool all_begin_with(const Dict& weights, std::string_view prefix) {
  return std::all_of(weights.items.begin(), weights.items.end(), [&](const auto& entry) {
    return name_of(entry).size() > prefix.size() && name_of(entry).starts_with(prefix);
  });
}

bool drop_one_prefix(WeightsFile& file) {
  for (const auto prefix : kPrefixes) {
    if (!all_begin_with(file.weights, prefix)) continue;
    for (auto& [key, tensor] : file.weights.items)
      key = key.get_if<std::string>()->substr(prefix.size());
    file.prefixes.emplace_back(prefix);
    return true;
  }
  return false;
}

bool begins_with_any(const std::string& name, const NameChoice& choice) {
  return std::any_of(choice.dropped.begin(), choice.dropped.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

bool keep_one_part(WeightsFile& file, const std::string& source) {
  for (const NameChoice& choice : kChoices) {
    size_t kept = 0, dropped = 0;
    for (const auto& entry : file.weights.items) {
      kept += name_of(entry).starts_with(choice.kept);
      dropped += begins_with_any(name_of(entry), choice);
    }
    if (kept == 0 || dropped == 0 || kept + dropped != file.weights.items.size()) continue;
    std::erase_if(file.weights.items,
                  [&](const auto& entry) { return !name_of(entry).starts_with(choice.kept); });
    file.remarks.push_back(str(source, ": the ", kept, " tensors ", choice.kept, "* are taken, ",
                               dropped, " others (the training's head or student) are left out"));
    return true;
  }
  return false;
}

}  // namespace

void drop_shared_prefixes(WeightsFile& file, const std::string& source) {
  while (!file.weights.items.empty() && (drop_one_prefix(file) || keep_one_part(file, source))) {
  }
  if (file.prefixes.empty()) return;
  std::string all;
  for (const auto& prefix : file.prefixes) all += prefix;
  file.remarks.push_back(str(source, ": the prefix '", all, "' of all names is dropped"));
}

}  // namespace pixelclip::io
