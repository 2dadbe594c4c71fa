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
/// through here: the others, by `loss.backward()`, accumulate locally before it.
class GradientReducer {
 public:
  /// `parameters`: (name, tensor) of everything that trains, the same on every rank, all on one
  /// device. With `find_unused` a parameter without part in a step's loss keeps its gradient
  /// undefined when no rank used it, and counts as zero on the ranks that did not.
  /// Errors: ranks whose parameters differ in number, shape or type.
  GradientReducer(std::vector<std::pair<std::string, torch::Tensor>> parameters, Comm& comm,
                  bool find_unused = true);
  ~GradientReducer();

  /// `loss.backward()`, after which every gradient is the mean over the ranks (on a GPU: queued on
  /// the stream). Errors name rank and step when the communication fails; without `find_unused`, a
  /// parameter that the loss does not use.
  void backward(const torch::Tensor& loss);

  /// The same in parts: before any backward pass over `outputs`, and after it.
  void prepare(const std::vector<torch::Tensor>& outputs);
  void finish();

 private:
  Comm& comm_;
  torch::Device device_ = torch::kCPU;
  std::unique_ptr<c10d::Reducer> reducer_;
};

/// Overwrites parameters and buffers with those of rank 0.
void broadcast_tensors(const std::vector<torch::Tensor>& tensors, Comm& comm, const char* what);

}  // namespace pixelclip
