#include <httplib.h>
#include <sys/socket.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/segmenter_flags.hpp"
#include "cli/serve/web_service.hpp"

namespace pixelclip::cli {
namespace {

struct ServeFlags {
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string public_url;
  std::string names = "person, animal, plant, building, sky, ground";
  WebLimits limits;
};

void run_serve(ServeFlags flags, const SegmenterOptions& options, const Output& output) {
  const OwnSite site(flags.host, flags.public_url);
  httplib::Server server;
  // SO_REUSEPORT, the default of the library, would accept a port in use.
  server.set_socket_options([](int socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  if (flags.port == 0) {
    flags.port = server.bind_to_any_port(flags.host);
  } else if (!server.bind_to_port(flags.host, flags.port)) {
    flags.port = -flags.port;
  }
  if (flags.port < 0) {
    fail(ErrorKind::unavailable, "port ", -flags.port, " of ", flags.host,
         " cannot be used, perhaps because another program listens there; choose another with ",
         "--port");
  }
  const Segmenter segmenter = open_segmenter(options);
  WebService service(segmenter, flags.limits, flags.names);
  service.attach(server, site);
  std::thread listening([&] { server.listen_after_bind(); });
  const auto here =
      str("http://", flags.host.find(':') == flags.host.npos ? flags.host : "[" + flags.host + "]",
          ":", flags.port, "/");
  log::info(segmenter.description(),
            flags.public_url.empty() ? "; open " : "; listening at " + here + ", open ",
            flags.public_url.empty() ? here : flags.public_url, " in a browser, stop with Ctrl-C");
  output.result({{"url", flags.public_url.empty() ? here : flags.public_url}});
  if (flags.host != "127.0.0.1" && flags.host != "localhost" && flags.host != "::1") {
    log::warn("everyone who can reach ", flags.host, " can use this server: it has no password");
  }
  while (!signals::stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  server.stop();
  listening.join();
  throw CLI::RuntimeError(signals::exit_status(0));
}

}  // namespace

void add_serve(CLI::App& app) {
  auto* command = app.add_subcommand(
      "serve", "Serve a web page that segments images by words, and its JSON API (docs/serve.md)");
  auto flags = std::make_shared<ServeFlags>();
  auto options = add_segmenter_flags(*command);
  command
      ->add_option("--host", flags->host,
                   "address to listen on; other machines can connect only to 0.0.0.0 or an address "
                   "of the network")
      ->capture_default_str();
  command->add_option("--port", flags->port, "port to listen on; 0: any free port")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option(
      "--public-url", flags->public_url,
      "address of the page behind a proxy, https://HOST/PATH/; requests from there are accepted");
  command->add_option("--names", flags->names, "words in the page at the start")
      ->capture_default_str();
  command->add_option("--max-megabytes", flags->limits.megabytes, "largest request body")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--max-megapixels", flags->limits.megapixels, "largest image")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--rate", flags->limits.requests, "requests a second from one address")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--keep", flags->limits.images, "encoded images to keep, the newest ones")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  const auto output = add_output_flags(*command);
  command->callback([flags, options, output] { run_serve(*flags, *options, *output); });
}

}  // namespace pixelclip::cli
