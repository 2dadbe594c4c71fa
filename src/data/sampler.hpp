#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <vector>

namespace pixelclip {

/// One sample of the training stream. Its random draws come from Random(seed, epoch, index) alone,
/// so workers and ranks do not change the result.
struct SampleKey {
  int64_t position = 0;  ///< in the stream of all ranks
  int64_t epoch = 0;
  int64_t index = 0;  ///< of the sample in the data set
};

/// The infinite stream of detectron2's TrainingSampler, with the same numbers: a new PyTorch
/// permutation of all samples for each epoch, from one generator. It depends only on (seed,
/// position); ranks and batches partition it: batch b of B images has the positions [b·B, (b +
/// 1)·B), and rank r of W takes every W-th of them, starting with the r-th.
class TrainingSampler {
 public:
  /// Errors: an empty data set.
  TrainingSampler(int64_t samples, uint64_t seed);
  TrainingSampler(TrainingSampler&&) = default;

  int64_t samples() const { return samples_; }
  uint64_t seed() const { return seed_; }
  /// Fast within the two newest epochs (more for a small set). A later epoch computes the
  /// permutations up to it, an earlier one those from the first epoch on.
  SampleKey at(int64_t position);
  /// Index of the substitute for an unusable sample at `position`: the `attempt`-th (from 1)
  /// element of a random sequence specific to the position.
  int64_t substitute(int64_t position, int64_t attempt) const;

 private:
  int64_t samples_;
  uint64_t seed_;
  struct Epoch {
    int64_t number = -1;
    std::vector<uint32_t> order;
  };
  void draw(int64_t number, std::vector<uint32_t>& order);

  at::Generator generator_;
  int64_t drawn_ = 0;          // epochs that the generator has given
  std::vector<Epoch> epochs_;  // the newest: ranks that one process plays stand at different places
};

}  // namespace pixelclip
