#include "pixelclip/data/loader.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"

namespace pixelclip {
namespace {

constexpr int64_t kMostAttempts = 100;
/// Below this number of samples a share says nothing.
constexpr int64_t kFewestForShare = 100;
constexpr int64_t kBatchesAhead = 2;
constexpr uint64_t kSubstituteDrawSalt = 0x7375627365656400ull;

}  // namespace

/// One place in the stream, made by one thread.
struct TrainLoader::Result {
  TrainSample sample;
  std::vector<std::string> bad, empty;  // what was left out on the way: reasons, file names
  std::exception_ptr failure;
};

/// A ring of slots: ordinals [head, head + slots) may be in work or wait to be taken.
struct TrainLoader::Workers {
  struct Slot {
    Result result;
    bool ready = false;
  };
  std::mutex mutex;
  std::condition_variable room, ready;
  std::vector<Slot> slots;
  int64_t head = 0, issued = 0;
  std::atomic<bool> stopping{false};
  std::vector<std::thread> threads;

  Slot& slot(int64_t ordinal) { return slots[ordinal % static_cast<int64_t>(slots.size())]; }
};

TrainLoader::TrainLoader(Make make, TrainingSampler sampler, const LoaderOptions& options)
    : make_(std::move(make)),
      sampler_(std::move(sampler)),
      options_(options),
      position_(options.start),
      workers_(std::make_unique<Workers>()) {
  if (options.batch_size < 1 || options.rank < 0 || options.rank >= options.world_size ||
      options.num_workers < 0 || options.start < 0) {
    throw std::invalid_argument("TrainLoader: options out of range");
  }
  if (options.num_workers == 0) return;
  workers_->slots.resize(
      static_cast<size_t>(kBatchesAhead * options.batch_size + options.num_workers));
  try {
    for (int i = 0; i < options.num_workers; ++i) {
      workers_->threads.emplace_back([this] { work(); });
    }
  } catch (const std::system_error& e) {
    stop();
    fail("cannot start ", options.num_workers, " loader threads: ", e.what(),
         "; lower DATALOADER.NUM_WORKERS");
  }
}

TrainLoader::~TrainLoader() { stop(); }

void TrainLoader::stop() {
  {
    std::lock_guard lock(workers_->mutex);
    workers_->stopping = true;
  }
  workers_->room.notify_all();
  for (std::thread& thread : workers_->threads) thread.join();
  workers_->threads.clear();
}

SampleKey TrainLoader::key_of(int64_t ordinal) {
  const int64_t batch = ordinal / options_.batch_size, place = ordinal % options_.batch_size;
  const int64_t before = batch * options_.batch_size * options_.world_size;
  return sampler_.at(options_.start + before + place * options_.world_size + options_.rank);
}

TrainLoader::Result TrainLoader::produce(const SampleKey& key) const {
  Result result;
  try {
    for (int64_t attempt = 0; attempt < kMostAttempts && !workers_->stopping; ++attempt) {
      const bool first = attempt == 0;
      const int64_t index = first ? key.index : sampler_.substitute(key.position, attempt);
      const Random random = first ? Random(seed(), key.epoch, index)
                                  : Random(seed() ^ kSubstituteDrawSalt, key.position, attempt);
      try {
        result.sample = make_(index, random);
      } catch (const Error& e) {
        result.bad.emplace_back(e.what());
        continue;
      }
      const torch::Tensor& masks = result.sample.mask_bits;
      if (!options_.skip_empty || !masks.defined() || masks.size(0) > 0) return result;
      const std::string& why = result.sample.why_left_out;
      result.empty.push_back(result.sample.file_name + (why.empty() ? "" : " (" + why + ")"));
    }
    const std::string last = result.bad.empty() ? result.empty.empty() ? "" : result.empty.back()
                                                : result.bad.back();
    fail("no usable training sample in ", kMostAttempts, " tries (", result.bad.size(),
         " unreadable, ", result.empty.size(), " without masks); the last: ", last);
  } catch (...) {
    result.failure = std::current_exception();
  }
  return result;
}

void TrainLoader::work() {
  Workers& w = *workers_;
  std::unique_lock lock(w.mutex);
  while (true) {
    w.room.wait(lock, [&] {
      return w.stopping || w.issued < w.head + static_cast<int64_t>(w.slots.size());
    });
    if (w.stopping) return;
    const int64_t ordinal = w.issued++;
    Result result;
    try {
      const SampleKey key = key_of(ordinal);
      lock.unlock();
      result = produce(key);
    } catch (...) {
      result.failure = std::current_exception();
    }
    if (!lock.owns_lock()) lock.lock();
    w.slot(ordinal) = {std::move(result), true};
    w.ready.notify_one();
  }
}

TrainLoader::Result TrainLoader::take() {
  if (options_.num_workers == 0) return produce(key_of(taken_++));
  Workers& w = *workers_;
  std::unique_lock lock(w.mutex);
  Workers::Slot& slot = w.slot(taken_);
  w.ready.wait(lock, [&] { return slot.ready; });
  slot.ready = false;
  Result result = std::exchange(slot.result, {});
  w.head = ++taken_;
  lock.unlock();
  w.room.notify_one();
  return result;
}

void TrainLoader::account(const Result& result) {
  for (const std::string& reason : result.bad) {
    if (named_.insert(reason).second) log::warn("left out a training sample: ", reason);
  }
  for (const std::string& name : result.empty) {
    if (named_.insert(name).second) log::warn("left out a training sample without masks: ", name);
  }
  counts_.bad += static_cast<int64_t>(result.bad.size());
  counts_.empty += static_cast<int64_t>(result.empty.size());
  const int64_t seen = counts_.delivered + counts_.bad + 1;
  const auto share = static_cast<double>(counts_.bad) / static_cast<double>(seen);
  if (seen >= kFewestForShare && share > options_.max_bad_samples) {
    fail(counts_.bad, " of ", seen, " training samples could not be used, a share above ",
         "DATALOADER.MAX_BAD_SAMPLES (", options_.max_bad_samples, "); the last: ",
         result.bad.empty() ? "see the warnings above" : result.bad.back());
  }
  if (result.failure) std::rethrow_exception(result.failure);
  account_masks(result.sample);
  ++counts_.delivered;
}

void TrainLoader::account_masks(const TrainSample& sample) {
  constexpr size_t kMostNamed = 20;
  counts_.masks += sample.masks_left_out;
  if (sample.crowds_left_out > 0 && counts_.crowds == 0) {
    log::info("crowd regions (iscrowd 1) are left out, as DATASETS.CROWD_REGIONS says: ",
              sample.crowds_left_out, " in ", sample.file_name, " and others elsewhere");
  }
  counts_.crowds += sample.crowds_left_out;
  if (sample.masks_left_out == 0 || named_masks_.size() > kMostNamed) return;
  if (!named_masks_.insert(sample.file_name).second) return;
  if (named_masks_.size() > kMostNamed) {
    log::warn(
        "more pictures have annotations without a usable mask; `pixelclip doctor` counts them all");
  } else {
    log::warn("left out ", sample.masks_left_out, " annotations of ", sample.file_name,
              " alone: ", sample.why_left_out);
  }
}

TrainBatch TrainLoader::next() {
  if (failure_) std::rethrow_exception(failure_);
  TrainBatch batch;
  batch.reserve(static_cast<size_t>(options_.batch_size));
  try {
    for (int64_t i = 0; i < options_.batch_size; ++i) {
      Result result = take();
      account(result);
      batch.push_back(std::move(result.sample));
    }
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
  position_ += options_.batch_size * options_.world_size;
  return batch;
}

}  // namespace pixelclip
