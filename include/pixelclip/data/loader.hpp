#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "pixelclip/base/random.hpp"
#include "pixelclip/config/config.hpp"
#include "pixelclip/data/sa1b.hpp"
#include "pixelclip/data/sampler.hpp"
#include "pixelclip/modeling/sample.hpp"

namespace pixelclip {

struct LoaderOptions {
  int64_t batch_size = 1;  ///< of this rank
  int num_workers = 0;     ///< threads; 0: samples are made inside next()
  int rank = 0, world_size = 1;
  int64_t start = 0;           ///< position in the global stream to begin at
  bool skip_empty = true;      ///< leave out samples without any mask
  double max_bad_samples = 1;  ///< share of unusable samples above which next() fails
};

/// What became of the samples so far.
struct LoaderCounts {
  int64_t delivered = 0;
  int64_t bad = 0;    ///< left out: unreadable or inconsistent
  int64_t empty = 0;  ///< left out: no mask
  int64_t masks = 0;  ///< annotations without a usable mask, in the samples delivered
  int64_t crowds = 0;  ///< crowd regions left out in them (DATASETS.CROWD_REGIONS)
};

/// Batches of the training stream, made ahead by worker threads and delivered in order. What is
/// delivered depends on the data, the seed and the position alone: not on workers, ranks or timing.
/// A sample that can not be made (Error) or is empty is named in the log, counted, and replaced by the
/// sampler's substitute for its position. Any other exception in a worker comes out of next().
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

  /// The next batch_size samples. Errors: too many bad samples (a share above max_bad_samples among at
  /// least 100), no usable sample in 100 tries; every later call fails alike.
  TrainBatch next();

  /// Position in the global stream after the batches taken so far: a loader that starts there goes on
  /// exactly, on any number of ranks as long as the global batch stays.
  int64_t position() const { return position_; }
  uint64_t seed() const { return sampler_.seed(); }
  const LoaderCounts& counts() const { return counts_; }

 private:
  struct Result;
  struct Workers;

  SampleKey key_of(int64_t ordinal);
  Result produce(const SampleKey& key) const;
  Result take();
  void account(const Result& result);
  void account_masks(const TrainSample& sample);
  void work();
  void stop();

  Make make_;
  TrainingSampler sampler_;
  LoaderOptions options_;
  int64_t position_;
  int64_t taken_ = 0;
  LoaderCounts counts_;
  std::unordered_set<std::string> named_, named_masks_;
  std::exception_ptr failure_;
  std::unique_ptr<Workers> workers_;
};

/// The pictures of DATASETS.TRAIN. Errors: no set named, an unknown one, a test set, nothing on disk.
Sa1bIndex open_training_set(const Config& config);

/// The loader of a run: DATASETS.TRAIN through Sa1bMapper, SOLVER.IMS_PER_BATCH over `world_size` ranks.
std::unique_ptr<TrainLoader> make_train_loader(const Config& config, uint64_t seed, int rank,
                                               int world_size, int64_t start = 0,
                                               bool pinned = false);

}  // namespace pixelclip
