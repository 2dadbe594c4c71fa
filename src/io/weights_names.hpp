#pragma once

#include "io/weights_file.hpp"

namespace pixelclip::io {

/// Drops the prefixes that wrappers of modules put before all names, repeatedly. Of names that
/// stand for a student and a teacher the teacher's stay, and of a backbone with its training head
/// the backbone's.
void drop_shared_prefixes(WeightsFile& file, const std::string& source);

}  // namespace pixelclip::io
