#pragma once

#include <filesystem>

#include "io/state_dict.hpp"

namespace pixelclip::io {

/// The tensors that an index of Hugging Face ({"weight_map": {name: file}}) lists, from the files
/// beside it; `count` receives how many these are. Errors: an index that is none or names files
/// elsewhere, a missing file or tensor.
StateDict read_shards(const std::filesystem::path& index, size_t& count);

}  // namespace pixelclip::io
