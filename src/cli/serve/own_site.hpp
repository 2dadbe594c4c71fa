#pragma once

#include <string>

namespace pixelclip::cli {

/// Which requests of browsers come from the server's own page. A page of another site can make a
/// browser send requests here, also under a name of its own that leads to this address, so only
/// requests to a name of this server, from a page that came under that name or from no page, are
/// taken. What a proxy says of itself (X-Forwarded-Host) is not believed, for such a page can say
/// it too.
class OwnSite {
 public:
  /// `host` is what the server listens on. `public_url` is where a proxy shows it, http or https
  /// with or without a path, or empty. Errors: the latter cannot be read.
  explicit OwnSite(const std::string& host, const std::string& public_url = "");

  /// `host` and `origin` are a request's headers; `origin` may be empty.
  bool takes(const std::string& host, const std::string& origin) const;

  /// The path of the public URL without a slash at its end; empty when it has none.
  const std::string& prefix() const { return prefix_; }
  /// A regular expression that matches it and nothing, for proxies that leave it in the path and
  /// that do not.
  std::string prefix_pattern() const;
  /// `path` as it is without a proxy.
  std::string without_prefix(const std::string& path) const;

  /// Whose requests are counted together: `address` has sent this one; a proxy on this machine has
  /// appended its client to `forwarded_for` (X-Forwarded-For), which counts when there is a public
  /// URL.
  std::string client(const std::string& address, const std::string& forwarded_for) const;

 private:
  bool is_own_name(const std::string& name) const;

  std::string host_, public_origin_, public_authority_, prefix_;
};

}  // namespace pixelclip::cli
