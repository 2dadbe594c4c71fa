#include "pixelclip/io/state_dict.hpp"

#include <algorithm>
#include <cstring>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/signal.hpp"
#include "pixelclip/base/file.hpp"
#include "pixelclip/io/safetensors.hpp"
#include "pixelclip/io/torch_file.hpp"
#include "pixelclip/io/zip.hpp"

namespace pixelclip {
namespace {

/// The dict that holds the weights of a checkpoint.
const Dict& find_weights(const Value& value, const std::string& source) {
  const Dict* dict = value.get_if<Dict>();
  if (!dict) {
    fail(source, ": it holds ", value.kind(), ", not a dict of weights",
         value.is<Opaque>() ? "; load it in Python and save its state_dict()" : "");
  }
  for (const char* key : {"model", "state_dict"}) {
    const Value* inner = dict->find(key);
    if (inner && inner->is<Dict>()) return *inner->get_if<Dict>();
    if (inner && inner->is<Opaque>()) {
      fail(source, ": under '", key, "' it holds ", inner->kind(),
           "; load it in Python and save its state_dict()");
    }
  }
  return *dict;
}

StateDict without_common_prefix(StateDict state) {
  const std::string prefix = "module.";
  const bool common = std::all_of(state.begin(), state.end(), [&](const auto& entry) {
    return entry.first.starts_with(prefix);
  });
  if (!common) return state;
  StateDict shorter;
  for (auto& [name, tensor] : state) shorter[name.substr(prefix.size())] = std::move(tensor);
  return shorter;
}

}  // namespace

bool is_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() < 10 || looks_like_zip(bytes)) return false;
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  return bytes[8] == '{' && length >= 2;
}

StateDict to_state_dict(const Value& value, const std::string& source, int64_t* dropped) {
  StateDict state;
  int64_t others = 0;
  for (const auto& [key, item] : find_weights(value, source).items) {
    const auto* name = key.get_if<std::string>();
    const auto* tensor = item.get_if<torch::Tensor>();
    if (name && tensor) {
      state[*name] = *tensor;
    } else {
      ++others;
    }
  }
  if (state.empty()) fail(source, ": it holds no tensors by name, so it is no file of weights");
  if (dropped) *dropped = others;
  return without_common_prefix(std::move(state));
}

StateDict read_state_dict(const std::filesystem::path& path, int64_t* dropped) {
  const signals::Doing reading("reading the weights in " + path.string());
  if (!is_safetensors(path)) return to_state_dict(read_torch_file(path), path.string(), dropped);
  Safetensors file = read_safetensors(path);
  if (file.tensors.empty()) fail(path.string(), ": it holds no tensors");
  if (dropped) *dropped = 0;
  return without_common_prefix(std::move(file.tensors));
}

Value to_value(const StateDict& state) {
  Dict dict;
  for (const auto& [name, tensor] : state) dict.items.emplace_back(name, tensor);
  return dict;
}

StateDict state_of(const torch::nn::Module& module) {
  StateDict state;
  for (const auto& entry : module.named_parameters()) state[entry.key()] = entry.value();
  for (const auto& entry : module.named_buffers()) state[entry.key()] = entry.value();
  return state;
}

}  // namespace pixelclip
