#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/value.hpp"

namespace pixelclip {

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
