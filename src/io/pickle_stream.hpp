#pragma once

#include <map>
#include <span>
#include <string>

#include "io/pickle.hpp"

namespace pixelclip::io {

/// A storage that a pickle names, whether a tensor lies on it or not.
struct SeenStorage {
  torch::ScalarType dtype;
  int64_t numel;
  bool view;  ///< of another storage, as PyTorch before 0.4 wrote
};
using SeenStorages = std::map<std::string, SeenStorage>;

/// Reads the first of several pickles as unpickle does; `used` receives its length in bytes and
/// `seen`, when given, its storages.
Value unpickle_first(std::span<const uint8_t> bytes, const std::string& source,
                     const StorageLookup& storage, size_t& used, SeenStorages* seen = nullptr);

}  // namespace pixelclip::io
