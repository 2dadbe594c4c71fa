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

/// The weights of any file that read_weights_file takes; what it chose is said in the log.
/// `dropped`, when given, receives how many entries were no tensors. Errors: as read_weights_file.
StateDict read_state_dict(const std::filesystem::path& path, int64_t* dropped = nullptr);

/// The same from a value already read; `source` names the file in errors.
StateDict to_state_dict(const Value& value, const std::string& source, int64_t* dropped = nullptr);
StateDict to_state_dict(const WeightsFile& file);
/// The same without a word in the log.
StateDict by_name(const WeightsFile& file);

/// A dict for write_torch_file.
Value to_value(const StateDict& state);

/// Names are given whole, or as a prefix that ends with a dot; an empty string stands for every
/// name.
struct LoadOptions {
  std::string source = "the weights";  ///< named first in messages
  std::vector<std::string> may_be_missing = {};
  std::vector<std::string> may_be_unused = {};  ///< passed over with one line in the log
  /// Without a place in the module they are an error, for numbers would be wrong without them.
  std::vector<std::string> must_be_known = {};
};

struct LoadReport {
  std::vector<std::string> loaded;
  std::vector<std::string> missing;      ///< in the module, not in the state
  std::vector<std::string> misshapen;    ///< "name [1, 2] instead of [2, 2]"
  std::vector<std::string> unexpected;   ///< in the state, not in the module
  std::vector<std::string> passed_over;  ///< the same, of may_be_unused
  std::vector<std::string> unusable;     ///< the same, of must_be_known
};

/// Copies `state` into the module's parameters and buffers of the same names (any floating type
/// into any other). Missing and misshapen names, and unknown ones of must_be_known, make one Error
/// that lists them all, and then nothing was copied. Other names that the module lacks are listed
/// in a warning, as detectron2 does.
LoadReport load_into(torch::nn::Module& module, const StateDict& state,
                     const LoadOptions& options = {});

/// The module's parameters and buffers by name (no copies).
StateDict state_of(const torch::nn::Module& module);

}  // namespace pixelclip
