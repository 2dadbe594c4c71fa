#pragma once

#include <sys/resource.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "io/state_dict.hpp"
#include "io/zip_writer.hpp"
#include "support/tensors.hpp"

namespace pixelclip::testing {

inline std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// While it lives, this process can get half a gigabyte more at most, so that a large allocation
/// fails. Sanitizers reserve terabytes; there ASAN_OPTIONS=max_allocation_size_mb=512 does the
/// same.
class AddressSpaceLimit {
 public:
  AddressSpaceLimit() {
    getrlimit(RLIMIT_AS, &before_);
#ifndef __SANITIZE_ADDRESS__
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = before_;
    limit.rlim_cur = pages * static_cast<uint64_t>(getpagesize()) + (uint64_t{512} << 20);
    setrlimit(RLIMIT_AS, &limit);
#endif
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }
  AddressSpaceLimit(const AddressSpaceLimit&) = delete;
  AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

 private:
  rlimit before_{};
};

/// A zip archive's bytes.
inline std::string zip_of(const std::vector<std::pair<std::string, std::string>>& records,
                          uint64_t zip64_from = 0xFFFFFFFF) {
  std::ostringstream out;
  ZipWriter zip(out, zip64_from);
  for (const auto& [name, bytes] : records) zip.add(name, bytes_of(bytes));
  zip.finish();
  return out.str();
}

/// A torch.save archive with that pickle and one storage "0" of `floats` zeros.
inline std::string torch_archive(const std::string& pickle, size_t floats = 6) {
  return zip_of({{"a/data.pkl", pickle}, {"a/data/0", std::string(floats * 4, '\0')}});
}

/// Overwrites `bytes` at `offset` with a little-endian number.
template <typename T>
void poke(std::string& bytes, size_t offset, T value) {
  ASSERT_LE(offset + sizeof(T), bytes.size());
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

/// The pickle of a tensor over storage "0"; sizes and strides are the insides of pickled tuples.
inline std::string tensor_pickle(const std::string& sizes, const std::string& strides,
                                 const std::string& offset = std::string("K\0", 2),
                                 const std::string& numel = "K\x06") {
  return "\x80\x02"
         "ctorch._utils\n_rebuild_tensor_v2\n((X\x07" +
         std::string("\0\0\0storage", 10) + "ctorch\nFloatStorage\nX\x01" +
         std::string(
             "\0\0\0"
             "0X\x03\0\0\0cpu",
             12) +
         numel + "tQ" + offset + "(" + sizes + "t(" + strides +
         "t\x89"
         "ccollections\nOrderedDict\n)RtR.";
}

/// A checksum of values and their places: Σ x·(index mod 97), over all tensors.
inline double weighted_sum(const torch::Tensor& tensor) {
  const auto flat = tensor.to(torch::kDouble).flatten();
  return (flat * (torch::arange(flat.numel()) % 97)).sum().item<double>();
}

inline double weighted_sum(const StateDict& state) {
  double sum = 0;
  for (const auto& [name, tensor] : state) sum += weighted_sum(tensor);
  return sum;
}

}  // namespace pixelclip::testing
