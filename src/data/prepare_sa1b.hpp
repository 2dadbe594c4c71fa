#pragma once

#include "data/prepare.hpp"

namespace pixelclip {

struct PrepareSa1bOptions {
  std::filesystem::path root = {};  ///< Where SA-1B lies; empty: $SAM_DATASETS.
  std::filesystem::path list = {};  ///< As DATASETS.SHARDS.
  std::filesystem::path out =
      {};                ///< For compact shards and the record of what is done; empty: the root.
  bool compact = false;  ///< Write a compact shard of each tar file or folder.
  bool again = false;    ///< Verify also what a record says was verified.
  int threads = 0;       ///< 0: all cores.
};

/// Makes the indices of SA-1B's tar files, reads every image and its masks, and writes compact
/// shards of what is usable. Done tar files and folders are recorded in OUT/sa1b_verified.json: a
/// second call goes on behind them as long as they did not change. Counts are of samples; `skipped`
/// ones have no mask. Errors: nothing there, nowhere to write shards.
PrepareReport prepare_sa1b(const PrepareSa1bOptions& options);

}  // namespace pixelclip
