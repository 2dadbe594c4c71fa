#pragma once

#include <torch/types.h>

#include <cstring>
#include <span>

#include "base/file.hpp"

namespace pixelclip::io {

/// `numel` elements on the mapped file's bytes, kept mapped by the tensor; copied when the bytes
/// are not aligned for their type. `bytes` must hold that many.
inline torch::Tensor on_mapping(const MappedFile& file, std::span<const uint8_t> bytes,
                                torch::ScalarType dtype, int64_t numel) {
  const size_t item = c10::elementSize(dtype);
  TORCH_CHECK(numel >= 0 && bytes.size() / item >= static_cast<size_t>(numel));
  const auto options = torch::TensorOptions().dtype(dtype);
  if (numel == 0) return torch::empty({0}, options);
  if (reinterpret_cast<uintptr_t>(bytes.data()) % item != 0) {
    const auto copy = torch::empty({numel}, options);
    std::memcpy(copy.mutable_data_ptr(), bytes.data(), numel * item);
    return copy;
  }
  return torch::from_blob(
      const_cast<uint8_t*>(bytes.data()), {numel}, [file](void*) {}, options);
}

/// The bytes of a contiguous tensor on the CPU.
inline std::span<const uint8_t> bytes_of(const torch::Tensor& tensor) {
  return {static_cast<const uint8_t*>(tensor.const_data_ptr()), tensor.nbytes()};
}

/// Throws unless the tensor is plain memory that a file can hold.
void check_writable(const torch::Tensor& tensor);

}  // namespace pixelclip::io
