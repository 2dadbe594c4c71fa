#include "cli/serve/web_service.hpp"

#include <c10/util/Exception.h>
#include <httplib.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cli/region_json.hpp"
#include "image/codec.hpp"
#include "inference/grid_place.hpp"
#include "visualization/overlay.hpp"
#include "web_assets.hpp"

namespace pixelclip::cli {
namespace {
using nlohmann::json;

constexpr size_t kLongestName = 400;  // bytes

/// A fault of the client's request, with its HTTP status and the code that programs read.
struct Refusal : Error {
  Refusal(int status, const char* code, const std::string& text)
      : Error(text), status(status), code(code) {}
  int status;
  const char* code;
};

constexpr const char* kInvalidRequest = "invalid_request";

/// The code of an error that is no Refusal.
const char* code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
      return kInvalidRequest;
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::too_large:
      return "too_large";
    case ErrorKind::unavailable:
      return "unavailable";
  }
  return kInvalidRequest;
}

std::string random_id() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    char part[9];
    std::snprintf(part, sizeof part, "%08x", random());
    id += part;
  }
  return id;
}

void answer(httplib::Response& response, int status, const json& body) {
  response.status = status;
  response.set_content(body.dump(-1, ' ', false, json::error_handler_t::replace),
                       "application/json");
}

void answer_error(httplib::Response& response, int status, const char* code,
                  const std::string& text) {
  answer(response, status, {{"error", text}, {"code", code}});
}

/// The decompressed body. Its size is counted while it arrives, so that compressed and chunked
/// bodies keep to the limit.
std::string read_body(const httplib::Request& request, const httplib::Response& response,
                      const httplib::ContentReader& reader, size_t most) {
  if (request.is_multipart_form_data()) {
    throw Refusal(415, "unsupported_media_type",
                  "send the image or the JSON itself as the request's body, not in a form (curl: "
                  "--data-binary)");
  }
  std::string body;
  bool fits = true;
  const bool whole = reader([&](const char* data, size_t size) {
    fits = body.size() + size <= most;
    if (fits) body.append(data, size);
    return fits;
  });
  if (!fits || response.status == 413)
    throw Refusal(413, "too_large", str("the request is larger than ", most >> 20, " MB"));
  if (!whole) throw Refusal(400, kInvalidRequest, "the request's body is incomplete or damaged");
  return body;
}

const json& member(const json& body, const char* name) {
  if (!body.is_object())
    throw Refusal(400, kInvalidRequest, "the request's body is no JSON object");
  const auto found = body.find(name);
  if (found == body.end())
    throw Refusal(400, kInvalidRequest, str("the request lacks \"", name, "\""));
  return *found;
}

int64_t whole_number(const json& body, const char* name, int64_t low, int64_t high) {
  const json& value = member(body, name);
  if (!value.is_number_integer() || value.get<int64_t>() < low || value.get<int64_t>() > high) {
    throw Refusal(400, kInvalidRequest,
                  str("\"", name, "\" must be a whole number from ", low, " to ", high));
  }
  return value.get<int64_t>();
}

std::vector<std::string> texts(const json& value, const char* name, size_t most) {
  std::vector<std::string> result;
  if (value.is_array() && value.size() <= most) {
    for (const json& item : value) {
      if (item.is_string() && item.get<std::string>().size() <= kLongestName)
        result.push_back(item.get<std::string>());
    }
  }
  if (!value.is_array() || result.size() != value.size()) {
    throw Refusal(400, kInvalidRequest,
                  str("\"", name, "\" must be a list of at most ", most, " texts of at most ",
                      kLongestName, " bytes"));
  }
  return result;
}

/// The cosines at a pixel, interpolated as for the labels.
std::vector<double> scores_at(const torch::Tensor& scores, const EncodedImage& image, int64_t x,
                              int64_t y) {
  const auto s = scores.accessor<float, 3>();
  const auto row = place_on_grid<double>(y, image.height, static_cast<int>(image.rows));
  const auto column = place_on_grid<double>(x, image.width, static_cast<int>(image.columns));
  const double v = row.weight, u = column.weight;
  std::vector<double> result;
  for (int64_t k = 0; k < scores.size(0); ++k) {
    result.push_back((1 - v) *
                         ((1 - u) * s[k][row.low][column.low] + u * s[k][row.low][column.high]) +
                     v * ((1 - u) * s[k][row.high][column.low] + u * s[k][row.high][column.high]));
  }
  return result;
}

}  // namespace

