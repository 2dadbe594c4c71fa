#include "nn/linear.hpp"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/nn/functional/linear.h>
#include <torch/utils.h>

namespace pixelclip {
using torch::Tensor;
namespace {

/// oneDNN's product as PyTorch's compiler asks for it. It has no C++ function and no promise to
/// stay, so it is looked up; nothing where this LibTorch has none.
const std::optional<c10::OperatorHandle>& onednn_operator() {
  static const auto found = [] {
    auto handle = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    const bool known = handle && handle->schema().arguments().size() == 6 &&
                       at::get_cpu_capability().starts_with("AVX");
    return known ? handle : std::nullopt;
  }();
  return found;
}

/// A product with a smaller matrix takes longer to prepare than it saves.
constexpr int64_t kLeastWeights = 1 << 16;

bool onednn_computes(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const bool backward =
      at::GradMode::is_enabled() &&
      (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  return !backward && x.is_cpu() && x.scalar_type() == torch::kFloat &&
         weight.scalar_type() == torch::kFloat && weight.numel() >= kLeastWeights &&
         x.numel() > 0 && at::globalContext().userEnabledMkldnn() && onednn_operator();
}

Tensor onednn_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  std::vector<c10::IValue> stack = {x,
                                    weight,
                                    bias.defined() ? c10::IValue(bias) : c10::IValue(),
                                    "none",
                                    c10::List<std::optional<at::Scalar>>(),
                                    c10::IValue()};
  onednn_operator()->callBoxed(stack);
  return stack.front().toTensor();
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (at::autocast::is_autocast_enabled(x.device().type()))
    return torch::nn::functional::linear(x, weight, bias);
  return onednn_computes(x, weight, bias) ? onednn_product(x, weight, bias)
                                          : at::linear(x, weight, bias);
}

}  // namespace pixelclip
