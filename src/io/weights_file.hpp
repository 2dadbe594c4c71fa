#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/value.hpp"

namespace pixelclip {

/// The content of a weights file of any form.
struct WeightsFile {
  std::string form;  ///< "torch.save", "TorchScript archive", … for people
  Dict weights;      ///< name → tensor, in the file's order
  Dict rest;         ///< what is stored beside the weights: iteration, optimizer, metadata …
  std::vector<std::string>
      entries;  ///< nested entries that hold the weights, the outermost first: "model"
  std::vector<std::string> prefixes;  ///< removed from all names, the outermost first: "module."
  std::vector<std::string> remarks;   ///< choices and their reasons, for the log
  int64_t others = 0;                 ///< entries among the weights that are not tensors

  bool nested() const { return !entries.empty(); }
};

/// Reads a torch.save (archive or legacy), TorchScript, safetensors or pickle file with torch's or
/// numpy's arrays, recognised by content, or all shards of an index ("….index.json" of Hugging
/// Face). The weights are looked for under the usual entries
/// ("model", "state_dict" …); averaged ones ("model_ema", "state_dict_ema" …) and a teacher come
/// before the others, as their authors score them. Prefixes that all names share ("module.",
/// "_orig_mod.", "backbone." …) are dropped repeatedly. Tensors lie on the mapped file. Errors: as
/// read_torch_file and read_safetensors; no tensors.
WeightsFile read_weights_file(const std::filesystem::path& path);

/// The same from a value already read; `source` names the file in errors.
WeightsFile take_weights(const Value& value, const std::string& source);

}  // namespace pixelclip
