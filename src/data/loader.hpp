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

/// Where one rank stands in the stream of samples; positions are those of the stream of all ranks.
struct StreamPlace {
  int64_t next = 0;              ///< the first that it has not made yet
  std::vector<int64_t> waiting;  ///< made, but their bucket is not full; ascending
  bool operator==(const StreamPlace&) const = default;
};

struct LoaderOptions {
  int64_t batch_size = 1;  ///< of this process
  int num_workers = 0;     ///< threads; 0: samples are made inside next()
  int rank = 0, world_size = 1;
  int parts = 1;                ///< ranks that this process plays (SOLVER.ACCUMULATE_STEPS)
  bool group_by_shape = false;  ///< detectron2's ASPECT_RATIO_GROUPING
  int64_t start = 0;            ///< position in the stream of all ranks to begin at
  /// Of all world_size · parts ranks, to go on from instead; empty: all begin at `start`.
  std::vector<StreamPlace> places = {};
  bool skip_empty = true;      ///< leave out images without any mask
  double max_bad_samples = 1;  ///< share of unusable samples above which next() fails
};

/// What became of the samples so far.
struct LoaderCounts {
  int64_t delivered = 0;
  int64_t bad = 0;     ///< left out: unreadable or inconsistent
  int64_t empty = 0;   ///< left out: no mask
  int64_t masks = 0;   ///< annotations without a usable mask, in the samples delivered
  int64_t crowds = 0;  ///< crowd regions left out in them (DATASETS.CROWD_REGIONS)
};

/// Batches of the training stream, made ahead by worker threads and delivered in order. What is
/// delivered depends on the data, the seed and the place alone: not on workers or timing. Rank q of
/// Q = world_size · parts takes every Q-th sample of the stream from the q-th on; a process plays
/// the ranks rank + world_size · v, and sample i of its batch is of its part i mod parts. When
/// grouped by shape, a rank puts each sample into one of two buckets, images wider than high and
/// the others, and its part of the batch is the first bucket that is full, as detectron2 does. In a
/// part whose crops differ in size all get the frame of the largest, and their masks are sampled in
/// it.
///
/// A sample that can not be made (Error) or is empty is named in the log, counted, and replaced by
/// the sampler's substitute for its position. Any other exception in a worker comes out of next().
class TrainLoader {
 public:
  /// Makes the sample `index` from draws of `random`; called from several threads at once.
  using Make = std::function<TrainSample(int64_t index, Random random)>;

  /// Errors: threads can not be started.
  TrainLoader(Make make, TrainingSampler sampler, const LoaderOptions& options);
  /// Waits for the samples that are being made at this moment, not for the queue.
  ~TrainLoader();
  TrainLoader(const TrainLoader&) = delete;
  TrainLoader& operator=(const TrainLoader&) = delete;

  /// The next batch_size samples. Errors: too many bad samples (a share above max_bad_samples among
  /// at least 100), no usable sample in 100 tries; every later call fails alike.
  TrainBatch next();

  /// Where the stream began and the samples that all ranks have delivered since. Without grouping a
  /// loader that starts there goes on exactly, on any number of ranks as long as the global batch
  /// stays.
  int64_t position() const { return position_; }
  /// Where the ranks that this process plays stand, part by part: a loader that goes on from the
  /// places of all ranks does so exactly, also when other processes play them.
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
