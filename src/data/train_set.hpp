#pragma once

#include "config/data_config.hpp"
#include "config/model_config.hpp"
#include "config/solver_config.hpp"
#include "data/loader.hpp"
#include "data/sa1b.hpp"

namespace pixelclip {

/// Indexes the images of DATASETS.TRAIN. Errors: no set named, an unknown set, a test set, nothing
/// on disk.
Sa1bIndex open_training_set(const DatasetsConfig& datasets, bool with_annotations = true);

/// Options of a rank's loader that starts at the first sample: SOLVER.IMS_PER_BATCH over
/// `world_size` processes that each emulate SOLVER.ACCUMULATE_STEPS ranks.
LoaderOptions loader_options(const DataloaderConfig& loader, const SolverConfig& solver,
                             int rank = 0, int world_size = 1);

/// The loader of a run: DATASETS.TRAIN through Sa1bMapper.
std::unique_ptr<TrainLoader> make_train_loader(const DatasetsConfig& datasets,
                                               const InputConfig& input, const ModelConfig& model,
                                               const LoaderOptions& options, uint64_t seed,
                                               bool pinned = false);

}  // namespace pixelclip
