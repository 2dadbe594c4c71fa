#pragma once

#include "demo/world.hpp"

namespace pixelclip {

/// Makes what is missing of the world and of its small CLIP (`folder`/clip.pth), and logs its
/// progress; at once done when both are there. Other processes that want the same wait meanwhile.
/// Without options a world that is already there is kept, whatever its numbers.
void prepare_demo(const std::filesystem::path& folder);
void prepare_demo(const std::filesystem::path& folder, const DemoWorldOptions& options);

}  // namespace pixelclip
