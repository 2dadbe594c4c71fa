#include <torch/utils.h>

#include <ATen/core/ivalue.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "dist/comm_nccl.hpp"
#include "dist/gloo_device.hpp"
#include "dist/gpu.hpp"
#include "inference/argmax_gpu.hpp"
#include "rehearsal/fake_cuda.hpp"

// What src/dist and src/inference take from CUDA's own libraries, for the fake device.
namespace pixelclip {
namespace {

using Tensors = std::vector<at::Tensor>;

/// An operation that has finished, with its tensors on the device.
class Done : public c10d::Work {
 public:
  Done(int rank, c10d::OpType type, const Tensors& tensors) : Work(rank, type) {
    future_ =
        c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()),
                                                 std::vector<c10::Device>{tensors.at(0).device()});
    future_->markCompleted(c10::IValue(tensors));
    finish();
  }
  bool wait(std::chrono::milliseconds) override { return true; }
  void synchronize() override {}
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }

 private:
  c10::intrusive_ptr<c10::ivalue::Future> future_;
};

/// Gloo on the memory of the fake device, under NCCL's name.
class FakeNccl : public c10d::Backend {
 public:
  FakeNccl(c10::intrusive_ptr<c10d::Backend> gloo, c10::Device device)
      : Backend(gloo->getRank(), gloo->getSize()), gloo_(std::move(gloo)), device_(device) {}

  const std::string getBackendName() const override { return "nccl"; }
  void setSequenceNumberForGroup() override {}
  uint64_t getSequenceNumberForGroup() override { return 0; }

  c10::intrusive_ptr<c10d::Work> allreduce(Tensors& tensors,
                                           const c10d::AllreduceOptions& options) override {
    auto host = hosts(tensors);
    gloo_->allreduce(host, options)->wait();
    return done(c10d::OpType::ALLREDUCE, tensors);
  }
  c10::intrusive_ptr<c10d::Work> broadcast(Tensors& tensors,
                                           const c10d::BroadcastOptions& options) override {
    auto host = hosts(tensors);
    gloo_->broadcast(host, options)->wait();
    return done(c10d::OpType::BROADCAST, tensors);
  }
  c10::intrusive_ptr<c10d::Work> allgather(std::vector<Tensors>& out, Tensors& in,
                                           const c10d::AllgatherOptions& options) override {
    std::vector<Tensors> host_out;
    for (const auto& tensors : out) host_out.push_back(hosts(tensors));
    auto host_in = hosts(in);
    gloo_->allgather(host_out, host_in, options)->wait();
    return done(c10d::OpType::ALLGATHER, out.at(0));
  }

 private:
  /// The memory of `tensors` as CPU tensors. NCCL refuses tensors of another rank's device.
  Tensors hosts(const Tensors& tensors) const {
    Tensors host;
    for (const auto& tensor : tensors) {
      TORCH_CHECK(tensor.device() == device_, "NCCL: a tensor on ", tensor.device(),
                  " in the communicator of ", device_);
      host.push_back(at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                                   tensor.options().device(at::kCPU)));
    }
    return host;
  }
  c10::intrusive_ptr<c10d::Work> done(c10d::OpType type, const Tensors& tensors) const {
    return c10::make_intrusive<Done>(getRank(), type, tensors);
  }

  c10::intrusive_ptr<c10d::Backend> gloo_;
  c10::Device device_;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl(const StorePtr& store, const WorldInfo& world,
                                            c10::Device device, Milliseconds time_limit) {
  const int index = device.has_index() ? device.index() : world.local_rank;
  TORCH_CHECK(index < fake_cuda::kDevices, "rank ", world.rank, " is to use GPU ", index);
  c10::impl::VirtualGuardImpl(c10::kCUDA)
      .setDevice({c10::kCUDA, static_cast<c10::DeviceIndex>(index)});
  auto settings = c10d::ProcessGroupGloo::Options::create(time_limit);
  settings->devices = gloo_devices(world);
  auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(
      c10::make_intrusive<c10d::PrefixStore>("fake", store), world.rank, world.world_size,
      settings);
  return c10::make_intrusive<FakeNccl>(
      std::move(gloo), c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)));
}

int64_t peak_gpu_memory(torch::Device device) {
  return device.is_cuda() ? fake_cuda::peak_memory(device.index()) : 0;
}

std::string gpu_address(torch::Device device) { return device.str(); }

std::optional<torch::Tensor> kernel_labels(const torch::Tensor&, int64_t, int64_t) { return {}; }

}  // namespace pixelclip
