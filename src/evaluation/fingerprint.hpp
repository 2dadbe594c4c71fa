#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pixelclip {

/// A 64-bit checksum, equal on all machines. It depends on the parts and their boundaries. Not
/// cryptographic.
class Fingerprint {
 public:
  Fingerprint& add(std::string_view bytes) {
    mix(bytes.size());
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) mix(word(bytes.data(), 8));
    if (!bytes.empty()) mix(word(bytes.data(), bytes.size()));
    return *this;
  }

  /// Twelve hexadecimal digits.
  std::string hex() const {
    std::string text;
    for (int shift = 60; shift >= 16; shift -= 4) text += "0123456789abcdef"[state_ >> shift & 15];
    return text;
  }

 private:
  static uint64_t word(const char* bytes, size_t count) {
    uint64_t value = 0;
    std::memcpy(&value, bytes, count);
    return value;
  }
  /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
  void mix(uint64_t value) {
    state_ = (state_ ^ value) + 0x9E3779B97F4A7C15ull;
    state_ = (state_ ^ (state_ >> 30)) * 0xBF58476D1CE4E5B9ull;
    state_ = (state_ ^ (state_ >> 27)) * 0x94D049BB133111EBull;
    state_ ^= state_ >> 31;
  }
  uint64_t state_ = 0;
};

}  // namespace pixelclip
