#pragma once

#include <string>

namespace pixelclip {

struct HostPort {
  std::string host;
  int port = 0;  // 0: none stands there; -1: what stands there is none from 1 to 65535
};

/// "host", "host:port", "[host]:port", each also behind "tcp://". An IPv6 host with a port stands
/// in brackets.
HostPort split_host_port(std::string text);

/// Whether a name is known here, which an IP address always is.
bool resolves(const std::string& host);

/// Whether `host` is this machine's own name, its domain apart.
bool is_own_name(const std::string& host);

}  // namespace pixelclip
