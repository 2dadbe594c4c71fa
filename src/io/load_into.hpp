#pragma once

#include <torch/nn/module.h>

#include <string>
#include <vector>

#include "io/state_dict.hpp"

namespace pixelclip {

/// A name is complete, or a prefix that ends with a dot; the empty string stands for all names.
struct LoadOptions {
  std::string source = "the weights";  ///< named first in messages
  std::vector<std::string> may_be_missing = {};
  std::vector<std::string> may_be_unused = {};  ///< ignored with one line in the log
  /// An error if the module lacks them, since results would be wrong without them.
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

}  // namespace pixelclip
