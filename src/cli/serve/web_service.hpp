#pragma once

#include <list>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/parallel.hpp"
#include "base/stopwatch.hpp"
#include "cli/serve/own_site.hpp"
#include "cli/serve/rate_limit.hpp"
#include "inference/segmentation.hpp"
#include "inference/segmenter.hpp"

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace pixelclip::cli {

struct WebLimits {
  int64_t megabytes = 32;    ///< largest body of a request
  int64_t megapixels = 100;  ///< largest image
  double requests = 20;      ///< a second from one address on average; see RateLimit
  size_t images = 64;        ///< encoded images that are kept, the newest ones
  size_t names = 250;        ///< class names of one request
};

/// The page and the JSON API of `pixelclip serve` (docs/serve.md).
class WebService {
 public:
  /// `first_names` are the words in the page at the start. `segmenter` must outlive the service.
  WebService(const Segmenter& segmenter, const WebLimits& limits, std::string first_names);

  /// Adds the routes. `site` decides which requests are accepted, and under which path.
  void attach(httplib::Server& server, const OwnSite& site);

 private:
  /// The contents of one request.
  struct Query {
    EncodedImage image;
    Words words;
  };
  bool admit(const httplib::Request& request, httplib::Response& response, const OwnSite& site);
  nlohmann::json model() const;
  nlohmann::json add_image(const std::string& bytes);
  nlohmann::json segment_image(const nlohmann::json& body);
  nlohmann::json scores_at_point(const nlohmann::json& body);
  Query read_query(const nlohmann::json& body);
  EncodedImage find_image(const std::string& id);

  const Segmenter& segmenter_;
  const WebLimits limits_;
  const std::string first_names_;
  OneThread model_thread_;  ///< Encoders use all cores, so it takes one request at a time.
  const Stopwatch uptime_;
  RateLimit rate_limit_;
  std::mutex mutex_;                                        ///< Guards images_.
  std::list<std::pair<std::string, EncodedImage>> images_;  ///< The newest first.
};

}  // namespace pixelclip::cli
