#include <httplib.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/serve/web_service.hpp"
#include "command.hpp"
#include "image/codec.hpp"

namespace pixelclip::cli {
namespace {
using nlohmann::json;
using ::testing::HasSubstr;
using testing::TempFolder;

std::string png(int64_t height, int64_t width) {
  Image image(height, width, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<uint8_t>(i * 7 % 256);
  const auto bytes = encode_png(image);
  return {bytes.begin(), bytes.end()};
}

SegmenterOptions tiny_options(const TempFolder& folder) {
  SegmenterOptions options;
  options.weights = testing::write_tiny_clip(folder / "clip.pth").string();
  options.templates = "single";
  options.device = "cpu";
  return options;
}

/// A server with a tiny model on a port of its own, and a client for it.
class Running {
 public:
  explicit Running(WebLimits limits = {}, const std::string& public_url = "")
      : segmenter_(tiny_options(folder_)), service_(segmenter_, limits, "dog, cat") {
    service_.attach(server_, OwnSite("127.0.0.1", public_url));
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    client_ = std::make_unique<httplib::Client>("127.0.0.1", port_);
  }
  ~Running() {
    while (!server_.is_running()) std::this_thread::yield();
    server_.stop();
    thread_.join();
  }

  std::pair<int, json> post(const std::string& path, const std::string& body,
                            const httplib::Headers& headers = {}) {
    const auto answer = client_->Post(path, headers, body, "application/json");
    if (!answer) return {0, {}};
    return {answer->status, json::parse(answer->body, nullptr, false)};
  }
  std::string send(const std::string& picture) {
    return post("/api/images", picture).second["image"];
  }
  httplib::Client& client() { return *client_; }
  httplib::Server& server() { return server_; }
  int port() const { return port_; }

 private:
  TempFolder folder_;
  Segmenter segmenter_;
  WebService service_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::unique_ptr<httplib::Client> client_;
};

TEST(Serve, ThePageItsStyleAndItsScriptAreThere) {
  Running running;
  for (const char* path : {"/", "/style.css", "/page.js"}) {
    const auto answer = running.client().Get(path);
    ASSERT_TRUE(answer) << path;
    EXPECT_EQ(answer->status, 200) << path;
    EXPECT_THAT(answer->get_header_value("Content-Security-Policy"),
                HasSubstr("default-src 'self'"));
  }
}

TEST(Serve, APictureIsSentOnceAndAskedForManyWords) {
  Running running;
  const auto [status, sent] = running.post("/api/images", png(30, 50));
  ASSERT_EQ(status, 200) << sent;
  EXPECT_EQ(sent["height"], 30);
  EXPECT_EQ(sent["width"], 50);
  for (const json& names : {json{"dog", "cat"}, json{"sky, cloud"}}) {
    const auto [code, found] = running.post(
        "/api/segment", json{{"image", sent["image"]}, {"names", names}, {"rle", true}}.dump());
    ASSERT_EQ(code, 200) << found;
    EXPECT_EQ(found["names"], names);
    EXPECT_THAT(found["labels"].get<std::string>(),
                ::testing::StartsWith("data:image/png;base64,iVBORw0KGgo"));
    int64_t area = 0;
    for (const auto& entry : found["classes"]) area += entry["area"].get<int64_t>();
    EXPECT_EQ(area, 30 * 50);
  }
}

TEST(Serve, LabelsComeAsSmallAsTheyAreAskedFor) {
  Running running;
  const auto [code, found] = running.post(
      "/api/segment",
      json{{"image", running.send(png(40, 80))}, {"names", {"dog"}}, {"max_side", 20}}.dump());
  ASSERT_EQ(code, 200) << found;
  EXPECT_EQ(found["height"], 10);
  EXPECT_EQ(found["width"], 20);
}

TEST(Serve, APointHasTheScoresThatItsLabelComesFrom) {
  Running running;
  const std::string id = running.send(png(33, 47));
  const json names = {"dog", "cat", "sky", "grass"};
  const auto found =
      running.post("/api/segment", json{{"image", id}, {"names", names}, {"rle", true}}.dump())
          .second;
  const auto [code, point] = running.post(
      "/api/point", json{{"image", id}, {"names", names}, {"x", 20}, {"y", 11}}.dump());
  ASSERT_EQ(code, 200) << point;
  ASSERT_EQ(point["scores"].size(), 4u);
  for (size_t i = 1; i < 4; ++i)
    EXPECT_GE(point["scores"][i - 1]["score"], point["scores"][i]["score"]);
  int32_t label = -1;
  for (const auto& entry : found["classes"]) {
    const auto mask = rle_to_bitmap(decode_rle(entry["rle"]["counts"].get<std::string>(), 33, 47));
    if (mask[11 * 47 + 20]) label = entry["id"];
  }
  EXPECT_EQ(point["scores"][0]["id"], label);
}

TEST(Serve, BadRequestsAreAnsweredWithOneSentence) {
  Running running({.megabytes = 1, .megapixels = 1, .requests = 1000, .images = 64, .names = 5});
  const std::string id = running.send(png(10, 10));
  const auto refused = [&](const std::string& path, const std::string& body, int status,
                           const std::string& text, const std::string& code = "invalid_request") {
    const auto [answered, answer] = running.post(path, body);
    EXPECT_EQ(answered, status) << path << " " << body.substr(0, 80) << " " << answer;
    EXPECT_EQ(answer.value("code", ""), code) << path << " " << body.substr(0, 80);
    EXPECT_THAT(answer.value("error", ""), HasSubstr(text)) << path << " " << body.substr(0, 80);
  };
  refused("/api/images", "no picture", 400, "the image");
  refused("/api/images", "", 400, "the image");
  refused("/api/images", png(1001, 1000), 400, "more than the 1000000", "too_large");
  refused("/api/images", std::string((1 << 20) + 1, 'x'), 413, "larger than 1 MB", "too_large");
  refused("/api/segment", "{", 400, "the request's body");
  refused("/api/segment", "[]", 400, "no JSON object");
  refused("/api/segment", R"({"names": ["dog"]})", 400, "lacks \"image\"");
  refused("/api/segment", R"({"image": "/etc/passwd", "names": ["dog"]})", 404, "send it again",
          "unknown_image");
  refused("/api/segment", json{{"image", id}}.dump(), 400, "lacks \"names\"");
  refused("/api/segment", json{{"image", id}, {"names", {1}}}.dump(), 400,
          "\"names\" must be a list");
  refused("/api/segment", json{{"image", id}, {"names", {"a", "b", "c", "d", "e", "f"}}}.dump(),
          400, "at most 5");
  refused("/api/segment", json{{"image", id}, {"names", {"a", "a"}}}.dump(), 400, "twice");
  refused("/api/segment", json{{"image", id}, {"names", json::array()}}.dump(), 400,
          "no class names");
  refused("/api/segment", json{{"image", id}, {"names", {std::string(500, 'x')}}}.dump(), 400,
          "at most 400 bytes");
  refused("/api/point", json{{"image", id}, {"names", {"a"}}, {"x", 10}, {"y", 0}}.dump(), 400,
          "\"x\" must be a whole number from 0 to 9");
  for (const char* threshold : {"2", "-1e308", "1e39"}) {
    refused("/api/segment",
            str(R"({"image": ")", id, R"(", "names": ["a"], "background": )", threshold, "}"), 400,
            "from -1 to 1");
  }
  refused("/api/segment", R"({"background": 1e400})", 400, "too large");
  refused("/api/segment", json{{"image", id}, {"names", {"a"}}, {"background", "b"}}.dump(), 400,
          "a number or a list");
  refused("/api/segment",
          json{{"image", id}, {"names", {"a", "Background"}}, {"background", {"b"}}}.dump(), 400,
          "stands for the rest");
  refused("/api/nothing", "", 404, "there is no POST /api/nothing", "not_found");
}

TEST(Serve, BodiesOfEveryFormCountAgainstTheLimit) {
  Running running({.megabytes = 1, .megapixels = 1, .requests = 1000, .images = 64, .names = 5});
  const auto bmp = [] {  // not packed, so larger than the 8 KiB that forms may have
    std::string bytes = "BM" + std::string(52, '\0') + std::string(60 * 60 * 3, 'x');
    const auto put = [&](size_t at, uint32_t value) { std::memcpy(bytes.data() + at, &value, 4); };
    put(2, static_cast<uint32_t>(bytes.size())), put(10, 54), put(14, 40), put(18, 60), put(22, 60),
        put(26, 1 | 24 << 16);
    return bytes;
  };
  const std::string large = bmp();
  // As curl's --data-binary sends it.
  auto answer = running.client().Post("/api/images", large, "application/x-www-form-urlencoded");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200) << answer->body;
  answer = running.client().Post(
      "/api/images", httplib::MultipartFormDataItems{{"file", large, "a.png", "image/png"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 415);
  EXPECT_EQ(json::parse(answer->body)["code"], "unsupported_media_type");
  const std::string zeros(3 << 20, '0');
  httplib::Client packing("127.0.0.1", running.port());
  packing.set_compress(true);
  answer = packing.Post("/api/images", zeros, "text/plain");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413) << "a few packed kilobytes";
  const auto chunks = [&](size_t offset, httplib::DataSink& sink) {
    if (offset < zeros.size())
      return sink.write(zeros.data() + offset, std::min<size_t>(65536, zeros.size() - offset));
    sink.done();
    return true;
  };
  answer = running.client().Post("/api/images", httplib::ContentProviderWithoutLength(chunks),
                                 "text/plain");
  EXPECT_TRUE(!answer || answer->status == 413);  // the answer may come before all chunks are sent
}

TEST(Serve, PagesOfOtherSitesAreRefused) {
  Running running;
  for (const auto& header :
       {std::pair("Origin", "http://evil.example"), std::pair("Host", "evil.example")}) {
    const auto [status, answer] = running.post("/api/images", png(5, 5), {header});
    EXPECT_EQ(status, 403) << header.first;
    EXPECT_EQ(answer["code"], "forbidden") << header.first;
  }
}

TEST(OwnSite, TheSameAuthorityIsTheSameSiteUnderHttpsToo) {
  const OwnSite site("127.0.0.1");
  EXPECT_TRUE(site.takes("127.0.0.1:8080", ""));
  EXPECT_TRUE(site.takes("127.0.0.1:8080", "http://127.0.0.1:8080"));
  EXPECT_TRUE(site.takes("127.0.0.1:8080", "https://127.0.0.1:8080"));
  EXPECT_TRUE(site.takes("LocalHost:8080", "https://localhost:8080"));
  EXPECT_TRUE(site.takes("[::1]:8080", "http://[::1]:8080"));
  EXPECT_TRUE(OwnSite("0.0.0.0").takes("lab:443", "https://lab"))
      << "browsers leave out the usual port";
  EXPECT_FALSE(site.takes("127.0.0.1:8080", "http://127.0.0.1:9090"))
      << "another server on this machine";
  EXPECT_FALSE(site.takes("127.0.0.1:8080", "null"));
  EXPECT_FALSE(site.takes("127.0.0.1:8080", "https://evil.example"));
  EXPECT_FALSE(site.takes("evil.example:8080", "http://evil.example:8080"))
      << "a name of theirs that leads here";
  EXPECT_FALSE(site.takes("", "https://"));
}

TEST(OwnSite, APublicAddressIsOneMoreNameAndOneMoreOrigin) {
  const OwnSite site("127.0.0.1", "https://Lab.example.org/pixelclip/");
  EXPECT_EQ(site.prefix(), "/pixelclip");
  EXPECT_TRUE(site.takes("lab.example.org", "https://lab.example.org"))
      << "a proxy that hands the name on";
  EXPECT_TRUE(site.takes("127.0.0.1:8080", "https://lab.example.org")) << "a proxy that does not";
  EXPECT_TRUE(site.takes("127.0.0.1:8080", "http://127.0.0.1:8080"));
  EXPECT_FALSE(site.takes("127.0.0.1:8080", "http://lab.example.org"))
      << "the page without encryption is another site";
  EXPECT_FALSE(site.takes("lab.example.org", "https://evil.example"));
  EXPECT_FALSE(site.takes("evil.example", "https://lab.example.org"));
  EXPECT_FALSE(site.takes("lab.example.org", "https://lab.example.org.evil.example"));
  EXPECT_TRUE(OwnSite("127.0.0.1", "http://lab:8000").takes("lab:8000", "http://lab:8000"));
  for (const char* url : {"lab.example.org", "ftp://lab", "https://", "https:///x", "https://a@b/",
                          "https://lab/?x", "https://lab/(.*)"}) {
    EXPECT_ERROR(OwnSite("127.0.0.1", url),
                 HasSubstr(str("the public address '", url, "' cannot be read")));
  }
}

TEST(OwnSite, BehindAProxyOnThisMachineItsClientsAreCounted) {
  const OwnSite site("0.0.0.0", "https://lab.example.org/");
  EXPECT_EQ(site.client("127.0.0.1", "6.6.6.6, 10.0.0.9"), "10.0.0.9")
      << "what the proxy itself added";
  EXPECT_EQ(site.client("10.0.0.7", "10.0.0.9"), "10.0.0.7")
      << "only a proxy on this machine is believed";
  EXPECT_EQ(site.client("127.0.0.1", ""), "127.0.0.1");
  EXPECT_EQ(OwnSite("127.0.0.1").client("127.0.0.1", "10.0.0.9"), "127.0.0.1");
}

TEST(Serve, UnderAPathThePageAndItsRequestsAreFound) {
  Running running({}, "https://lab.example.org/own/pixelclip/");
  const httplib::Headers headers = {{"Host", "lab.example.org"},
                                    {"Origin", "https://lab.example.org"}};
  for (const std::string prefix :
       {"", "/own/pixelclip"}) {  // proxies that take the path off, and that do not
    for (const char* path : {"/", "/style.css", "/page.js", "/api/model"}) {
      const auto answer = running.client().Get(prefix + path, headers);
      ASSERT_TRUE(answer) << prefix << path;
      EXPECT_EQ(answer->status, 200) << prefix << path;
    }
    const auto [status, sent] = running.post(prefix + "/api/images", png(5, 5), headers);
    ASSERT_EQ(status, 200) << sent;
    EXPECT_EQ(running
                  .post(prefix + "/api/segment",
                        json{{"image", sent["image"]}, {"names", {"dog"}}}.dump(), headers)
                  .first,
              200);
  }
  const auto answer = running.client().Get("/own/pixelclip", headers);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->get_header_value("Location"), "/own/pixelclip/");
  EXPECT_EQ(
      running.post("/own/pixelclip/api/images", png(5, 5), {{"Origin", "http://evil.example"}})
          .first,
      403);
  EXPECT_EQ(running.client().Get("/ownXpixelclip/", headers)->status, 404);
}

TEST(Serve, NoAddressInThePageBeginsAtTheRoot) {
  Running running;
  for (const char* path : {"/", "/page.js", "/style.css"}) {
    const std::string text = running.client().Get(path)->body;
    for (const char* rooted :
         {"src=\"/", "href=\"/", "ask(\"/", "post(\"/", "fetch(\"/", "url(/", "url(\"/"}) {
      EXPECT_EQ(text.find(rooted), std::string::npos) << path << " holds " << rooted;
    }
  }
  EXPECT_THAT(running.client().Get("/page.js")->body, HasSubstr("ask(\"api/model\")"));
}

TEST(RateLimit, AllowsBurstsOfTwiceTheRateAndThenTheRate) {
  RateLimit limit(3);
  int passed = 0;
  for (int i = 0; i < 10; ++i) passed += limit.admit("a", 100);
  EXPECT_EQ(passed, 6);
  EXPECT_TRUE(limit.admit("b", 100)) << "each client has a bucket of its own";
  EXPECT_FALSE(limit.admit("a", 100.25));
  EXPECT_TRUE(limit.admit("a", 100.5));
  passed = 0;
  for (int i = 0; i < 10; ++i) passed += limit.admit("a", 200);
  EXPECT_EQ(passed, 6) << "a bucket holds no more than it began with";
}

TEST(Serve, TooManyRequestsGetRetryAfter) {
  // Twice the rate is less than one request, so none passes at any time.
  Running running({.megabytes = 1, .megapixels = 1, .requests = 0.4, .images = 2, .names = 5});
  const auto answer = running.client().Get("/api/model");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(json::parse(answer->body)["code"], "too_many_requests");
  EXPECT_EQ(answer->get_header_value("Retry-After"), "1");
  EXPECT_EQ(running.client().Get("/")->status, 200) << "the page itself is not limited";
}

TEST(Serve, TheOldestImageIsDropped) {
  Running running({.megabytes = 1, .megapixels = 1, .requests = 1000, .images = 2, .names = 5});
  const std::string first = running.send(png(5, 5));
  running.send(png(5, 6));
  running.send(png(5, 7));
  EXPECT_EQ(running.post("/api/segment", json{{"image", first}, {"names", {"dog"}}}.dump()).first,
            404);
}

TEST(Serve, InABrowserOneDropsAPictureTypesWordsAndClicks) {
  if (std::system("command -v chromium >/dev/null 2>&1") != 0) GTEST_SKIP() << "no chromium here";
  Running running;
  const auto serve = [&](const char* path, const std::string& body, const char* type) {
    running.server().Get(
        path, [body, type](const auto&, auto& response) { response.set_content(body, type); });
  };
  serve("/picture", png(60, 100), "image/png");
  serve("/driver\\.js",
        read_text(std::string(PIXELCLIP_SOURCE_DIR) + "/tests/cli/browser_driver.js"),
        "text/javascript");
  serve("/driver",
        "<iframe src='/' width=1200 height=800></iframe><script src='/driver.js'></script>",
        "text/html");
  std::mutex mutex;
  std::condition_variable changed;
  std::string seen;
  running.server().Post("/seen", [&](const httplib::Request& request, httplib::Response&) {
    const std::lock_guard lock(mutex);
    seen = request.body;
    changed.notify_all();
  });
  const auto ended = [&] {
    const std::string last = seen.substr(seen.rfind('\n') + 1);
    return last == "done" || last.starts_with("failed");
  };
  const TempFolder profile;
  const std::string folder = "--user-data-dir=" + profile.path().string(),
                    page = str("http://127.0.0.1:", running.port(), "/driver");
  const pid_t browser = fork();
  if (browser == 0) {
    setpgid(0, 0);
    execlp("chromium", "chromium", "--headless", "--no-sandbox", "--disable-gpu", folder.c_str(),
           page.c_str(), nullptr);
    _exit(127);
  }
  std::unique_lock lock(mutex);
  changed.wait_for(lock, std::chrono::minutes(1), ended);  // a limit: the browser may not start
  kill(-browser, SIGKILL);
  waitpid(browser, nullptr, 0);
  if (seen.empty()) GTEST_SKIP() << "chromium does not start here";
  EXPECT_EQ(seen,
            "dropped: 1000 x 600\n"
            "typed: grass | horse | sky, water\n"
            "clicked: 3 scores\n"
            "too many: \"names\" must be a list of at most 250 texts of at most 400 bytes\n"
            "done");
}

TEST(Serve, APortInUseIsNamed) {
  const TempFolder folder;
  httplib::Server other;
  const int port = other.bind_to_any_port("127.0.0.1");
  // Listening, so that the port is taken whatever options the sockets have.
  std::thread thread([&] { other.listen_after_bind(); });
  while (!other.is_running()) std::this_thread::yield();
  const auto outcome = testing::run_command(
      add_serve,
      {"serve", "--port", std::to_string(port), "--weights", (folder / "unused.pth").string()});
  EXPECT_THAT(outcome.error, HasSubstr(str("port ", port, " of 127.0.0.1 cannot be used")));
  other.stop();
  thread.join();
}

}  // namespace
}  // namespace pixelclip::cli
