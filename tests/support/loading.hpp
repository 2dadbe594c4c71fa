#pragma once

#include <memory>

#include "config/config.hpp"
#include "data/mapper.hpp"
#include "data/train_set.hpp"

namespace pixelclip::testing {

/// The mapper of a run.
inline Sa1bMapper mapper_of(const Config& config) { return {config.input, config.model}; }

/// The loader of one rank of a run.
inline std::unique_ptr<TrainLoader> loader_of(const Config& config, uint64_t seed, int rank = 0,
                                              int world_size = 1) {
  return make_train_loader(config.datasets, config.input, config.model,
                           loader_options(config.dataloader, config.solver, rank, world_size),
                           seed);
}

}  // namespace pixelclip::testing
