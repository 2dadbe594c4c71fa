#include "base/error.hpp"
#include "dist/comm_nccl.hpp"

namespace pixelclip {

c10::intrusive_ptr<c10d::Backend> make_nccl(const StorePtr&, const WorldInfo&, c10::Device device,
                                            Milliseconds) {
  fail("this build has no NCCL, so several processes cannot train on ", device.str(),
       "; build with a LibTorch for CUDA, or train on the CPU");
}

}  // namespace pixelclip
