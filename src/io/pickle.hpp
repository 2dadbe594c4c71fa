#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
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

/// How a tensor is laid out in the record that holds its storage.
struct StoredTensor {
  std::string key;
  int64_t numel;   ///< elements in the record
  int64_t offset;  ///< of the first element
  std::vector<int64_t> strides;
};

/// A pickle (protocol 2) that Python's weights-only unpickler accepts; `place` says where each
/// tensor lies. Errors: an Opaque value.
std::string pickle(const Value& value,
                   const std::function<StoredTensor(const torch::Tensor&)>& place,
                   const std::function<torch::ScalarType(const torch::Tensor&)>& dtype);

}  // namespace pixelclip
