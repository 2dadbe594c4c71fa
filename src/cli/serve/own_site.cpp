#include "cli/serve/own_site.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace pixelclip::cli {
namespace {

/// "127.0.0.1:8080" → "127.0.0.1", "[::1]:8080" → "::1".
std::string host_of(const std::string& authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.rfind(':'));
}

/// Browsers omit the default port of a scheme.
std::string without_default_port(std::string authority, const std::string& scheme) {
  const std::string port = scheme == "https" ? ":443" : ":80";
  if (authority.ends_with(port)) authority.resize(authority.size() - port.size());
  return authority;
}

std::string origin_of(const std::string& scheme, const std::string& authority) {
  return scheme + "://" + without_default_port(authority, scheme);
}

}  // namespace

OwnSite::OwnSite(const std::string& host, const std::string& public_url) : host_(host) {
  if (public_url.empty()) return;
  const size_t colon = public_url.find("://");
  const std::string scheme = lower_ascii(public_url.substr(0, std::min(colon, public_url.size())));
  const size_t begin = colon == std::string::npos ? public_url.size() : colon + 3;
  const size_t end = std::min(public_url.find('/', begin), public_url.size());
  public_authority_ = lower_ascii(public_url.substr(begin, end - begin));
  prefix_ = public_url.substr(end);
  while (prefix_.ends_with('/')) prefix_.pop_back();
  const bool plain = std::all_of(prefix_.begin(), prefix_.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '/' || c == '-' || c == '_' || c == '.' || c == '~' ||
           c == '@' || c == '%';
  });
  if ((scheme != "http" && scheme != "https") || host_of(public_authority_).empty() ||
      public_authority_.find_first_of("@?# \t") != std::string::npos || !plain) {
    fail("the public address '", public_url,
         "' cannot be read: expected http:// or https://, a host and optionally a port and a path ",
         "of plain letters, for example https://lab.example.org/pixelclip/");
  }
  public_origin_ = origin_of(scheme, public_authority_);
}

std::string OwnSite::prefix_pattern() const {
  if (prefix_.empty()) return "";
  std::string pattern = "(?:";
  for (const char c : prefix_) pattern += c == '.' ? std::string("\\.") : std::string(1, c);
  return pattern + ")?";
}

std::string OwnSite::without_prefix(const std::string& path) const {
  return !prefix_.empty() && path.starts_with(prefix_ + "/") ? path.substr(prefix_.size()) : path;
}

bool OwnSite::is_own_name(const std::string& name) const {
  return host_ == "0.0.0.0" || host_ == "::" || name == lower_ascii(host_) || name == "localhost" ||
         name == "127.0.0.1" || name == "::1" ||
         (!public_authority_.empty() && name == host_of(public_authority_));
}

bool OwnSite::takes(const std::string& host, const std::string& origin) const {
  const std::string authority = lower_ascii(host), from = lower_ascii(origin);
  if (!is_own_name(host_of(authority))) return false;
  if (from.empty() || (!public_origin_.empty() && from == public_origin_)) return true;
  // A proxy may offer https, though this server does not.
  return from == origin_of("http", authority) || from == origin_of("https", authority);
}

std::string OwnSite::client(const std::string& address, const std::string& forwarded_for) const {
  const bool here =
      address.starts_with("127.") || address == "::1" || address == "::ffff:127.0.0.1";
  if (public_origin_.empty() || !here) return address;
  const size_t comma = forwarded_for.rfind(',');
  std::string last = comma == std::string::npos ? forwarded_for : forwarded_for.substr(comma + 1);
  std::erase(last, ' ');
  return last.empty() ? address : last.substr(0, 64);
}

}  // namespace pixelclip::cli
