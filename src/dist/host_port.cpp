#include "dist/host_port.hpp"

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace pixelclip {
namespace {

int read_port(const std::string& text) {
  int port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stop == end && port >= 1 && port <= 65535 ? port : -1;
}

std::string first_label(const std::string& host) { return host.substr(0, host.find('.')); }

}  // namespace

HostPort split_host_port(std::string text) {
  const std::string scheme = "tcp://";
  if (text.starts_with(scheme)) text.erase(0, scheme.size());
  while (text.ends_with('/')) text.pop_back();
  if (text.starts_with('[')) {
    const size_t close = std::min(text.find(']'), text.size());
    const std::string rest = text.substr(std::min(close + 1, text.size()));
    return {text.substr(1, close - 1), rest.empty()     ? 0
                                       : rest[0] == ':' ? read_port(rest.substr(1))
                                                        : -1};
  }
  if (std::count(text.begin(), text.end(), ':') != 1) return {text, 0};
  const size_t colon = text.find(':');
  return {text.substr(0, colon), read_port(text.substr(colon + 1))};
}

bool resolves(const std::string& host) {
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, nullptr, &list) != 0) return false;
  freeaddrinfo(list);
  return true;
}

bool is_own_name(const std::string& host) {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0 || !name[0]) return false;
  return host == name || first_label(host) == first_label(name);
}

}  // namespace pixelclip
