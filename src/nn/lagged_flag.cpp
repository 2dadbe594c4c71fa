#include "nn/lagged_flag.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/utils.h>

namespace pixelclip {

bool LaggedFlag::update(const torch::Tensor& flag) {
  if (!flag.is_cuda()) return known_ = flag.item<bool>();
  if (arrived_ && !arrived_->query()) return known_;
  if (arrived_) known_ = copy_.const_data_ptr<bool>()[0];
  if (!copy_.defined())
    copy_ = torch::empty({}, flag.options().device(torch::kCPU).pinned_memory(true));
  copy_.copy_(flag, /*non_blocking=*/true);
  arrived_.emplace(c10::kCUDA);
  arrived_->record(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(flag.device()));
  return known_;
}

}  // namespace pixelclip
