#include "dist/store.hpp"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/error.hpp"

namespace pixelclip {
namespace {

constexpr const char* kFailure = "failure";

}  // namespace

std::string reason_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  const size_t end = text.find_first_of("\n\r");
  return end == std::string::npos ? text : text.substr(0, end);
}

StorePtr serve_store(int port, Milliseconds limit, int* chosen_port) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(port);
  options.isServer = true;
  options.waitWorkers = false;
  options.timeout = limit;
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>("localhost", options);
    if (chosen_port) *chosen_port = store->getPort();
    return store;
  } catch (const std::exception& e) {
    fail("cannot listen on port ", port, " for the other processes: ", reason_of(e),
         "; another run may use it: choose another port (--dist-url, MASTER_PORT)");
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
    fail("nothing answers at ", address, ":", port, " within ", limit.count() / 1000,
         " s, where the processes meet: ", reason_of(e),
         "; check that rank 0 runs there and that no firewall closes the port");
  }
}

StorePtr part_of(const StorePtr& store, int attempt) {
  return c10::make_intrusive<c10d::PrefixStore>(str("pixelclip/attempt_", attempt), store);
}

void set_failure(c10d::Store& store, const std::string& text) {
  // c10d::Store has text overloads that its children hide.
  store.compareSet(kFailure, std::string(), text);
}

std::optional<std::string> get_failure(c10d::Store& store) {
  if (!store.check({kFailure})) return std::nullopt;
  return store.get_to_str(kFailure);
}

std::string here_key(int rank) { return str("here/", rank); }
std::string sign_key(int rank) { return str("sign/", rank); }
std::string left_key(int rank) { return str("left/", rank); }

}  // namespace pixelclip
