#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/value.hpp"
#include "io/weights_file.hpp"

namespace pixelclip {

/// Tensors by name, ordered by name.
using StateDict = std::map<std::string, torch::Tensor>;

/// True when the file's first bytes are those of a safetensors file.
bool is_safetensors(const std::filesystem::path& path);

/// The weights of any file that read_weights_file accepts; its choices are logged. `dropped`, if
/// given, receives the number of entries that are not tensors. Errors: as read_weights_file.
StateDict read_state_dict(const std::filesystem::path& path, int64_t* dropped = nullptr);

/// The same from a value already read; `source` names the file in errors.
StateDict to_state_dict(const Value& value, const std::string& source, int64_t* dropped = nullptr);
StateDict to_state_dict(const WeightsFile& file);
/// The same without logging.
StateDict by_name(const WeightsFile& file);

/// A dict for write_torch_file.
Value to_value(const StateDict& state);

/// The module's parameters and buffers by name (no copies).
StateDict state_of(const torch::nn::Module& module);

}  // namespace pixelclip
