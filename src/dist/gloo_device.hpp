#pragma once

#include <memory>
#include <vector>

#include "dist/world.hpp"

namespace gloo::transport {
class Device;
}

namespace pixelclip {

/// The network devices through which Gloo talks: those that GLOO_SOCKET_IFNAME names (separated by
/// commas); loopback when all ranks are on this machine; otherwise the address that leads to rank
/// 0's. A machine's own name is not used: in containers it often resolves to nothing or to
/// 127.0.1.1.
std::vector<std::shared_ptr<gloo::transport::Device>> gloo_devices(const WorldInfo& world);

}  // namespace pixelclip
