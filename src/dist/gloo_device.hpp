#pragma once

#include <memory>
#include <vector>

#include "dist/world.hpp"

namespace gloo::transport {
class Device;
}

namespace pixelclip {

/// The network devices that Gloo uses: those in GLOO_SOCKET_IFNAME (separated by commas); loopback
/// when all ranks are on this machine; otherwise the address from which rank 0's is reached. The
/// machine's own name is not used: in containers it often does not resolve, or to 127.0.1.1.
std::vector<std::shared_ptr<gloo::transport::Device>> gloo_devices(const WorldInfo& world);

}  // namespace pixelclip