WebService::WebService(const Segmenter& segmenter, const WebLimits& limits, std::string first_names)
    : segmenter_(segmenter),
      limits_(limits),
      first_names_(std::move(first_names)),
      rate_limit_(limits.requests) {}

void WebService::attach(httplib::Server& server, const OwnSite& site) {
  server.set_payload_max_length(static_cast<size_t>(limits_.megabytes) << 20);
  server.set_read_timeout(/*seconds=*/5);  // of a silent client
  server.new_task_queue = [] {
    return new httplib::ThreadPool(64);
  };  // slow clients must not block others
  server.set_default_headers(
      {{"X-Content-Type-Options", "nosniff"},
       {"Cache-Control", "no-store"},
       {"Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:"}});
  server.set_pre_routing_handler(
      [this, site](const httplib::Request& request, httplib::Response& response) {
        return admit(request, response, site) ? httplib::Server::HandlerResponse::Unhandled
                                              : httplib::Server::HandlerResponse::Handled;
      });
  const std::string base = site.prefix_pattern();
  const auto asset = [&](const char* path, const char* text, const char* type) {
    server.Get(base + path, [text, type](const httplib::Request&, httplib::Response& response) {
      response.set_content(text, type);
    });
  };
  asset("/", web_page_html, "text/html; charset=utf-8");
  asset("/style\\.css", web_style_css, "text/css; charset=utf-8");
  asset("/page\\.js", web_page_js, "text/javascript; charset=utf-8");
  if (!base.empty()) {  // the page's addresses are relative to the folder that the slash makes of
                        // it
    server.Get(base, [site](const httplib::Request&, httplib::Response& response) {
      response.set_redirect(site.prefix() + "/");
    });
  }

  const size_t most = static_cast<size_t>(limits_.megabytes) << 20;
  const auto with_body = [most](auto work) {
    return [work, most](const httplib::Request& request, httplib::Response& response,
                        const httplib::ContentReader& reader) {
      try {
        answer(response, 200, work(read_body(request, response, reader, most)));
      } catch (const Refusal& e) {
        answer_error(response, e.status, e.code, e.what());
      } catch (const Error& e) {
        answer_error(response, 400, code_of(e.kind()), e.what());
      } catch (const std::bad_alloc&) {
        answer_error(response, 413, "out_of_memory", "there is not enough memory for this image");
      }
    };
  };
  server.Get(base + "/api/model", [this](const httplib::Request&, httplib::Response& response) {
    answer(response, 200, model());
  });
  server.Post(base + "/api/images",
              with_body([this](const std::string& body) { return add_image(body); }));
  server.Post(
      base + "/api/segment", with_body([this](const std::string& body) {
        return model_thread_([&] { return segment_image(parse_json(body, "the request's body")); });
      }));
  server.Post(base + "/api/point", with_body([this](const std::string& body) {
                return model_thread_(
                    [&] { return scores_at_point(parse_json(body, "the request's body")); });
              }));
  server.set_exception_handler(
      [](const httplib::Request& request, httplib::Response& response, std::exception_ptr e) {
        try {
          std::rethrow_exception(e);
        } catch (const c10::Error& error) {
          log::error(printable(request.path), ": ", error.what_without_backtrace());
        } catch (const std::exception& error) {
          log::error(printable(request.path), ": ", error.what());
        }
        answer_error(response, 500, "internal_error", "the server failed; its log has the details");
      });
  server.set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
    if (!response.body.empty()) return;
    if (response.status == 404) {
      answer_error(response, 404, "not_found",
                   str("there is no ", printable(request.method), " ", printable(request.path)));
    } else if (response.status == 413) {
      answer_error(response, 413, "too_large",
                   str("the request is larger than ", limits_.megabytes, " MB"));
    } else {
      answer_error(response, response.status, kInvalidRequest, "the request is not valid HTTP");
    }
  });
}

bool WebService::admit(const httplib::Request& request, httplib::Response& response,
                       const OwnSite& site) {
  if (!site.takes(request.get_header_value("Host"), request.get_header_value("Origin"))) {
    answer_error(
        response, 403, "forbidden",
        "only requests from this server's own page, or from programs, are accepted; behind "
        "a proxy, start the server with --public-url and the address in the browser");
    return false;
  }
  const bool costs = site.without_prefix(request.path).starts_with("/api/");
  const auto client = site.client(request.remote_addr, request.get_header_value("X-Forwarded-For"));
  if (costs && !rate_limit_.admit(client, uptime_.seconds())) {
    response.set_header("Retry-After", "1");
    answer_error(response, 429, "too_many_requests",
                 str("more than ", limits_.requests, " requests a second: wait a little"));
    return false;
  }
  return true;
}

