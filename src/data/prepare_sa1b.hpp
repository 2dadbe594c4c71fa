#pragma once

#include "data/prepare.hpp"

namespace pixelclip {

struct PrepareSa1bOptions {
  std::filesystem::path root = {};  ///< Folder of SA-1B; empty: $SAM_DATASETS.
  std::filesystem::path list = {};  ///< As DATASETS.SHARDS.
  std::filesystem::path out =
      {};                ///< For compact shards and the record of what is done; empty: the root.
  bool compact = false;  ///< Write a compact shard of each tar file or folder.
  bool again = false;    ///< Verify also what the record lists as verified.
  int threads = 0;       ///< 0: all cores.
};

/// Indexes SA-1B's tar files, reads every image and its masks, and writes compact shards of the
/// usable samples. Finished tar files and folders are recorded in OUT/sa1b_verified.json; a later
/// call skips them if they did not change. The report counts samples; `skipped` ones have no mask.
/// Errors: no data, shards cannot be written.
PrepareReport prepare_sa1b(const PrepareSa1bOptions& options);

}  // namespace pixelclip
