#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dist/comm.hpp"

namespace c10d {
class Reducer;
}

namespace pixelclip {

/// Averages gradients over the ranks while the backward pass still runs (c10d::Reducer, the engine
/// of DistributedDataParallel). Does nothing in a world of one.
///
/// A step is: forward, `backward(loss)`. With several backward passes a step only the last goes
/// through here: the others, by `loss.backward()`, accumulate locally before it. Afterwards the
/// gradients are views of the reducer's buckets.
class GradientReducer {
 public:
  /// `parameters`: (name, tensor) of everything that trains, the same on every rank, all on one
  /// device. Errors: ranks whose parameters differ in number, shape or type.
  GradientReducer(std::vector<std::pair<std::string, torch::Tensor>> parameters, Comm& comm);
  ~GradientReducer();

  /// `loss.backward()`, after which every gradient is the mean over the ranks (on a GPU: queued on
  /// the stream). Where some rank's first loss leaves a parameter out, each step looks for unused
  /// ones: such a parameter keeps its gradient undefined when no rank used it, and counts as zero
  /// on the ranks that did not. Errors name rank and step when the communication fails; a parameter
  /// that a later loss leaves out though the first used all.
  void backward(const torch::Tensor& loss);

 private:
  /// Looks whether `loss` uses all parameters, on every rank.
  void make_reducer(const torch::Tensor& loss);

  Comm& comm_;
  std::vector<std::pair<std::string, torch::Tensor>> parameters_;
  std::unique_ptr<c10d::Reducer> reducer_;
};

/// Overwrites parameters and buffers with those of rank 0.
void broadcast_tensors(const std::vector<torch::Tensor>& tensors, Comm& comm, const char* what);

}  // namespace pixelclip
