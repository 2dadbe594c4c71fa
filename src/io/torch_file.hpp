#pragma once

#include <filesystem>
#include <optional>

#include "io/value.hpp"

namespace pixelclip {

/// Reads a file made by Python's torch.save (the zip form, or the one before PyTorch 1.6),
/// torch.jit.save, or pickle (numpy's arrays become tensors). Nothing in it is ever executed: known
/// tensor and container classes are rebuilt, others become Opaque. A TorchScript archive becomes a
/// Dict of its modules' tensors under dotted names. Tensors lie on the mapped file (copy on write,
/// kept alive by them) without copying, with the strides, offsets and sharing they were saved with,
/// and without requires_grad. Errors, quickly and before any large allocation: not such a file, cut
/// short, damaged (checksums included), compressed, inconsistent or hostile.
/// `form`, when given, receives what people call it: "torch.save", "TorchScript archive".
Value read_torch_file(const std::filesystem::path& path, std::string* form = nullptr);

/// Writes what Python's torch.load(path, weights_only=True) loads. Tensors may lie on any device
/// and have any strides; they are written contiguous, and tensors that overlap in memory share one
/// record. With `floating`, floating tensors are converted to that type. Atomic; needs memory for
/// one tensor at most. Errors: Opaque values, tensors that are not plain dense memory, an
/// unwritable path.
void write_torch_file(const std::filesystem::path& path, const Value& value,
                      std::optional<torch::ScalarType> floating = {});

}  // namespace pixelclip
