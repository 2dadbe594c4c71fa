#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace pixelclip {

/// The purpose of a run: train, score DATASETS.TEST, or score TEST.PROTOCOL. Scoring needs neither
/// a valid batch size nor the source of the training masks.
enum class Purpose { train, evaluate, protocol };

/// The data sets that a run uses.
std::vector<std::string> sets_of(const Config& config, Purpose purpose);

/// Checks what a single key does not show, before data or model are used: files exist, class lists
/// can be read, world_size × ACCUMULATE_STEPS divides the batch size … Errors name the key.
void check(const Config& config, int world_size = 1, Purpose purpose = Purpose::train);

}  // namespace pixelclip
