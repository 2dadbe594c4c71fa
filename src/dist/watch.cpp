#include "dist/watch.hpp"

#include <unistd.h>

#include <sstream>
#include <utility>

#include "base/log.hpp"
#include "base/signal.hpp"
#include "dist/telling.hpp"

namespace pixelclip {
namespace {

constexpr auto kTurn = std::chrono::milliseconds(200);
// A sign of life a second, and as often rank 0 looks for those of the others.
constexpr int kTurnsPerSign = 5;
// Gloo and NCCL have time limits of their own; Gloo's comes first, so that its error can be
// explained.
constexpr auto kGlooMargin = std::chrono::seconds(10);

}  // namespace

Watch::Watch(const StorePtr& store, const WorldInfo& world, const CommOptions& options)
    : world_(world), options_(options), store_(store->clone()) {
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
      look(turn);
    } catch (const std::exception& e) {
      if (stopped_) return;
      end_process(str("stopped: the connection to the other processes at ", world_.address, ":",
                      world_.port, " is lost, so the process that held it has died (", reason_of(e),
                      ")"));
    }
  }
}

void Watch::look(int64_t turn) {
  check_operations();
  check_failure();
  if (turn % kTurnsPerSign != 0) return;
  publish(turn);
  if (world_.rank == 0) check_signs();
}

void Watch::publish(int64_t turn) {
  std::string sign;
  {
    std::lock_guard lock(mutex_);
    sign = str(turn, "\n", begun_, "\n", step_ < 0 ? "" : str("step ", step_.load(), ", "),
               begun_ == 0 ? "before the first operation"
                           : str(operations_.empty() ? "after " : "in ", last_name_));
  }
  store_->set(sign_key(world_.rank), sign);
}

void Watch::check_failure() {
  const auto failure = get_failure(*store_);
  if (!failure || stopped_) return;
  store_->add(kKnowing, 1);
  end_process(str("stopped because ", *failure));
}

void Watch::check_operations() {
  std::optional<Operation> late;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(operations_, [](const auto& entry) {
      return entry.second.event && entry.second.event->query();
    });
    for (auto& [id, operation] : operations_) {
      const auto limit = options_.time_limit + (operation.event ? Milliseconds(0) : kGlooMargin);
      if (Clock::now() - operation.begun < limit) continue;
      late = Operation{operation.name, operation.step, operation.begun, std::nullopt};
      break;
    }
  }
  if (!late || stopped_) return;
  const std::string reason =
      str("rank ", world_.rank, late->step < 0 ? "" : str(", step ", late->step), ": ", late->name,
          " did not finish within ", options_.time_limit.count() / 1000.0, " s", missing_ranks());
  set_failure(*store_, str("rank ", world_.rank, " failed: ", reason));
  end_process(reason);
}

void Watch::check_signs() {
  signs_.resize(world_.world_size);
  for (int rank = 1; rank < world_.world_size; ++rank) {
    if (store_->check({left_key(rank)}) || !store_->check({sign_key(rank)})) continue;
    Sign& sign = signs_[rank];
    const std::string text = store_->get_to_str(sign_key(rank));
    if (text != sign.beat) sign = {text, Clock::now()};
    if (Clock::now() - sign.seen < options_.silence_limit || stopped_) continue;
    const std::string reason =
        str("rank ", rank, " gave no sign of life for ", options_.silence_limit.count() / 1000.0,
            " s: it was killed, or its machine is gone");
    set_failure(*store_, reason);
    end_process(reason);
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
    if (rank == world_.rank || !store->check({sign_key(rank)})) continue;
    std::istringstream sign(store->get_to_str(sign_key(rank)));
    std::string beat, begun, where;
    std::getline(sign, beat);
    std::getline(sign, begun);
    std::getline(sign, where);
    if (std::stoll(begun) >= own) continue;
    missing += str(missing.empty() ? "" : "; ", "rank ", rank, " (", where, ")");
  }
  return missing.empty() ? "" : str("; not there yet: ", missing);
}

void Watch::end_process(const std::string& reason) {
  // The launcher shows one line for all its workers; rank 0 keeps the run's log file.
  if (world_.rank == 0 || world_.started_by != "pixelclip") log::error(reason);
  tell_launcher(Telling::stopped, reason);
  _exit(signals::exit_status(1));
}

}  // namespace pixelclip
