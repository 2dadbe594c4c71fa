#pragma once

#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/parallel.hpp"
#include "cli/serve/own_site.hpp"
#include "inference/segmentation.hpp"
#include "inference/segmenter.hpp"

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace pixelclip::cli {

struct WebLimits {
  int64_t megabytes = 32;    ///< Of one request.
  int64_t megapixels = 100;  ///< Of one picture.
  double requests =
      20;              ///< A second and client address, on average; short bursts may be twice that.
  size_t images = 64;  ///< Encoded pictures that are kept, the newest ones.
  size_t names = 250;  ///< Of one request.
};

/// The page and the JSON API of `pixelclip serve` (docs/serve.md).
class WebService {
 public:
  /// `first_names` stand in the page's field at the start. All references must outlive the service.
  WebService(const Segmenter& segmenter, const WebLimits& limits, std::string first_names);

  /// Adds the routes; `site` says which requests are taken, and under which path.
  void attach(httplib::Server& server, const OwnSite& site);

 private:
  /// What one request asks for.
  struct Query {
    EncodedImage image;
    Words words;
  };
  struct Bucket {
    double tokens = 0;
    std::chrono::steady_clock::time_point seen;
  };

  bool admit(const httplib::Request& request, httplib::Response& response, const OwnSite& site);
  bool within_rate(const std::string& client);
  nlohmann::json model() const;
  nlohmann::json add_image(const std::string& bytes);
  nlohmann::json segment_image(const nlohmann::json& body);
  nlohmann::json scores_at_point(const nlohmann::json& body);
  Query read_query(const nlohmann::json& body);
  EncodedImage find_image(const std::string& id);

  const Segmenter& segmenter_;
  const WebLimits limits_;
  const std::string first_names_;
  OneThread model_thread_;  ///< Encoders use all cores: one request at a time.
  std::mutex mutex_;        ///< Of what follows.
  std::list<std::pair<std::string, EncodedImage>> images_;  ///< The newest first.
  std::map<std::string, Bucket> buckets_;
};

}  // namespace pixelclip::cli
