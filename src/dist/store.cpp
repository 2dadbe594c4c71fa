#include "dist/store.hpp"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/error.hpp"
#include "dist/failure.hpp"

namespace pixelclip {
namespace {

constexpr const char* kFailure = "failure";

}  // namespace

StorePtr serve_store(int port, Milliseconds limit, int* chosen_port) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(port);
  options.isServer = true;
  options.waitWorkers = false;
  options.timeout = limit;
  try {
    // Not "localhost", which needs /etc/hosts or a name server.
    auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
    if (chosen_port) *chosen_port = store->getPort();
    return store;
  } catch (const std::exception& e) {
    fail(ErrorKind::unavailable, "cannot listen on port ", port,
         " for the other processes: ", reason_of(e),
         "; another program may use it: choose another port (--dist-url, MASTER_PORT)");
  }
}

StorePtr connect_store(const std::string& address, int port, Milliseconds limit) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(port);
  options.waitWorkers = false;
  options.timeout = limit;
  try {
    return c10::make_intrusive<c10d::TCPStore>(address, options);
  } catch (const std::exception& e) {
    fail(ErrorKind::unavailable, "nothing answers at ", address, ":", port, " within ",
         limit.count() / 1000, " s, where rank 0 should serve the store: ", reason_of(e),
         "; check that rank 0 runs there and that no firewall blocks the port");
  }
}

StorePtr part_of(const StorePtr& store, int attempt) {
  return c10::make_intrusive<c10d::PrefixStore>(str("pixelclip/attempt_", attempt), store);
}

void set_failure(c10d::Store& store, const std::string& text) {
  // The text overloads of c10d::Store are hidden by its children.
  store.compareSet(kFailure, std::string(), text);
}

std::optional<std::string> get_failure(c10d::Store& store) {
  if (!store.check({kFailure})) return std::nullopt;
  return store.get_to_str(kFailure);
}

std::string arrived_key(int rank) { return str("arrived/", rank); }
std::string heartbeat_key(int rank) { return str("heartbeat/", rank); }
std::string left_key(int rank) { return str("left/", rank); }

}  // namespace pixelclip
