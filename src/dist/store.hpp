#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "dist/world.hpp"

namespace pixelclip {

using StorePtr = c10::intrusive_ptr<c10d::Store>;
using Milliseconds = std::chrono::milliseconds;

/// One line of an error's text: without torch's stack trace.
std::string reason_of(const std::exception& error);

/// Listens at `port` (0: a free one) and serves the store, or connects to the one that `address`
/// and `port` name. Errors: the port is taken; nothing answers within `limit`.
StorePtr serve_store(int port, Milliseconds limit, int* chosen_port = nullptr);
StorePtr connect_store(const std::string& address, int port, Milliseconds limit);

/// The part of a run's store that belongs to one attempt of it.
StorePtr part_of(const StorePtr& store, int attempt);

/// The failure of the run, of which the first one counts.
void set_failure(c10d::Store& store, const std::string& text);
std::optional<std::string> get_failure(c10d::Store& store);

/// Keys of a rank: it is here, its last sign of life, it has left in peace, it knows of the
/// failure.
std::string here_key(int rank);
std::string sign_key(int rank);
std::string left_key(int rank);
inline constexpr const char* kKnowing = "failure_known";

}  // namespace pixelclip
