#pragma once

#include <filesystem>

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

}  // namespace pixelclip
