#include "dist/comm.hpp"

#include <torch/utils.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "base/log.hpp"
#include "base/signal.hpp"
#include "dist/comm_nccl.hpp"
#include "dist/gloo_device.hpp"
#include "dist/gpu.hpp"
#include "dist/host_port.hpp"
#include "dist/store.hpp"
#include "dist/watch.hpp"

namespace pixelclip {
namespace {

using c10d::ProcessGroup;
using Group = c10::intrusive_ptr<ProcessGroup>;

/// Where this process finds the store. A machine may not resolve its own name, and processes on one
/// machine need none.
std::string address_of_store(const WorldInfo& world) {
  const bool here = world.local_world_size >= world.world_size || is_own_name(world.address);
  if (resolves(world.address)) return world.address;
  if (here) return "127.0.0.1";
  log::warn("the host name ", world.address,
            " of rank 0's store does not resolve here yet; still trying");
  return world.address;
}

/// This machine, alike in all its processes and containers.
std::string machine_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

/// What a rank publishes of its device: its name and, of a GPU, which one it is.
std::string describe_device(torch::Device device) {
  return device.is_cuda() ? str(device.str(), "\n", machine_id(), " ", gpu_address(device))
                          : device.str();
}

StorePtr connect(const WorldInfo& world, torch::Device device, const CommOptions& options) {
  const bool serves = world.rank == 0 && !world.launcher_has_store;
  const signals::Doing waiting(
      str("waiting for the store at ", world.address, ":", world.port, " to answer"));
  const StorePtr store =
      part_of(serves ? serve_store(world.port, options.connect_limit)
                     : connect_store(address_of_store(world), world.port, options.connect_limit),
              world.attempt);
  store->set(arrived_key(world.rank), describe_device(device));
  return store;
}

void wait_for_all(c10d::Store& store, const WorldInfo& world, Milliseconds limit) {
  const signals::Doing waiting(
      str("waiting for all ", world.world_size, " processes at ", world.address, ":", world.port));
  std::vector<std::string> keys;
  for (int rank = 0; rank < world.world_size; ++rank) keys.push_back(arrived_key(rank));
  try {
    store.wait(keys, limit);
  } catch (const std::exception&) {
    std::string absent;
    for (int rank = 0; rank < world.world_size; ++rank) {
      if (!store.check({arrived_key(rank)})) absent += str(absent.empty() ? "" : ", ", rank);
    }
    fail("rank ", world.rank, " waited ", limit.count() / 1000.0, " s at ", world.address, ":",
         world.port, " for the other processes; of ", world.world_size,
         " these did not come: ", absent);
  }
}

/// NCCL would wait for ranks that are not there, or fail without naming the ranks.
void compare_devices(c10d::Store& store, int world_size) {
  std::map<std::string, int> ranks;  // the first on each GPU
  std::string first;
  for (int rank = 0; rank < world_size; ++rank) {
    const std::string text = store.get_to_str(arrived_key(rank));
    const std::string name = text.substr(0, text.find('\n'));
    if (rank == 0) first = name;
    if ((name == "cpu") != (first == "cpu")) {
      fail("rank ", rank, " computes on ", name, ", but rank 0 on ", first,
           ": all ranks need the same kind of device; check MODEL.DEVICE and which GPUs each "
           "process sees (nvidia-smi, CUDA_VISIBLE_DEVICES)");
    }
    if (name == "cpu") continue;
    const auto [found, is_new] = ranks.emplace(text.substr(text.find('\n')), rank);
    if (!is_new) {
      fail("ranks ", found->second, " and ", rank, " would use the same GPU (", name,
           "): start at most one process for each GPU of a machine");
    }
  }
}

c10::intrusive_ptr<c10d::Backend> make_gloo(const StorePtr& store, const WorldInfo& world,
                                            const CommOptions& options) {
  auto settings = c10d::ProcessGroupGloo::Options::create(options.connect_limit);
  settings->devices = gloo_devices(world);
  auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(
      c10::make_intrusive<c10d::PrefixStore>("gloo", store), world.rank, world.world_size,
      settings);
  gloo->setTimeout(options.time_limit);
  return gloo;
}

c10d::ReduceOp to_c10d(Reduce reduce) {
  switch (reduce) {
    case Reduce::sum:
      return c10d::ReduceOp::SUM;
    case Reduce::max:
      return c10d::ReduceOp::MAX;
    case Reduce::min:
      return c10d::ReduceOp::MIN;
  }
  return c10d::ReduceOp::SUM;
}

const char* describe(CommFault fault) {
  switch (fault) {
    case CommFault::late:
      return " did not finish in time";
    case CommFault::own:
      return " failed on this rank";
    default:
      return " failed: another rank has died or its connection is lost";
  }
}

}  // namespace

struct Comm::Connection {
  StorePtr store;
  std::unique_ptr<Watch> watch;
  Group group;
  c10::intrusive_ptr<c10d::Backend> nccl;
  bool serves = false;
  bool failed = false;
};

Comm::Comm() = default;

Comm::Comm(const WorldInfo& world, torch::Device device, const CommOptions& options)
    : world_(world), device_(device) {
  if (world.world_size <= 1 && !options.even_alone) return;
  const signals::Doing connecting("connecting to the other processes");
  connection_ = std::make_unique<Connection>();
  connection_->serves = world.rank == 0 && !world.launcher_has_store;
  connection_->store = connect(world, device, options);
  connection_->watch = std::make_unique<Watch>(connection_->store, world, device, options);
  signals::before_end([store = connection_->store, rank = world.rank](const std::string& text) {
    set_failure(*store->clone(), str("rank ", rank, " was ", text));
  });
  try {
    wait_for_all(*connection_->store, world, options.connect_limit);
    compare_devices(*connection_->store, world.world_size);
    auto group =
        c10::make_intrusive<ProcessGroup>(connection_->store, world.rank, world.world_size);
    group->setBackend(c10::kCPU, ProcessGroup::GLOO, make_gloo(connection_->store, world, options));
    group->setDefaultBackend(ProcessGroup::GLOO);
    if (device.is_cuda()) {
      connection_->nccl =
          make_nccl(c10::make_intrusive<c10d::PrefixStore>("nccl", connection_->store), world,
                    device, options.time_limit);
      group->setBackend(c10::kCUDA, ProcessGroup::NCCL, connection_->nccl);
      group->setDefaultBackend(ProcessGroup::NCCL);
    }
    connection_->group = std::move(group);
  } catch (const std::exception& e) {
    report_failure(reason_of(e));
    throw Error(reason_of(e));
  }
  backend_ = device.is_cuda() ? "nccl" : "gloo";
}

Comm::~Comm() {
  if (!connection_) return;
  signals::before_end({});
  if (std::uncaught_exceptions() > 0 && !connection_->failed)
    report_failure("an exception ended its work");
  if (connection_->failed) {
    // The destructors would wait for collectives that the others never join.
    connection_->group.release();
    connection_->nccl.release();
    return;
  }
  try {
    auto& store = *connection_->store;
    store.set(left_key(world_.rank), std::string("1"));
    // The rank that serves the store stays until no other needs it; the watch limits the wait.
    for (int rank = 0; connection_->serves && rank < world_.world_size; ++rank) {
      while (!store.check({left_key(rank)})) std::this_thread::sleep_for(Milliseconds(20));
    }
    connection_->watch->stop();
    if (connection_->nccl) connection_->nccl->shutdown();
  } catch (const std::exception& e) {
    log::warn("could not deregister from the store: ", reason_of(e));
  }
}

void Comm::set_step(int64_t step) {
  if (connection_) connection_->watch->set_step(step);
}

const c10::intrusive_ptr<ProcessGroup>& Comm::group() const {
  static const Group none;
  return connection_ ? connection_->group : none;
}

void Comm::guarded(const std::string& name, torch::Device device,
                   const std::function<void()>& body) {
  if (!connection_) return body();
  Watch& watch = *connection_->watch;
  const signals::Doing waiting(str("waiting for the other processes in ", name));
  const int64_t id = watch.begin(name);
  try {
    body();
  } catch (const std::exception& e) {
    watch.end(id);
    const CommFault fault = fault_of(e);
    if (fault == CommFault::none) throw;
    throw CommError(
        str(watch.place(), ": ", name, describe(fault),
            fault == CommFault::late ? watch.missing_ranks() : "", " (", reason_of(e), ")"),
        fault);
  }
  if (!device.is_cuda()) return watch.end(id);
  c10::Event done(c10::kCUDA);
  done.record(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(device));
  watch.end_with(id, std::move(done));
}

void Comm::all_reduce(torch::Tensor tensor, const char* what, Reduce reduce) {
  if (!connection_) return;
  torch::NoGradGuard no_grad;
  guarded(str("all_reduce of '", what, "'"), tensor.device(), [&] {
    std::vector<torch::Tensor> dense{tensor.detach().contiguous()};
    c10d::AllreduceOptions options;
    options.reduceOp = to_c10d(reduce);
    connection_->group->allreduce(dense, options)->wait();
    if (!tensor.is_contiguous()) tensor.copy_(dense[0]);
  });
}

void Comm::broadcast(torch::Tensor tensor, const char* what, int root) {
  if (!connection_) return;
  torch::NoGradGuard no_grad;
  guarded(str("broadcast of '", what, "'"), tensor.device(), [&] {
    std::vector<torch::Tensor> dense{tensor.detach().contiguous()};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    connection_->group->broadcast(dense, options)->wait();
    if (!tensor.is_contiguous()) tensor.copy_(dense[0]);
  });
}

std::vector<torch::Tensor> Comm::all_gather(const torch::Tensor& tensor, const char* what) {
  if (!connection_) return {tensor};
  torch::NoGradGuard no_grad;
  std::vector<std::vector<torch::Tensor>> gathered(1);
  guarded(str("all_gather of '", what, "'"), tensor.device(), [&] {
    std::vector<torch::Tensor> dense{tensor.detach().contiguous()};
    for (int rank = 0; rank < world_size(); ++rank)
      gathered[0].push_back(torch::empty_like(dense[0]));
    connection_->group->allgather(gathered, dense)->wait();
  });
  return gathered[0];
}

double Comm::all_reduce(double value, const char* what, Reduce reduce) {
  const auto tensor = torch::full({1}, value, torch::kDouble);
  all_reduce(tensor, what, reduce);
  return tensor.item<double>();
}

std::vector<std::string> Comm::all_gather(const std::string& text, const char* what) {
  if (!connection_) return {text};
  const auto sizes = all_gather(torch::full({1}, static_cast<int64_t>(text.size())), what);
  int64_t longest = 1;
  for (const auto& size : sizes) longest = std::max(longest, size.item<int64_t>());
  const auto padded = torch::zeros({longest}, torch::kByte);
  std::copy(text.begin(), text.end(), padded.data_ptr<uint8_t>());
  const auto parts = all_gather(padded, what);
  std::vector<std::string> texts;
  for (size_t i = 0; i < parts.size(); ++i) {
    texts.emplace_back(reinterpret_cast<const char*>(parts[i].data_ptr<uint8_t>()),
                       sizes[i].item<int64_t>());
  }
  return texts;
}

std::string Comm::broadcast(const std::string& text, const char* what, int root) {
  if (!connection_) return text;
  const auto size = torch::full({1}, static_cast<int64_t>(text.size()));
  broadcast(size, what, root);
  const auto bytes = torch::zeros({size.item<int64_t>()}, torch::kByte);
  if (rank() == root) std::copy(text.begin(), text.end(), bytes.data_ptr<uint8_t>());
  if (bytes.numel() > 0) broadcast(bytes, what, root);
  return {reinterpret_cast<const char*>(bytes.data_ptr<uint8_t>()),
          static_cast<size_t>(bytes.numel())};
}

void Comm::barrier(const char* what) {
  if (!connection_) return;
  guarded(str("barrier '", what, "'"), torch::kCPU, [&] {
    std::vector<torch::Tensor> token{torch::zeros({1})};
    connection_->group->allreduce(token)->wait();
  });
}

void Comm::report_failure(const std::string& reason) noexcept {
  report_to_launcher(FailureKind::own_error, reason);
  if (!connection_ || connection_->failed) return;
  connection_->failed = true;
  try {
    connection_->watch->stop();
    const StorePtr store = connection_->store->clone();
    store->setTimeout(std::chrono::seconds(3));
    set_failure(*store, str("rank ", world_.rank, " failed: ", reason));
    // The store ends with the process that serves it, so the others must read the reason first.
    int others = 0;
    for (int rank = 1; connection_->serves && rank < world_.world_size; ++rank) {
      others += store->check({arrived_key(rank)}) && !store->check({left_key(rank)});
    }
    for (int i = 0; i < 100 && store->add(kFailureKnown, 0) < others; ++i) {
      std::this_thread::sleep_for(Milliseconds(30));
    }
  } catch (const std::exception& e) {
    log::warn("the failure could not be reported to the other processes: ", reason_of(e));
  }
}

int run_rank(Comm& comm, const std::function<int()>& body) {
  std::string reason;
  try {
    return body();
  } catch (const CommError& e) {
    reason = e.what();
    if (e.fault != CommFault::own) report_to_launcher(FailureKind::collective, reason);
    // Another rank has failed; its reason ends this process when it arrives.
    if (e.fault == CommFault::peer) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  } catch (const std::exception& e) {
    reason = reason_of(e);
  } catch (...) {
    reason = "an exception of unknown type";
  }
  log::error(reason);
  if (!comm.group()) return signals::exit_status(1);
  comm.report_failure(reason);
  std::cout.flush();
  std::fflush(nullptr);
  _exit(signals::exit_status(1));
}

}  // namespace pixelclip
