#pragma once

#include "config/config.hpp"
#include "data/loader.hpp"
#include "data/sa1b.hpp"

namespace pixelclip {

/// Indexes the images of DATASETS.TRAIN. Errors: no set named, an unknown set, a test set, nothing
/// on disk.
Sa1bIndex open_training_set(const DatasetsConfig& datasets, bool with_annotations = true);

/// The loader of a run: DATASETS.TRAIN through Sa1bMapper, SOLVER.IMS_PER_BATCH over `world_size`
/// processes that each emulate SOLVER.ACCUMULATE_STEPS ranks. For `places`, see LoaderOptions.
std::unique_ptr<TrainLoader> make_train_loader(const Config& config, uint64_t seed, int rank,
                                               int world_size, int64_t start = 0,
                                               bool pinned = false,
                                               std::vector<StreamPlace> places = {});

}  // namespace pixelclip
