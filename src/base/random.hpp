#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace pixelclip {

/// A small random number generator with the same numbers on every machine and compiler, cheap
/// enough to construct for each sample. Generators whose keys differ are independent for practical
/// purposes.
class Random {
 public:
  /// A training sample uses the key (seed, epoch, index), so the number of workers has no effect.
  explicit Random(uint64_t seed, uint64_t epoch = 0, uint64_t index = 0)
      : state_(mix(mix(mix(seed) ^ epoch) ^ index)) {}

  uint64_t next() { return mix(state_ += 0x9E3779B97F4A7C15ull); }

  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform integer in [low, high); low when the range is empty.
  int64_t integer(int64_t low, int64_t high) {
    if (high <= low) return low;
    const auto range = static_cast<uint64_t>(high - low);
    return low + static_cast<int64_t>((static_cast<uint128>(next()) * range) >> 64);
  }
  bool chance(double probability) { return uniform() < probability; }
  /// Standard normal (Box–Muller; one of the pair).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  __extension__ typedef unsigned __int128 uint128;

  /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
  static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  }
  uint64_t state_;
};

}  // namespace pixelclip
