#include "dist/watch.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <unistd.h>

#include <sstream>
#include <utility>

#include "base/log.hpp"
#include "base/signal.hpp"
#include "dist/failure.hpp"

namespace pixelclip {
namespace {

constexpr auto kTurn = std::chrono::milliseconds(200);
// A heartbeat a second; rank 0 checks those of the others as often.
constexpr int kTurnsPerHeartbeat = 5;
// Gloo's own time limit comes first, so that its error can be explained.
constexpr auto kGlooMargin = std::chrono::seconds(10);

}  // namespace

Watch::Watch(const StorePtr& store, const WorldInfo& world, torch::Device device,
             const CommOptions& options)
    : world_(world), device_(device), options_(options), store_(store->clone()) {
  store_->setTimeout(std::chrono::seconds(20));
  publish(0);
  thread_ = std::thread([this] { loop(); });
}

Watch::~Watch() {
  stop();
  thread_.join();
}

void Watch::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
}

std::string Watch::place() const {
  const int64_t step = step_;
  return step < 0 ? str("rank ", world_.rank) : str("rank ", world_.rank, ", step ", step);
}

int64_t Watch::begin(const std::string& name) {
  std::lock_guard lock(mutex_);
  last_name_ = name;
  operations_.emplace(++begun_, Operation{name, step_, Clock::now(), std::nullopt});
  return begun_;
}

void Watch::end(int64_t id) {
  std::lock_guard lock(mutex_);
  operations_.erase(id);
}

void Watch::end_with(int64_t id, c10::Event event) {
  std::lock_guard lock(mutex_);
  const auto found = operations_.find(id);
  if (found != operations_.end()) found->second.event = std::move(event);
}

void Watch::loop() {
  for (int64_t turn = 1; !stopped_; ++turn) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kTurn, [this] { return stopped_.load(); });
    }
    if (stopped_) return;
    try {
      check(turn);
    } catch (const std::exception& e) {
      if (stopped_) return;
      end_process(str("stopped: the connection to the store at ", world_.address, ":", world_.port,
                      " is lost, so the process that served it has died (", reason_of(e), ")"),
                  FailureKind::stopped);
    }
  }
}

void Watch::check(int64_t turn) {
  check_operations();
  check_failure();
  if (turn % kTurnsPerHeartbeat != 0) return;
  publish(turn);
  if (world_.rank == 0) check_heartbeats();
}

void Watch::publish(int64_t turn) {
  std::string heartbeat;
  {
    std::lock_guard lock(mutex_);
    heartbeat = str(turn, "\n", begun_, "\n", step_ < 0 ? "" : str("step ", step_.load(), ", "),
                    begun_ == 0 ? "before the first operation"
                                : str(operations_.empty() ? "after " : "in ", last_name_));
  }
  store_->set(heartbeat_key(world_.rank), heartbeat);
}

void Watch::check_failure() {
  const auto failure = get_failure(*store_);
  if (!failure || stopped_) return;
  store_->add(kFailureKnown, 1);
  end_process(str("stopped because ", *failure), FailureKind::stopped);
}

void Watch::check_operations() {
  std::string failed, late;
  {
    std::lock_guard lock(mutex_);
    // A GPU reports the error of a kernel at a later call, such as the query of an event.
    try {
      if (device_.is_cuda()) c10::impl::VirtualGuardImpl(device_.type()).setDevice(device_);
      std::erase_if(operations_, [](const auto& entry) {
        return entry.second.event && entry.second.event->query();
      });
    } catch (const std::exception& e) {
      failed = str("the GPU reports an error in or before ", last_name_, ": ", reason_of(e));
    }
    for (const auto& [id, operation] : operations_) {
      const auto limit = options_.time_limit + (operation.event ? Milliseconds(0) : kGlooMargin);
      if (Clock::now() - operation.begun < limit) continue;
      late = str(operation.step < 0 ? "" : str(", step ", operation.step), ": ", operation.name,
                 " did not finish within ", options_.time_limit.count() / 1000.0, " s");
      break;
    }
  }
  if (stopped_) return;
  if (!failed.empty()) fail_run(str(place(), ": ", failed), FailureKind::own_error);
  if (!late.empty())
    fail_run(str("rank ", world_.rank, late, missing_ranks()), FailureKind::stopped);
}

void Watch::check_heartbeats() {
  heartbeats_.resize(world_.world_size);
  for (int rank = 1; rank < world_.world_size; ++rank) {
    if (store_->check({left_key(rank)}) || !store_->check({heartbeat_key(rank)})) continue;
    Heartbeat& last = heartbeats_[rank];
    const std::string text = store_->get_to_str(heartbeat_key(rank));
    if (text != last.text) last = {text, Clock::now()};
    if (Clock::now() - last.seen < options_.silence_limit || stopped_) continue;
    const std::string reason =
        str("rank ", rank, " has sent no heartbeat for ", options_.silence_limit.count() / 1000.0,
            " s: it was killed, or its machine is down");
    set_failure(*store_, reason);
    end_process(reason, FailureKind::stopped);
  }
}

std::string Watch::missing_ranks() {
  int64_t own = 0;
  {
    std::lock_guard lock(mutex_);
    own = begun_;
  }
  std::string missing;
  const StorePtr store = store_->clone();
  for (int rank = 0; rank < world_.world_size; ++rank) {
    if (rank == world_.rank || !store->check({heartbeat_key(rank)})) continue;
    std::istringstream heartbeat(store->get_to_str(heartbeat_key(rank)));
    std::string turn, begun, where;
    std::getline(heartbeat, turn);
    std::getline(heartbeat, begun);
    std::getline(heartbeat, where);
    if (std::stoll(begun) >= own) continue;
    missing += str(missing.empty() ? "" : "; ", "rank ", rank, " (", where, ")");
  }
  return missing.empty() ? "" : str("; still missing: ", missing);
}

void Watch::fail_run(const std::string& reason, FailureKind kind) {
  set_failure(*store_, str("rank ", world_.rank, " failed: ", reason));
  end_process(reason, kind);
}

void Watch::end_process(const std::string& reason, FailureKind kind) {
  // The launcher logs one line for all its workers; rank 0 writes the run's log file.
  if (world_.rank == 0 || world_.started_by != "pixelclip") log::error(reason);
  report_to_launcher(kind, reason);
  _exit(signals::exit_status(1));
}

}  // namespace pixelclip
