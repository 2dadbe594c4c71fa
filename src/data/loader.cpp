#include "data/loader.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace pixelclip {
namespace {

constexpr int64_t kMostAttempts = 100;
/// With fewer samples the share of bad ones is not checked.
constexpr int64_t kFewestForShare = 100;
constexpr int64_t kBatchesAhead = 2;
constexpr uint64_t kSubstituteDrawSalt = 0x7375627365656400ull;

/// Gives crops of different sizes the frame of the largest and samples their masks in it.
void share_frame(TrainBatch& part) {
  Size2 frame{0, 0};
  for (const TrainSample& sample : part) {
    frame = {std::max(frame.height, sample.image.size(1)),
             std::max(frame.width, sample.image.size(2))};
  }
  for (TrainSample& sample : part) {
    sample.frame = frame;
    const bool smaller = sample.image.size(1) < frame.height || sample.image.size(2) < frame.width;
    if (smaller && sample.masks_in) sample.mask_bits = sample.masks_in(frame);
    sample.masks_in = nullptr;  // frees the masks it holds
  }
}

}  // namespace

/// The sample of one stream position, produced by one thread.
struct TrainLoader::Result {
  TrainSample sample;
  std::vector<std::string> bad, empty;  // what was left out: reasons, file names
  std::exception_ptr failure;
};

/// The samples of one rank: a ring of slots for the ordinals [taken, taken + slots), which are in
/// progress or ready, and the buckets that they go to.
struct TrainLoader::Stream {
  struct Slot {
    Result result;
    bool ready = false;
  };
  struct Waiting {
    int64_t position;
    TrainSample sample;
  };

  StreamPlace start;
  int64_t stride;  // ranks
  int64_t batch_size;
  std::vector<Slot> slots;
  int64_t taken = 0, issued = 0;  // ordinals
  std::array<std::vector<Waiting>, 2> buckets;

  Slot& slot(int64_t ordinal) { return slots[ordinal % static_cast<int64_t>(slots.size())]; }
  int64_t room() const { return static_cast<int64_t>(slots.size()) - (issued - taken); }
  /// Samples that waited in buckets come first, so that the buckets fill as before.
  int64_t position_of(int64_t ordinal) const {
    const auto waited = static_cast<int64_t>(start.waiting.size());
    return ordinal < waited ? start.waiting[ordinal] : start.next + (ordinal - waited) * stride;
  }
  StreamPlace place() const {
    const auto waited = static_cast<int64_t>(start.waiting.size());
    StreamPlace place{start.next + std::max<int64_t>(0, taken - waited) * stride, {}};
    for (const auto& bucket : buckets) {
      for (const Waiting& waiting : bucket) place.waiting.push_back(waiting.position);
    }
    for (int64_t i = taken; i < waited; ++i) place.waiting.push_back(start.waiting[i]);
    std::sort(place.waiting.begin(), place.waiting.end());
    return place;
  }
};

struct TrainLoader::Workers {
  std::mutex mutex;
  std::condition_variable room, ready;
  std::atomic<bool> stopping{false};
  std::vector<std::thread> threads;
};

TrainLoader::TrainLoader(Make make, TrainingSampler sampler, const LoaderOptions& options)
    : make_(std::move(make)),
      sampler_(std::move(sampler)),
      options_(options),
      position_(options.start),
      workers_(std::make_unique<Workers>()) {
  const int64_t ranks = int64_t{options.world_size} * options.parts;
  if (options.batch_size < 1 || options.rank < 0 || options.rank >= options.world_size ||
      options.parts < 1 || options.batch_size % options.parts != 0 || options.num_workers < 0 ||
      options.start < 0 ||
      (!options.places.empty() && static_cast<int64_t>(options.places.size()) != ranks)) {
    throw std::invalid_argument("TrainLoader: options out of range");
  }
  const int64_t ahead = kBatchesAhead * options.batch_size + options.num_workers;
  for (int part = 0; part < options.parts; ++part) {
    const int64_t rank = options.rank + int64_t{part} * options.world_size;
    Stream& stream = streams_.emplace_back();
    stream.start =
        options.places.empty() ? StreamPlace{options.start + rank, {}} : options.places[rank];
    stream.stride = ranks;
    stream.batch_size = options.batch_size / options.parts;
    stream.slots.resize(static_cast<size_t>((ahead + options.parts - 1) / options.parts));
  }
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
      if (!options_.skip_empty || result.sample.annotated) return result;
      const std::string& why = result.sample.why_left_out;
      result.empty.push_back(result.sample.file_name + (why.empty() ? "" : " (" + why + ")"));
    }
    const std::string last =
        result.bad.empty() ? result.empty.empty() ? "" : result.empty.back() : result.bad.back();
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
  const auto by_room = [](const Stream& a, const Stream& b) { return a.room() < b.room(); };
  while (true) {
    auto stream = streams_.begin();
    w.room.wait(lock, [&] {
      stream = std::max_element(streams_.begin(), streams_.end(), by_room);
      return w.stopping || stream->room() > 0;
    });
    if (w.stopping) return;
    const int64_t ordinal = stream->issued++;
    Result result;
    try {
      const SampleKey key = sampler_.at(stream->position_of(ordinal));
      lock.unlock();
      result = produce(key);
    } catch (...) {
      result.failure = std::current_exception();
    }
    if (!lock.owns_lock()) lock.lock();
    stream->slot(ordinal) = {std::move(result), true};
    w.ready.notify_one();
  }
}

TrainLoader::Result TrainLoader::take(Stream& stream) {
  if (options_.num_workers == 0) return produce(sampler_.at(stream.position_of(stream.taken++)));
  Workers& w = *workers_;
  std::unique_lock lock(w.mutex);
  Stream::Slot& slot = stream.slot(stream.taken);
  w.ready.wait(lock, [&] { return slot.ready; });
  slot.ready = false;
  Result result = std::exchange(slot.result, {});
  ++stream.taken;
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
         "DATALOADER.MAX_BAD_SAMPLES (", options_.max_bad_samples,
         "); the last: ", result.bad.empty() ? "see the warnings above" : result.bad.back());
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
        "more images have annotations without a usable mask; `pixelclip doctor` counts them all");
  } else {
    log::warn("left out ", sample.masks_left_out, " annotations of ", sample.file_name,
              " alone: ", sample.why_left_out);
  }
}

TrainBatch TrainLoader::next_part(Stream& stream) {
  while (true) {
    const int64_t position = stream.position_of(stream.taken);
    Result result = take(stream);
    account(result);
    const Size2& size = result.sample.source_size;
    const bool second = options_.group_by_shape && size.width <= size.height;
    auto& bucket = stream.buckets[second];
    bucket.push_back({position, std::move(result.sample)});
    if (static_cast<int64_t>(bucket.size()) < stream.batch_size) continue;
    TrainBatch part;
    for (auto& waiting : bucket) part.push_back(std::move(waiting.sample));
    bucket.clear();
    share_frame(part);
    return part;
  }
}

TrainBatch TrainLoader::next() {
  if (failure_) std::rethrow_exception(failure_);
  std::vector<TrainBatch> parts;
  try {
    for (Stream& stream : streams_) parts.push_back(next_part(stream));
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
  TrainBatch batch;
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    batch.push_back(std::move(parts[i % options_.parts][i / options_.parts]));
  }
  position_ += options_.batch_size * options_.world_size;
  return batch;
}

std::vector<StreamPlace> TrainLoader::places() const {
  std::vector<StreamPlace> places;
  for (const Stream& stream : streams_) places.push_back(stream.place());
  return places;
}

}  // namespace pixelclip
