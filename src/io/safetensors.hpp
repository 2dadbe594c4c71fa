#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "io/state_dict.hpp"

namespace pixelclip {

struct Safetensors {
  StateDict tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file; tensors lie on the mapped file (copy on write) without copying. The
/// header is checked strictly: at most 100 MB, every tensor's bytes in range and equal to dtype ×
/// shape, no overlap, no gap. Errors name the file and the tensor.
Safetensors read_safetensors(const std::filesystem::path& path);

/// Writes the tensors contiguous, those of wide types first so that each is aligned. With
/// `floating`, floating tensors are converted to that type. Atomic; needs memory for one tensor at
/// most. Errors: a type the format lacks, names that are not UTF-8, an unwritable path.
void write_safetensors(const std::filesystem::path& path, const StateDict& tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       std::optional<torch::ScalarType> floating = {});

}  // namespace pixelclip
