#pragma once

#include <string>

namespace pixelclip {

struct HostPort {
  std::string host;
  int port = 0;  // 0: none is given; -1: it is not a number from 1 to 65535
};

/// Reads "host", "host:port" or "[host]:port", each also after "tcp://". An IPv6 host with a port
/// needs brackets.
HostPort split_host_port(std::string text);

/// Whether a name resolves on this machine; an IP address always does.
bool resolves(const std::string& host);

/// Whether `host` is this machine's own name, with or without its domain.
bool is_own_name(const std::string& host);

}  // namespace pixelclip
