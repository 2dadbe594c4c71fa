#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/random.hpp"
#include "data/sampler.hpp"
#include "modeling/sample.hpp"

namespace pixelclip {

/// Progress of one rank in the sample stream; positions count in the stream of all ranks.
struct StreamPlace {
  int64_t next = 0;              ///< first position not produced yet
  std::vector<int64_t> waiting;  ///< produced, but in a bucket that is not full; ascending
  bool operator==(const StreamPlace&) const = default;
};

struct LoaderOptions {
  int64_t batch_size = 1;  ///< of this process
  int num_workers = 0;     ///< threads; 0: samples are produced inside next()
  int rank = 0, world_size = 1;
  int parts = 1;                ///< ranks that this process emulates (SOLVER.ACCUMULATE_STEPS)
  bool group_by_shape = false;  ///< detectron2's ASPECT_RATIO_GROUPING
  int64_t start = 0;            ///< position in the stream of all ranks to begin at
  /// Progress of all world_size · parts ranks, to resume from; empty: all begin at `start`.
  std::vector<StreamPlace> places = {};
  bool skip_empty = true;      ///< leave out images without any mask
  double max_bad_samples = 1;  ///< share of unusable samples above which next() fails
};

/// Counts of the samples so far.
struct LoaderCounts {
  int64_t delivered = 0;
  int64_t bad = 0;     ///< left out: unreadable or inconsistent
  int64_t empty = 0;   ///< left out: no mask
  int64_t masks = 0;   ///< annotations without a usable mask, in the samples delivered
  int64_t crowds = 0;  ///< crowd regions left out in those (DATASETS.CROWD_REGIONS)
};

/// Batches of the training stream, prefetched by worker threads and delivered in order. The result
/// depends only on the data, the seed and the position, not on workers or timing. Rank q of Q =
/// world_size · parts takes every Q-th sample of the stream from the q-th on; a process emulates
/// the ranks rank + world_size · v, and sample i of its batch belongs to its part i mod parts. With
/// grouping by shape, a rank puts each sample into one of two buckets (wider than high, or not),
/// and the first full bucket is its part of the batch, as in detectron2. If the crops of a part
/// differ in size, all get the frame of the largest, and their masks are sampled in it.
///
/// A sample that fails with Error or is empty is logged, counted and replaced by the sampler's
/// substitute for its position. next() rethrows any other exception of a worker.
class TrainLoader {
 public:
  /// Produces the sample `index` with draws of `random`; called concurrently.
  using Make = std::function<TrainSample(int64_t index, Random random)>;

  /// Errors: threads cannot be started.
  TrainLoader(Make make, TrainingSampler sampler, const LoaderOptions& options);
  /// Waits for the samples in progress, not for the rest of the queue.
  ~TrainLoader();
  TrainLoader(const TrainLoader&) = delete;
  TrainLoader& operator=(const TrainLoader&) = delete;

  /// The next batch_size samples. Errors: too many bad samples (a share above max_bad_samples among
  /// at least 100), no usable sample in 100 tries; later calls fail with the same error.
  TrainBatch next();

  /// Start position plus the samples delivered by all ranks. Without grouping, a loader that starts
  /// there continues the stream exactly, on any number of ranks with the same global batch.
  int64_t position() const { return position_; }
  /// Progress of the ranks that this process emulates, part by part. A loader given the places of
  /// all ranks continues exactly, even if other processes emulate them.
  std::vector<StreamPlace> places() const;
  uint64_t seed() const { return sampler_.seed(); }
  const LoaderCounts& counts() const { return counts_; }

 private:
  struct Result;
  struct Stream;
  struct Workers;

  Result produce(const SampleKey& key) const;
  Result take(Stream& stream);
  TrainBatch next_part(Stream& stream);
  void account(const Result& result);
  void account_masks(const TrainSample& sample);
  void work();
  void stop();

  Make make_;
  TrainingSampler sampler_;
  LoaderOptions options_;
  int64_t position_;
  std::vector<Stream> streams_;  // one a part
  LoaderCounts counts_;
  std::unordered_set<std::string> named_, named_masks_;
  std::exception_ptr failure_;
  std::unique_ptr<Workers> workers_;
};

}  // namespace pixelclip
