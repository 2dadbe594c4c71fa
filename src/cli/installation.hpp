#pragma once

#include <string>

#include "data/doctor.hpp"

namespace pixelclip::cli {

/// Examines the program and the machine instead of a data set: versions, GPU, NCCL, libraries,
/// folders, vocabularies, weights. Hints and problems say what to do. `program` is the name and
/// version.
Checkup examine_installation(const std::string& program);

}  // namespace pixelclip::cli
