#pragma once

#include <string>

namespace pixelclip::cli {

/// Decides which requests of browsers come from the server's own page. The page of another site can
/// make a browser send requests here, also through a host name of its own that resolves to this
/// address (DNS rebinding). So a request is accepted only if its host is a name of this server and
/// its origin is that host or absent. X-Forwarded-Host is ignored, since such a page can set it.
class OwnSite {
 public:
  /// The server listens on `host`. `public_url` is its address behind a proxy, http or https with
  /// or without a path, or empty. Errors: an invalid public URL.
  explicit OwnSite(const std::string& host, const std::string& public_url = "");

  /// `host` and `origin` are a request's headers; `origin` may be empty.
  bool takes(const std::string& host, const std::string& origin) const;

  /// The path of the public URL without a slash at its end; empty when it has none.
  const std::string& prefix() const { return prefix_; }
  /// A regular expression that matches prefix() or the empty text: some proxies strip the prefix
  /// from the path, others do not.
  std::string prefix_pattern() const;
  /// `path` without prefix().
  std::string without_prefix(const std::string& path) const;

  /// The address whose requests are counted together: `address`, the sender. With a public URL, a
  /// proxy on this machine appends its client to `forwarded_for` (X-Forwarded-For), and that client
  /// counts.
  std::string client(const std::string& address, const std::string& forwarded_for) const;

 private:
  bool is_own_name(const std::string& name) const;

  std::string host_, public_origin_, public_authority_, prefix_;
};

}  // namespace pixelclip::cli
