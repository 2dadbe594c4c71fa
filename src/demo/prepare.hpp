#pragma once

#include "demo/world.hpp"

namespace pixelclip {

/// Creates the data set and the small CLIP (`folder`/clip.pth) unless they exist, and logs
/// progress. Other processes that prepare the same folder wait. Without options an existing data
/// set is kept, whatever its options.
void prepare_demo(const std::filesystem::path& folder);
void prepare_demo(const std::filesystem::path& folder, const DemoWorldOptions& options);

}  // namespace pixelclip
