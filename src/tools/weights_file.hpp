#pragma once

#include <filesystem>
#include <string>

#include "pixelclip/io/value.hpp"

namespace pixelclip::tools {

/// A file of weights taken apart, whatever its form.
struct WeightsFile {
  std::string form;     ///< "torch.save", "TorchScript or plain …" for people
  Dict weights;         ///< name → tensor, in the file's order
  Dict rest;            ///< what stands beside the weights: iteration, optimizer, metadata …
  bool nested = false;  ///< the weights stood under "model" or "state_dict"
};

/// Reads any form that read_state_dict takes. Tensors lie on the mapped file. Entries of unknown
/// classes are left out, with a warning. Errors: as read_state_dict.
WeightsFile read_weights_file(const std::filesystem::path& path);

/// "12.3 MB".
std::string human_size(double bytes);

}  // namespace pixelclip::tools