json WebService::model() const {
  return {{"description", segmenter_.description()},
          {"templates", segmenter_.templates().size()},
          {"resolution", {segmenter_.resolution().height, segmenter_.resolution().width}},
          {"first_names", first_names_},
          {"limits",
           {{"megabytes", limits_.megabytes},
            {"megapixels", limits_.megapixels},
            {"requests_a_second", limits_.requests},
            {"names", limits_.names}}}};
}

json WebService::add_image(const std::string& bytes) {
  DecodeOptions options;
  options.max_pixels = limits_.megapixels * 1'000'000;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const Image rgb = decode_rgb({data, bytes.size()}, "the image", options);
  EncodedImage encoded = model_thread_([&] { return segmenter_.encode(rgb); });
  const std::string id = random_id();
  const std::lock_guard lock(mutex_);
  images_.emplace_front(id, std::move(encoded));
  if (images_.size() > limits_.images) images_.pop_back();
  return {{"image", id}, {"height", rgb.height}, {"width", rgb.width}};
}

EncodedImage WebService::find_image(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(images_.begin(), images_.end(),
                                  [&](const auto& image) { return image.first == id; });
  if (found == images_.end())
    throw Refusal(404, "unknown_image", "the server no longer keeps this image: send it again");
  images_.splice(images_.begin(), images_, found);
  return found->second;  // tensors are shared
}

WebService::Query WebService::read_query(const json& body) {
  const json& id = member(body, "image");
  if (!id.is_string())
    throw Refusal(400, kInvalidRequest, "\"image\" must be the id that POST /api/images answered");
  Query query{find_image(id.get<std::string>()), {}};
  Background background;
  if (const auto found = body.find("background"); found != body.end() && !found->is_null()) {
    if (found->is_number()) {
      background.least_cosine = found->get<double>();
    } else if (found->is_array()) {
      background.words = texts(*found, "background", limits_.names);
    } else {
      throw Refusal(400, kInvalidRequest, "\"background\" must be a number or a list of names");
    }
  }
  query.words = segmenter_.words(texts(member(body, "names"), "names", limits_.names), background);
  return query;
}

json WebService::segment_image(const json& body) {
  const Stopwatch watch;
  Query query = read_query(body);
  if (body.contains("max_side")) {
    const double scale = static_cast<double>(whole_number(body, "max_side", 16, 65535)) /
                         static_cast<double>(std::max(query.image.height, query.image.width));
    const auto shrink = [&](int64_t& side) {
      side = std::max<int64_t>(1, std::llround(std::min(1.0, scale) * static_cast<double>(side)));
    };
    shrink(query.image.height);
    shrink(query.image.width);
  }
  const Segmentation result = segment(query.image, query.words);
  const auto palette = colors_of(query.words);
  json classes = json::array();
  const bool with_masks = body.value("rle", json(false)) == json(true);
  for (const Region& region : regions(result)) {
    classes.push_back(region_to_json(result, region, palette[region.id], with_masks));
  }
  const auto png = base64(encode_label_png(result.labels));
  return {{"height", result.labels.height},
          {"width", result.labels.width},
          {"names", result.names},
          {"classes", classes},
          {"labels", "data:image/png;base64," + png},
          {"milliseconds", 1000 * watch.seconds()}};
}

json WebService::scores_at_point(const json& body) {
  const Query query = read_query(body);
  const int64_t x = whole_number(body, "x", 0, query.image.width - 1);
  const int64_t y = whole_number(body, "y", 0, query.image.height - 1);
  const auto values =
      scores_at(score_words(query.image, query.words).to(torch::kCPU), query.image, x, y);
  json scores = json::array();
  for (size_t i = 0; i < values.size(); ++i) {
    scores.push_back({{"id", i}, {"name", query.words.names[i]}, {"score", values[i]}});
  }
  std::stable_sort(scores.begin(), scores.end(),
                   [](const json& a, const json& b) { return a["score"] > b["score"]; });
  return {{"x", x}, {"y", y}, {"scores", scores}};
}

}  // namespace pixelclip::cli
