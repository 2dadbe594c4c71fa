#include "cli/bench/operation_counter.hpp"

#include <torch/types.h>

#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <vector>

namespace pixelclip::cli {
namespace {

/// Operations that only describe the memory of others.
const std::set<std::string_view> kViews = {
    "aten::alias",        "aten::as_strided", "aten::detach",     "detach",
    "aten::diagonal",     "aten::expand",     "aten::lift_fresh", "aten::permute",
    "aten::reshape",      "aten::resize_",    "aten::select",     "aten::set_",
    "aten::slice",        "aten::split",      "aten::squeeze",    "aten::t",
    "aten::transpose",    "aten::unbind",     "aten::unfold",     "aten::unsqueeze",
    "aten::_unsafe_view", "aten::view",       "aten::view_as",    "aten::_reshape_alias"};
const std::set<std::string_view> kAllocations = {"aten::empty", "aten::empty_like",
                                                 "aten::empty_strided"};
const std::set<std::string_view> kReads = {"aten::_local_scalar_dense", "aten::nonzero"};

std::mutex counting;
OperationCounts counted;
/// For each operation that runs on this thread, whether it has called another.
thread_local std::vector<bool> calls_others;

void count_copy(const at::RecordFunction& function) {
  const auto inputs = function.inputs();
  if (inputs.size() < 2 || !inputs[0].isTensor() || !inputs[1].isTensor()) return;
  const bool to_gpu = inputs[0].toTensor().is_cuda(), from_gpu = inputs[1].toTensor().is_cuda();
  if (to_gpu == from_gpu) return;
  const bool blocking = inputs.size() < 3 || !inputs[2].isBool() || !inputs[2].toBool();
  (to_gpu ? counted.to_device : counted.to_host) += 1;
  counted.synchronized += blocking ? 1 : 0;
}

std::unique_ptr<at::ObserverContext> begin_operation(const at::RecordFunction& function) {
  if (!calls_others.empty()) calls_others.back() = true;
  calls_others.push_back(false);
  const std::string_view name = function.name();
  const std::lock_guard lock(counting);
  if (name == "aten::copy_") count_copy(function);
  if (kReads.contains(name)) ++counted.synchronized;
  if (kAllocations.contains(name)) ++counted.allocations;
  return nullptr;
}

/// An operation that called no other did the work itself.
void end_operation(const at::RecordFunction& function, at::ObserverContext*) {
  if (calls_others.empty()) return;
  const bool composite = calls_others.back();
  calls_others.pop_back();
  const std::string_view name = function.name();
  if (composite || kViews.contains(name) || kAllocations.contains(name)) return;
  const std::lock_guard lock(counting);
  ++counted.operations;
}

}  // namespace

OperationCounter::OperationCounter() {
  counted = {};
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&begin_operation, &end_operation)
                                           .needsInputs(true)
                                           .scopes({at::RecordScope::FUNCTION}));
}

OperationCounter::~OperationCounter() { at::removeCallback(handle_); }

const OperationCounts& OperationCounter::counts() const { return counted; }

}  // namespace pixelclip::cli
