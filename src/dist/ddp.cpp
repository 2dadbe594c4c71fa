#include "dist/ddp.hpp"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/types.h>

#include <algorithm>
#include <sstream>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#include <unordered_set>

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

/// The ranks would otherwise sum tensors of different parameters. Every rank throws the error.
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
    if (!text.empty()) fail(text, "; all ranks need the same configuration and the same program");
  }
}

/// Whether the backward pass of `loss` reaches every parameter.
bool uses_all(const torch::Tensor& loss,
              const std::vector<std::pair<std::string, torch::Tensor>>& parameters) {
  using torch::autograd::Node;
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> open = {loss.grad_fn().get()};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (!node || !seen.insert(node).second) continue;
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return std::all_of(parameters.begin(), parameters.end(), [&](const auto& parameter) {
    return seen.contains(torch::autograd::impl::grad_accumulator(parameter.second).get());
  });
}

void prepare_buckets(c10d::Reducer& reducer, const std::vector<torch::Tensor>& outputs) {
  if (reducer.should_rebuild_buckets()) reducer.rebuild_buckets();
  // c10d warns on every rank when a step happens to use all parameters.
  struct Quiet : c10::WarningHandler {
    void process(const c10::Warning&) override {}
  } quiet;
  const c10::WarningUtils::WarningHandlerGuard guard(&quiet);
  reducer.prepare_for_backward(outputs);
}

}  // namespace

GradientReducer::GradientReducer(std::vector<std::pair<std::string, torch::Tensor>> parameters,
                                 Comm& comm)
    : comm_(comm), parameters_(std::move(parameters)) {
  if (!comm.group()) return;
  TORCH_CHECK(!parameters_.empty(), "no parameter trains, so there is no gradient to reduce");
  for (const auto& [name, tensor] : parameters_)
    TORCH_CHECK(tensor.requires_grad(), name, " does not train, so it has no gradient to reduce");
  check_alike(parameters_, comm_);
}

GradientReducer::~GradientReducer() {
  if (reducer_) reducer_->remove_autograd_hooks();
}

void GradientReducer::make_reducer(const torch::Tensor& loss) {
  const double unused = uses_all(loss, parameters_) ? 0 : 1;
  const bool find_unused =
      comm_.all_reduce(unused, "whether a parameter is unused", Reduce::max) > 0;
  std::vector<torch::Tensor> tensors;
  std::unordered_map<size_t, std::string> names;
  for (const auto& [name, tensor] : parameters_) {
    names.emplace(tensors.size(), name);
    tensors.push_back(tensor);
  }
  auto buckets = buckets_of(tensors);
  reducer_ = std::make_unique<c10d::Reducer>(
      std::move(tensors), std::move(buckets), comm_.group(),
      std::vector<bool>(parameters_.size(), false), c10d::kDefaultBucketBytesCap, find_unused,
      /*gradient_as_bucket_view=*/true, std::move(names), c10d::kDefaultFirstBucketBytes,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
      std::vector<int64_t>());
}

void GradientReducer::backward(const torch::Tensor& loss) {
  if (!comm_.group()) return loss.backward();
  if (!reducer_) make_reducer(loss);
  comm_.guarded("averaging of the gradients", loss.device(), [&] {
    prepare_buckets(*reducer_, {loss});
    loss.backward();
    reducer_->check_finalized();
  });
}

void broadcast_tensors(const std::vector<torch::Tensor>& tensors, Comm& comm, const char* what) {
  for (const auto& tensor : tensors) comm.broadcast(tensor, what);
}

}  // namespace pixelclip
