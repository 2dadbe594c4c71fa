#include "dist/gloo_device.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "base/error.hpp"
#include "dist/failure.hpp"
#include "dist/host_port.hpp"
#include "dist/store.hpp"

namespace pixelclip {
namespace {

std::string text_of(const sockaddr* address, socklen_t size) {
  char host[NI_MAXHOST];
  return getnameinfo(address, size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) == 0 ? host
                                                                                         : "";
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1" || address == "localhost";
}

socklen_t size_of(const sockaddr* address) {
  return address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

/// This machine's address towards `host`; no packet is sent. Empty when there is no route.
std::string address_towards(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list) != 0) return "";
  std::string found;
  for (const addrinfo* entry = list; entry && found.empty(); entry = entry->ai_next) {
    const int fd = socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, entry->ai_protocol);
    if (fd < 0) continue;
    sockaddr_storage own{};
    socklen_t size = sizeof(own);
    if (connect(fd, entry->ai_addr, entry->ai_addrlen) == 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0) {
      found = text_of(reinterpret_cast<const sockaddr*>(&own), size);
    }
    close(fd);
  }
  freeaddrinfo(list);
  return found;
}

/// The first address of an interface that is up and not loopback, IPv4 before IPv6; may be empty.
std::string first_outside_address() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "";
  std::string found;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* entry = list; entry && found.empty(); entry = entry->ifa_next) {
      if (!entry->ifa_addr || entry->ifa_addr->sa_family != family) continue;
      if (!(entry->ifa_flags & IFF_UP) || (entry->ifa_flags & IFF_LOOPBACK)) continue;
      const std::string address = text_of(entry->ifa_addr, size_of(entry->ifa_addr));
      if (address.find('%') == std::string::npos) found = address;  // link-local ones need a scope
    }
  }
  freeifaddrs(list);
  return found;
}

std::string own_address(const WorldInfo& world) {
  if (world.local_world_size >= world.world_size) return "127.0.0.1";
  std::string address = address_towards(world.address, world.port);
  if (address.empty() && is_own_name(world.address)) {
    address = first_outside_address();
    if (address.empty()) return "127.0.0.1";
  }
  if (address.empty()) {
    fail("the address '", world.address,
         "' of rank 0 does not resolve or has no route; check it, or set GLOO_SOCKET_IFNAME to the "
         "network interface to use");
  }
  if (!is_loopback(address) || is_loopback(world.address)) return address;
  // Rank 0's machine reaches itself through loopback; the others cannot.
  const std::string outside = first_outside_address();
  return outside.empty() ? address : outside;
}

}  // namespace

std::vector<std::shared_ptr<gloo::transport::Device>> gloo_devices(const WorldInfo& world) {
  using c10d::ProcessGroupGloo;
  std::vector<std::shared_ptr<gloo::transport::Device>> devices;
  const char* names = std::getenv("GLOO_SOCKET_IFNAME");
  if (!names || !*names) {
    devices.push_back(ProcessGroupGloo::createDeviceForHostname(own_address(world)));
    return devices;
  }
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) {
    try {
      devices.push_back(ProcessGroupGloo::createDeviceForInterface(name));
    } catch (const std::exception& e) {
      fail("environment variable GLOO_SOCKET_IFNAME: no network interface '", name,
           "' can be used (", reason_of(e), "); 'ip address' lists them");
    }
  }
  return devices;
}

}  // namespace pixelclip
