#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <optional>
#include <string>

#include "dist/world.hpp"

namespace pixelclip {

using StorePtr = c10::intrusive_ptr<c10d::Store>;
using Milliseconds = std::chrono::milliseconds;

/// Serves the store at `port` (0: a free one), or connects to the one at `address` and `port`.
/// Errors: the port is in use; no answer within `limit`.
StorePtr serve_store(int port, Milliseconds limit, int* chosen_port = nullptr);
StorePtr connect_store(const std::string& address, int port, Milliseconds limit);

/// The part of a run's store for one attempt.
StorePtr part_of(const StorePtr& store, int attempt);

/// The failure of the run; the first one stays.
void set_failure(c10d::Store& store, const std::string& text);
std::optional<std::string> get_failure(c10d::Store& store);

/// Keys of a rank: it has arrived (with its device), its last heartbeat, it has left in order.
std::string arrived_key(int rank);
std::string heartbeat_key(int rank);
std::string left_key(int rank);
/// How many ranks know of the failure.
inline constexpr const char* kFailureKnown = "failure_known";

}  // namespace pixelclip
