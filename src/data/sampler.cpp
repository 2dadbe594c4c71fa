#include "data/sampler.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/utils.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "base/random.hpp"

namespace pixelclip {
namespace {

constexpr int64_t kKeptIndices = 1 << 16;
// Separates these draws from those of the samples, whose key is (seed, epoch, index).
constexpr uint64_t kSubstituteSalt = 0x7375627374ull;

}  // namespace

TrainingSampler::TrainingSampler(int64_t samples, uint64_t seed)
    : samples_(samples), seed_(seed), generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {
  if (samples < 1) fail("the training set is empty: there is nothing to draw from");
  if (samples > std::numeric_limits<uint32_t>::max()) {
    fail("the training set has ", samples, " samples; at most 4294967295 are supported");
  }
  epochs_.resize(static_cast<size_t>(std::clamp<int64_t>(kKeptIndices / samples, 2, 256)));
}

void TrainingSampler::draw(int64_t number, std::vector<uint32_t>& order) {
  if (number < drawn_) {
    generator_ = at::make_generator<at::CPUGeneratorImpl>(seed_);
    drawn_ = 0;
  }
  torch::Tensor permutation;
  for (; drawn_ <= number; ++drawn_)
    permutation = torch::randperm(samples_, generator_, torch::kLong);
  const auto* indices = permutation.const_data_ptr<int64_t>();
  order.assign(indices, indices + samples_);
}

SampleKey TrainingSampler::at(int64_t position) {
  const int64_t number = position / samples_;
  auto& [kept, order] = epochs_[static_cast<size_t>(number) % epochs_.size()];
  if (number != kept) {
    draw(number, order);
    kept = number;
  }
  return {position, number, order[static_cast<size_t>(position % samples_)]};
}

int64_t TrainingSampler::substitute(int64_t position, int64_t attempt) const {
  Random random(seed_ ^ kSubstituteSalt, static_cast<uint64_t>(position),
                static_cast<uint64_t>(attempt));
  return random.integer(0, samples_);
}

}  // namespace pixelclip
