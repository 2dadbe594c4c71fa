#pragma once

#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
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
  /// A rank that gives no sign of life for this long is taken for dead.
  std::chrono::milliseconds silence_limit = std::chrono::seconds(60);
  /// Connects a world of one as well, to check a back end.
  bool even_alone = false;
};

/// An operation among the ranks failed: another rank is gone, or late beyond the time limit.
class CommError : public Error {
 public:
  CommError(const std::string& text, bool late) : Error(text), late(late) {}
  const bool late;
};

enum class Reduce { sum, max, min };

/// A rank's place in the world and its collectives. Every rank calls the same operations in the
/// same order; a rank with nothing to give still joins. `what` names the operation in errors. In a
/// world of one every operation returns at once.
///
/// Tensors on the CPU go through Gloo, tensors on a GPU through NCCL. GPU operations are queued on
/// the current stream as other kernels are; operations on the CPU have finished on return.
///
/// A thread beside each rank watches the others: when one reports a failure, dies or falls silent,
/// or a collective exceeds its time limit, this process ends with exit status 1 and the reason,
/// even in the middle of a collective.
class Comm {
 public:
  /// A world of one.
  Comm();
  /// Meets the other ranks of `world`; a world of one connects to nothing. `device` is where this
  /// rank trains. Errors: the ranks do not meet within the limit, the address is taken, no NCCL in
  /// this build.
  explicit Comm(const WorldInfo& world, torch::Device device = torch::kCPU,
                const CommOptions& options = {});
  /// Says goodbye to the others. While an exception unwinds the stack, the others are told of a
  /// failure instead; `run_rank` gives them its text.
  ~Comm();
  Comm(const Comm&) = delete;
  Comm& operator=(const Comm&) = delete;

  int rank() const { return world_.rank; }
  int world_size() const { return world_.world_size; }
  int local_rank() const { return world_.local_rank; }
  bool is_main() const { return world_.rank == 0; }
  const WorldInfo& world() const { return world_; }
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
  /// `text` of each rank, in rank order; lengths may differ.
  std::vector<std::string> all_gather(const std::string& text, const char* what);
  /// `text` of rank `root`.
  std::string broadcast(const std::string& text, const char* what, int root = 0);
  /// One number, on the CPU: for a decision that all ranks must take alike.
  double all_reduce(double value, const char* what, Reduce reduce = Reduce::sum);
  /// Returns when every rank has called it; work queued on GPUs is not waited for.
  void barrier(const char* what);

  /// Tells all other ranks, and the launcher, that this rank has failed; they stop within a second
  /// or so. Waits until they know, for a few seconds at most.
  void report_failure(const std::string& reason) noexcept;

  /// c10d's group for `GradientReducer`; null in a world of one.
  const c10::intrusive_ptr<c10d::ProcessGroup>& group() const;

  /// Runs `body`, which communicates on `device`, as the operation `name`: errors of the
  /// communication say rank, step and name; on a GPU the operation lasts until the current stream
  /// has done it.
  void guarded(const std::string& name, torch::Device device, const std::function<void()>& body);

 private:
  struct Connection;
  WorldInfo world_;
  std::string backend_ = "none";
  torch::Device device_ = torch::kCPU;
  std::unique_ptr<Connection> connection_;
};

/// Runs `body` as this rank's whole work and returns its exit status, or 1 when it throws. With
/// several ranks what it throws is logged, told to the other ranks and the launcher, and the
/// process ends here: half-done collectives would hold up its orderly end.
int run_rank(Comm& comm, const std::function<int()>& body);

}  // namespace pixelclip
