#pragma once

#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "dist/failure.hpp"
#include "dist/world.hpp"

namespace c10d {
class ProcessGroup;
}

namespace pixelclip {

struct CommOptions {
  /// How long one collective may last before the run is stopped.
  std::chrono::milliseconds time_limit = std::chrono::minutes(30);
  /// How long the ranks may take to find one another.
  std::chrono::milliseconds connect_limit = std::chrono::minutes(5);
  /// A rank without a heartbeat for this long counts as dead.
  std::chrono::milliseconds silence_limit = std::chrono::seconds(60);
  /// Connects a world of one too, to check a back end.
  bool even_alone = false;
};

/// An operation among the ranks failed.
class CommError : public Error {
 public:
  CommError(const std::string& text, CommFault fault)
      : Error(text, ErrorKind::unavailable), fault(fault) {}
  const CommFault fault;
};

enum class Reduce { sum, max, min };

/// A rank's place in the world and its collectives. Every rank calls the same operations in the
/// same order; a rank with nothing to give still joins. `what` names the operation in errors. In a
/// world of one every operation returns at once.
///
/// Tensors on the CPU go through Gloo, tensors on a GPU through NCCL. GPU operations are queued on
/// the current stream as other kernels are; operations on the CPU have finished on return.
///
/// A thread of each rank watches the others: when one reports a failure, dies or stops sending
/// heartbeats, when a collective exceeds its time limit, or when this rank's GPU reports an error,
/// this process ends with exit status 1 and the reason, even in the middle of a collective.
class Comm {
 public:
  /// A world of one.
  Comm();
  /// Connects to the other ranks of `world`; a world of one connects to nothing. `device` is where
  /// this rank computes. Errors: the ranks do not connect within the limit, the address is in use,
  /// some ranks compute on a GPU and others on the CPU, two on one GPU, no NCCL in this build.
  explicit Comm(const WorldInfo& world, torch::Device device = torch::kCPU,
                const CommOptions& options = {});
  /// Deregisters from the store. While an exception unwinds the stack it reports a failure to the
  /// other ranks instead; `run_rank` reports the text of the exception.
  ~Comm();
  Comm(const Comm&) = delete;
  Comm& operator=(const Comm&) = delete;

  int rank() const { return world_.rank; }
  int world_size() const { return world_.world_size; }
  int local_rank() const { return world_.local_rank; }
  bool is_main() const { return world_.rank == 0; }
  const WorldInfo& world() const { return world_; }
  torch::Device device() const { return device_; }
  /// "nccl", "gloo", or "none" in a world of one.
  const std::string& backend() const { return backend_; }

  /// The training step that errors of collectives name; -1 is none.
  void set_step(int64_t step);

  /// Combines `tensor` elementwise over the ranks, in place. Shape and type are the same
  /// everywhere.
  void all_reduce(torch::Tensor tensor, const char* what, Reduce reduce = Reduce::sum);
  /// Overwrites `tensor` with that of rank `root`, in place.
  void broadcast(torch::Tensor tensor, const char* what, int root = 0);
  /// `tensor` of each rank, in rank order. Shape and type are the same everywhere.
  std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor, const char* what);
  /// `text` of each rank, in rank order; their lengths may differ.
  std::vector<std::string> all_gather(const std::string& text, const char* what);
  /// `text` of rank `root`.
  std::string broadcast(const std::string& text, const char* what, int root = 0);
  /// One number, on the CPU: for a decision that all ranks must agree on.
  double all_reduce(double value, const char* what, Reduce reduce = Reduce::sum);
  /// Returns when every rank has called it. It does not wait for work queued on GPUs.
  void barrier(const char* what);

  /// Reports to the other ranks and the launcher that this rank has failed; they stop within about
  /// a second. Waits until they know, for a few seconds at most.
  void report_failure(const std::string& reason) noexcept;

  /// c10d's group for `GradientReducer`; null in a world of one.
  const c10::intrusive_ptr<c10d::ProcessGroup>& group() const;

  /// Runs `body`, which communicates on `device`, as the operation `name`: errors of the
  /// communication name rank, step and operation. On a GPU the operation lasts until the current
  /// stream has executed it.
  void guarded(const std::string& name, torch::Device device, const std::function<void()>& body);

 private:
  struct Connection;
  WorldInfo world_;
  std::string backend_ = "none";
  torch::Device device_ = torch::kCPU;
  std::unique_ptr<Connection> connection_;
};

/// Runs `body` as all the work of this rank and returns its exit status, or 1 when it throws. With
/// several ranks the exception is logged and reported to the other ranks and the launcher, and the
/// process ends here: unfinished collectives would block the destructors.
int run_rank(Comm& comm, const std::function<int()>& body);

}  // namespace pixelclip
