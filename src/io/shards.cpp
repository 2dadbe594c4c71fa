#include "io/shards.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "io/safetensors.hpp"
#include "io/small_json.hpp"
#include "io/torch_file.hpp"

namespace pixelclip::io {
namespace {
namespace fs = std::filesystem;

constexpr size_t kMostShards = 4096;

/// A file's name alone: nothing that leads to another folder, or to another index.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.find('\0') == std::string::npos &&
         !name.ends_with(".json");
}

/// Names of tensors by the file that holds them.
std::map<std::string, std::vector<std::string>> read_map(const fs::path& index) {
  const auto root = read_small_json(index);
  const auto map = root.find("weight_map");
  if (map == root.end() || !map->is_object()) {
    fail(index.string(),
         ": this JSON is no index of shards: an object \"weight_map\" was expected in it");
  }
  std::map<std::string, std::vector<std::string>> files;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get<std::string>())) {
      fail(index.string(), ": the tensor ", printable(name),
           " is said to lie in something else than a file beside the index");
    }
    files[file.get<std::string>()].push_back(name);
    if (files.size() > kMostShards)
      fail(index.string(), ": it names more than ", kMostShards, " files");
  }
  if (files.empty()) fail(index.string(), ": it lists no tensors");
  return files;
}

StateDict tensors_of(const fs::path& file) {
  if (is_safetensors(file)) return read_safetensors(file).tensors;
  const Value value = read_torch_file(file);
  StateDict state;
  for (const auto& [key, tensor] : value.as_dict(file.string()).items) {
    if (key.is<std::string>() && tensor.is<torch::Tensor>())
      state[key.as_string()] = tensor.as_tensor();
  }
  return state;
}

}  // namespace

StateDict read_shards(const fs::path& index, size_t& count) {
  StateDict all;
  const auto files = read_map(index);
  count = files.size();
  for (const auto& [name, tensors] : files) {
    const fs::path file = index.parent_path() / name;
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored)) {
      fail(file.string(), ": there is no such file, but ", index.filename().string(), " lists ",
           tensors.size(), " tensors in it");
    }
    const StateDict shard = tensors_of(file);
    for (const auto& tensor : tensors) {
      const auto found = shard.find(tensor);
      if (found == shard.end())
        fail(file.string(), ": the tensor ", printable(tensor), " that the index lists is missing");
      all.emplace(tensor, found->second);
    }
  }
  return all;
}

}  // namespace pixelclip::io
