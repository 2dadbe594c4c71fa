#pragma once

#include <c10/core/Event.h>
#include <torch/types.h>

#include <optional>
#include <vector>

#include "base/scope_exit.hpp"

namespace pixelclip {

/// A stream of a GPU for copies that run beside the computation. Without a GPU nothing changes.
class CopyStream {
 public:
  explicit CopyStream(torch::Device device);

  /// Makes `work` queue its copies on this stream; the event says when they have happened.
  template <typename Work>
  std::optional<c10::Event> run(const Work& work) const {
    if (!stream_) {
      work();
      return std::nullopt;
    }
    const c10::Stream before = exchange(*stream_);
    const ScopeExit restore([&] { exchange(before); });
    work();
    return recorded();
  }

  /// The current stream waits for `copied`, and their memory lives until it has used `tensors`.
  void hand_over(const std::optional<c10::Event>& copied,
                 const std::vector<torch::Tensor>& tensors) const;

 private:
  c10::Stream exchange(c10::Stream stream) const;
  c10::Event recorded() const;

  std::optional<c10::Stream> stream_;
};

}  // namespace pixelclip
