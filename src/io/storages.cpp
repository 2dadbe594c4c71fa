#include "io/storages.hpp"

#include "base/error.hpp"
#include "io/mapped_tensor.hpp"

namespace pixelclip::io {

torch::Tensor Storages::operator()(const std::string& key, torch::ScalarType dtype, int64_t numel) {
  const auto id = std::make_pair(key, dtype);
  if (const auto known = known_.find(id); known != known_.end() && known->second.numel() >= numel) {
    return known->second;
  }
  const std::string name = file_.path().string();
  const auto bytes = find_(key);
  if (!bytes) fail(name, ": the record of storage '", printable(key), "' is missing");
  const size_t item = c10::elementSize(dtype);
  if (bytes->size() / item < static_cast<uint64_t>(numel)) {
    fail(name, ": storage '", printable(key), "' should hold ", numel, " elements of ", item,
         " bytes, but its record has ", bytes->size(), " bytes");
  }
  return known_[id] = on_mapping(file_, *bytes, dtype, numel);
}

}  // namespace pixelclip::io
