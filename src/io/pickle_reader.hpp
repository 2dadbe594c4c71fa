#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "io/value.hpp"

namespace pixelclip {

/// The whole of a storage as a one-dimensional tensor of `numel` elements, from the file's record
/// for `key`. Throws when the record is missing or too small.
using StorageLookup =
    std::function<torch::Tensor(const std::string& key, torch::ScalarType dtype, int64_t numel)>;

/// Rebuilds what a pickle (protocols 2 to 5) describes. Nothing is executed: of all callables only
/// those that rebuild tensors and plain containers have a meaning, the rest become Opaque. Time and
/// memory are bounded by a small multiple of the pickle's size; nesting deeper than 256 levels,
/// objects that hold themselves, and shared parts that would unfold to many times the pickle are
/// refused. Errors begin with `source`.
Value unpickle(std::span<const uint8_t> bytes, const std::string& source,
               const StorageLookup& storage);

namespace io {

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

}  // namespace io

}  // namespace pixelclip
