#include "io/weights_file.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/signal.hpp"
#include "io/safetensors.hpp"
#include "io/shards.hpp"
#include "io/state_dict.hpp"
#include "io/torch_file.hpp"
#include "io/weights_names.hpp"

namespace pixelclip {
namespace {

/// Entries that hold a checkpoint's weights, in the order of preference. Who keeps an average or a
/// teacher scores with that (timm, ConvNeXt, DINO).
constexpr std::array<std::string_view, 18> kEntries{
    "state_dict_ema", "model_ema",  "ema_state_dict",   "model_ema_state_dict",
    "ema_model",      "ema",        "params_ema",       "teacher",
    "model",          "state_dict", "model_state_dict", "model_state",
    "module",         "params",     "weights",          "net",
    "student",        "blobs"};
constexpr size_t kAveraged = 8;  // so many of them are no plain weights
constexpr int kDeepestEntry = 4;

bool is_module(const Value& value) {
  const auto* object = value.get_if<Opaque>();
  const auto* state =
      object && object->state.size() == 1 ? object->state[0].get_if<Dict>() : nullptr;
  return state && state->find("_parameters") && state->find("_modules");
}

/// Adds the tensors of a pickled torch.nn.Module and of its children.
void collect_module(const Value& module, const std::string& prefix, Dict& into) {
  const Dict& state = *module.get_if<Opaque>()->state[0].get_if<Dict>();
  for (const char* kind : {"_parameters", "_buffers"}) {
    const Value* found = state.find(kind);
    const Dict* tensors = found ? found->get_if<Dict>() : nullptr;
    if (!tensors) continue;
    for (const auto& [key, value] : tensors->items) {
      const auto* name = key.get_if<std::string>();
      if (name && value.is<torch::Tensor>()) into.items.emplace_back(prefix + *name, value);
    }
  }
  const Dict* children = state.find("_modules")->get_if<Dict>();
  if (!children) return;
  for (const auto& [key, child] : children->items) {
    const auto* name = key.get_if<std::string>();
    if (name && is_module(child)) collect_module(child, prefix + *name + ".", into);
  }
}

bool holds_tensors(const Dict& dict) {
  return std::any_of(dict.items.begin(), dict.items.end(), [](const auto& entry) {
    return entry.first.template is<std::string>() && entry.second.template is<torch::Tensor>();
  });
}

/// Whether `value` is what an entry's weights may be: tensors by name, perhaps one entry deeper, or
/// a module.
bool may_hold_weights(const Value& value, int depth = 0) {
  if (is_module(value)) return true;
  const Dict* dict = value.get_if<Dict>();
  if (!dict || depth > kDeepestEntry) return false;
  if (holds_tensors(*dict)) return true;
  return std::any_of(kEntries.begin(), kEntries.end(), [&](std::string_view key) {
    const Value* inner = dict->find(key);
    return inner && may_hold_weights(*inner, depth + 1);
  });
}

/// The entry of `dict` that holds its weights, or null.
const std::pair<Value, Value>* find_entry(const Dict& dict) {
  for (const auto key : kEntries) {
    for (const auto& entry : dict.items) {
      const auto* name = entry.first.get_if<std::string>();
      if (name && *name == key && may_hold_weights(entry.second)) return &entry;
    }
  }
  return nullptr;
}

/// Says which weights were preferred where a file holds several.
void remark_choice(const Dict& dict, const std::string& taken, const std::string& source,
                   WeightsFile& file) {
  std::string others;
  for (const auto key : kEntries) {
    const Value* other = key == taken ? nullptr : dict.find(key);
    if (other && may_hold_weights(*other)) others += str(others.empty() ? "" : ", ", "'", key, "'");
  }
  const auto place = std::find(kEntries.begin(), kEntries.end(), taken) - kEntries.begin();
  if (others.empty()) return;
  file.remarks.push_back(
      str(source, ": the weights under '", taken, "'",
          static_cast<size_t>(place) < kAveraged ? " (averaged over training)" : "",
          " are taken, not those under ", others));
}

[[noreturn]] void refuse(const Value& value, const std::string& source, const std::string& where) {
  fail(source, ": ", where, "it holds ", value.kind(), ", not a dict of weights",
       value.is<Opaque>() ? "; load it in Python and save its state_dict()" : "");
}

/// Moves what is a tensor by name from `named` into the weights; the rest is counted, or kept
/// beside them.
void split(const Dict& named, bool top, WeightsFile& file) {
  for (const auto& [key, item] : named.items) {
    if (key.is<std::string>() && item.is<torch::Tensor>() &&
        *key.get_if<std::string>() != "n_averaged") {
      file.weights.items.emplace_back(key, item);
    } else {
      ++file.others;
      if (top) file.rest.items.emplace_back(key, item);
    }
  }
}

void keep_rest(const Dict& dict, const std::pair<Value, Value>* taken, WeightsFile& file) {
  for (const auto& entry : dict.items) {
    if (&entry != taken) file.rest.items.push_back(entry);
  }
}

WeightsFile from_safetensors(const std::filesystem::path& path) {
  const Safetensors read = read_safetensors(path);
  if (read.tensors.empty()) fail(path.string(), ": it holds no tensors");
  WeightsFile file;
  file.form = "safetensors";
  file.weights = *to_value(read.tensors).get_if<Dict>();
  for (const auto& [key, text] : read.metadata) {
    const bool whole = !text.empty() && text.size() < 18 &&
                       text.find_first_not_of("0123456789") == std::string::npos;
    file.rest.items.emplace_back(
        key, whole ? Value(static_cast<int64_t>(std::stoll(text))) : Value(text));
  }
  io::drop_shared_prefixes(file, path.string());
  return file;
}

WeightsFile from_shards(const std::filesystem::path& index) {
  size_t count = 0;
  WeightsFile file;
  file.weights = *to_value(io::read_shards(index, count)).get_if<Dict>();
  file.form = str("index of ", count, " shards");
  io::drop_shared_prefixes(file, index.string());
  return file;
}

}  // namespace

WeightsFile take_weights(const Value& value, const std::string& source) {
  WeightsFile file;
  const Value* at = &value;
  const Dict* dict = at->get_if<Dict>();
  for (int depth = 0; dict && depth <= kDeepestEntry; ++depth) {
    const auto* entry = find_entry(*dict);
    if (!entry) break;
    const std::string& name = *entry->first.get_if<std::string>();
    remark_choice(*dict, name, source, file);
    keep_rest(*dict, entry, file);
    file.entries.push_back(name);
    at = &entry->second;
    dict = at->get_if<Dict>();
  }
  Dict of_module;
  if (is_module(*at)) {
    collect_module(*at, "", of_module);
    file.remarks.push_back(str(source, ": it holds a whole module of class ",
                               printable(at->get_if<Opaque>()->name),
                               "; its tensors are taken, its code is not run"));
    dict = &of_module;
  }
  if (!dict) refuse(*at, source, "");
  split(*dict, !file.nested(), file);
  if (file.weights.items.empty()) {
    for (const char* key : {"model", "state_dict"}) {
      const Value* inner = dict->find(key);
      if (inner && inner->is<Opaque>()) refuse(*inner, source, str("under '", key, "' "));
    }
    fail(source, ": it holds no tensors by name, so it is no file of weights");
  }
  io::drop_shared_prefixes(file, source);
  return file;
}

WeightsFile read_weights_file(const std::filesystem::path& path) {
  const signals::Doing reading("reading the weights in " + path.string());
  if (path.extension() == ".json") return from_shards(path);
  if (is_safetensors(path)) return from_safetensors(path);
  std::string form;
  WeightsFile file = take_weights(read_torch_file(path, &form), path.string());
  file.form = form;
  return file;
}

}  // namespace pixelclip
