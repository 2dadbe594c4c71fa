#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <vector>

namespace pixelclip {

/// One sample of the training stream. Whoever makes it draws only from Random(seed, epoch, draw),
/// so that neither workers nor ranks change a pixel.
struct SampleKey {
  int64_t position = 0;  ///< in the stream of all ranks
  int64_t epoch = 0;
  int64_t index = 0;  ///< of the sample in the data set
};

/// The infinite stream of detectron2's TrainingSampler, number for number: PyTorch's permutations
/// of all samples from one generator, a fresh one each epoch, one after the other without a break.
/// It is a function of (seed, position) alone; ranks and batches only cut it up: batch b of B
/// images holds the positions [b·B, (b + 1)·B), and rank r of W takes every W-th of them from the
/// r-th on.
class TrainingSampler {
 public:
  /// Errors: an empty data set.
  TrainingSampler(int64_t samples, uint64_t seed);
  TrainingSampler(TrainingSampler&&) = default;

  int64_t samples() const { return samples_; }
  uint64_t seed() const { return seed_; }
  /// Quick anywhere in the two newest epochs, or more of a small set; a later epoch costs the
  /// permutations up to it, an earlier one those from the first on.
  SampleKey at(int64_t position);
  /// What takes the place of the sample at `position` when that can not be used: the `attempt`-th
  /// (from 1) of a random sequence that belongs to the position.
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
