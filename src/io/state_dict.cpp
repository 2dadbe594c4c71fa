#include "io/state_dict.hpp"

#include <cstring>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "io/zip_reader.hpp"

namespace pixelclip {
bool is_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() < 10 || looks_like_zip(bytes)) return false;
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  return bytes[8] == '{' && length >= 2;
}

StateDict by_name(const WeightsFile& file) {
  StateDict state;
  for (const auto& [key, tensor] : file.weights.items) {
    state[*key.get_if<std::string>()] = *tensor.get_if<torch::Tensor>();
  }
  return state;
}

StateDict to_state_dict(const WeightsFile& file) {
  for (const auto& remark : file.remarks) log::info(remark);
  return by_name(file);
}

StateDict to_state_dict(const Value& value, const std::string& source, int64_t* dropped) {
  const WeightsFile file = take_weights(value, source);
  if (dropped) *dropped = file.others;
  return to_state_dict(file);
}

StateDict read_state_dict(const std::filesystem::path& path, int64_t* dropped) {
  const WeightsFile file = read_weights_file(path);
  if (dropped) *dropped = file.others;
  return to_state_dict(file);
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
