#include "pixelclip/data/sampler.hpp"

#include <limits>
#include <numeric>
#include <utility>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/random.hpp"

namespace pixelclip {
namespace {

// Keep these draws apart from those of the samples, whose key is (seed, epoch, index).
constexpr uint64_t kOrderSalt = 0x6F72646572ull;
constexpr uint64_t kSubstituteSalt = 0x7375627374ull;

}  // namespace

TrainingSampler::TrainingSampler(int64_t samples, uint64_t seed) : samples_(samples), seed_(seed) {
  if (samples < 1) fail("the training set is empty: there is nothing to draw from");
  if (samples > std::numeric_limits<uint32_t>::max()) {
    fail("the training set has ", samples, " samples; at most 4294967295 are supported");
  }
}

SampleKey TrainingSampler::at(int64_t position) {
  const int64_t epoch = position / samples_;
  if (epoch != epoch_) {
    order_.resize(static_cast<size_t>(samples_));
    std::iota(order_.begin(), order_.end(), 0u);
    Random random(seed_ ^ kOrderSalt, static_cast<uint64_t>(epoch));
    for (int64_t i = samples_ - 1; i > 0; --i) std::swap(order_[i], order_[random.integer(0, i + 1)]);
    epoch_ = epoch;
  }
  return {position, epoch, order_[static_cast<size_t>(position % samples_)]};
}

int64_t TrainingSampler::substitute(int64_t position, int64_t attempt) const {
  Random random(seed_ ^ kSubstituteSalt, static_cast<uint64_t>(position),
                static_cast<uint64_t>(attempt));
  return random.integer(0, samples_);
}

}  // namespace pixelclip
