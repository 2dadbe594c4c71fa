#include "dist/ddp.hpp"

#include <torch/types.h>

#include <algorithm>
#include <sstream>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

namespace pixelclip {
namespace {

/// Buckets in the order in which the backward pass fills them: the last parameters' first. The
/// first bucket is small, so that communication starts early.
std::vector<std::vector<size_t>> buckets_of(const std::vector<torch::Tensor>& parameters) {
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      parameters, {c10d::kDefaultFirstBucketBytes, c10d::kDefaultBucketBytesCap},
      std::vector<bool>(parameters.size(), false));
  std::reverse(buckets.begin(), buckets.end());
  return buckets;
}

/// The ranks would otherwise add up tensors that do not belong together. Every rank gets the error.
void check_alike(const std::vector<std::pair<std::string, torch::Tensor>>& parameters, Comm& comm) {
  std::string own;
  for (const auto& [name, tensor] : parameters) {
    own += pixelclip::str(name, " ", tensor.sizes(), " of type ", tensor.scalar_type(), "\n");
  }
  const std::string first = comm.broadcast(own, "names of the parameters");
  std::string difference;
  if (own != first) {
    std::istringstream own_lines(own), first_lines(first);
    std::string line, other;
    do {
      std::getline(own_lines, line);
      std::getline(first_lines, other);
    } while (line == other);
    difference = str("rank ", comm.rank(), " trains ", line.empty() ? "nothing more" : line,
                     " where rank 0 trains ", other.empty() ? "nothing more" : other);
  }
  for (const auto& text : comm.all_gather(difference, "comparison of the parameters")) {
    if (!text.empty()) fail(text, "; all ranks need the same configuration and program");
  }
}

void prepare_buckets(c10d::Reducer& reducer, const std::vector<torch::Tensor>& outputs) {
  if (reducer.should_rebuild_buckets()) reducer.rebuild_buckets();
  // Where a step happens to use all parameters, c10d advises on every rank not to look for unused
  // ones.
  struct Quiet : c10::WarningHandler {
    void process(const c10::Warning&) override {}
  } quiet;
  const c10::WarningUtils::WarningHandlerGuard guard(&quiet);
  reducer.prepare_for_backward(outputs);
}

}  // namespace

GradientReducer::GradientReducer(std::vector<std::pair<std::string, torch::Tensor>> parameters,
                                 Comm& comm, bool find_unused)
    : comm_(comm) {
  if (!comm.group()) return;
  std::vector<torch::Tensor> tensors;
  std::unordered_map<size_t, std::string> names;
  for (auto& [name, tensor] : parameters) {
    TORCH_CHECK(tensor.requires_grad(), name, " does not train, so it has no gradient to reduce");
    names.emplace(tensors.size(), name);
    tensors.push_back(tensor);
  }
  TORCH_CHECK(!tensors.empty(), "no parameter trains, so there is no gradient to reduce");
  device_ = tensors[0].device();
  check_alike(parameters, comm_);
  const size_t count = tensors.size();
  auto buckets = buckets_of(tensors);
  reducer_ = std::make_unique<c10d::Reducer>(
      std::move(tensors), std::move(buckets), comm_.group(), std::vector<bool>(count, false),
      c10d::kDefaultBucketBytesCap, find_unused, /*gradient_as_bucket_view=*/false,
      std::move(names), c10d::kDefaultFirstBucketBytes, /*skip_all_reduce_unused_params=*/false,
      /*use_python_reducer=*/false, std::vector<int64_t>());
}

GradientReducer::~GradientReducer() {
  if (reducer_) reducer_->remove_autograd_hooks();
}

void GradientReducer::prepare(const std::vector<torch::Tensor>& outputs) {
  if (!reducer_) return;
  comm_.guarded("preparation of the gradients' buckets", device_,
                [&] { prepare_buckets(*reducer_, outputs); });
}

void GradientReducer::backward(const torch::Tensor& loss) {
  comm_.guarded("averaging of the gradients", device_, [&] {
    if (reducer_) prepare_buckets(*reducer_, {loss});
    loss.backward();
    if (reducer_) reducer_->check_finalized();
  });
}

void GradientReducer::finish() {
  if (reducer_) reducer_->check_finalized();
}

void broadcast_tensors(const std::vector<torch::Tensor>& tensors, Comm& comm, const char* what) {
  for (const auto& tensor : tensors) comm.broadcast(tensor, what);
}

}  // namespace pixelclip
