#include "nn/copy_stream.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace pixelclip {

CopyStream::CopyStream(torch::Device device) {
  if (device.is_cuda())
    stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

c10::Stream CopyStream::exchange(c10::Stream stream) const {
  return c10::impl::VirtualGuardImpl(stream.device_type()).exchangeStream(stream);
}

c10::Event CopyStream::recorded() const {
  c10::Event event(stream_->device_type());
  event.record(*stream_);
  return event;
}

void CopyStream::hand_over(const std::optional<c10::Event>& copied,
                           const std::vector<torch::Tensor>& tensors) const {
  if (!copied) return;
  const auto current =
      c10::impl::VirtualGuardImpl(stream_->device_type()).getStream(stream_->device());
  copied->block(current);
  for (const auto& tensor : tensors) {
    if (tensor.defined() && tensor.is_cuda()) tensor.record_stream(current);
  }
}

}  // namespace pixelclip
