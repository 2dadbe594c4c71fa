#pragma once

#include <torch/types.h>

#include <filesystem>
#include <optional>

#include "io/value.hpp"

namespace pixelclip {

/// Writes what Python's torch.load(path, weights_only=True) loads. Tensors may lie on any device
/// and have any strides; they are written contiguous, and tensors that overlap in memory share one
/// record. With `floating`, floating tensors are converted to that type. Atomic; needs memory for
/// one tensor at most. Errors: Opaque values, tensors that are not plain dense memory, an
/// unwritable path.
void write_torch_file(const std::filesystem::path& path, const Value& value,
                      std::optional<torch::ScalarType> floating = {});

}  // namespace pixelclip
