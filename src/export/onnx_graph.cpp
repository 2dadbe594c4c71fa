#include "export/onnx_graph.hpp"

#include <cmath>
#include <cstdio>

#include "base/error.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr double kLargestHalf = 65504;

OnnxType type_of(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat:
      return OnnxType::float32;
    case torch::kHalf:
      return OnnxType::float16;
    case torch::kLong:
      return OnnxType::int64;
    default:
      TORCH_CHECK(false, "no ONNX constant of type ", tensor.dtype());
  }
}

std::string add(OnnxModel& model, const std::string& name, const Tensor& tensor) {
  const auto owner = std::make_shared<Tensor>(tensor.detach().to(torch::kCPU).contiguous());
  return model.add_tensor({name,
                           type_of(*owner),
                           owner->sizes().vec(),
                           {static_cast<const uint8_t*>(owner->const_data_ptr()), owner->nbytes()},
                           owner});
}

}  // namespace

OnnxValue OnnxGraph::exact(const std::string& name, const Tensor& tensor) {
  return add(model_, name, tensor);
}

OnnxValue OnnxGraph::constant(const std::string& name, const Tensor& tensor) {
  if (!half_ || tensor.dim() < 2) return exact(name, tensor);
  if (tensor.abs().max().item<double>() > kLargestHalf) {
    fail("the tensor ", name, " holds numbers too large for half precision: export without --half");
  }
  return op("Cast", {add(model_, name, tensor.to(torch::kHalf))},
            {{"to", static_cast<int64_t>(OnnxType::float32)}});
}

OnnxValue OnnxGraph::ints(const std::vector<int64_t>& values) {
  std::string name = "ints";
  for (const int64_t value : values) name += str("_", value);
  return exact(name, torch::tensor(values, torch::kLong));
}

OnnxValue OnnxGraph::number(double value) {
  char name[40];
  std::snprintf(name, sizeof name, "number_%.9g", value);
  return exact(name, torch::tensor(value, torch::kFloat));
}

OnnxValue OnnxGraph::shape(const OnnxValue& x, int64_t first, int64_t end) {
  return op("Shape", {x}, {{"start", first}, {"end", end}});
}

OnnxValue OnnxGraph::concat(const std::vector<OnnxValue>& parts, int64_t axis) {
  return op("Concat", parts, {{"axis", axis}});
}

OnnxValue OnnxGraph::slice(const OnnxValue& x, const OnnxValue& first, const OnnxValue& end,
                           int64_t axis) {
  return op("Slice", {x, first, end, ints({axis})});
}

OnnxValue OnnxGraph::transpose(const OnnxValue& x, const std::vector<int64_t>& order) {
  return op("Transpose", {x}, {{"perm", order}});
}

OnnxValue OnnxGraph::linear(const OnnxValue& x, const std::string& weight_key,
                            const std::string& bias_key) {
  const auto y = op("MatMul", {x, constant(weight_key, weight(weight_key).t())});
  return has(bias_key) ? op("Add", {y, parameter(bias_key)}) : y;
}

OnnxValue OnnxGraph::layer_norm(const OnnxValue& x, const std::string& key, double eps) {
  return op("LayerNormalization", {x, parameter(key + ".weight"), parameter(key + ".bias")},
            {{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(eps)}});
}

OnnxValue OnnxGraph::activate(const OnnxValue& x, Activation activation) {
  if (activation == Activation::quick_gelu)
    return op("Mul", {x, op("Sigmoid", {op("Mul", {x, number(1.702)})})});
  const auto erf = op("Erf", {op("Div", {x, number(std::sqrt(2.0))})});
  return op("Mul", {op("Mul", {x, op("Add", {erf, number(1)})}), number(0.5)});
}

OnnxValue OnnxGraph::length(const OnnxValue& x, int64_t axis) {
  return op("ReduceL2", {x}, {{"axes", std::vector<int64_t>{axis}}, {"keepdims", int64_t{1}}});
}

OnnxValue OnnxGraph::divide_by_length(const OnnxValue& x, const OnnxValue& length) {
  return op("Div", {x, op("Max", {length, number(1e-12)})});
}

OnnxValue OnnxGraph::l2_normalise(const OnnxValue& x, int64_t axis) {
  return divide_by_length(x, length(x, axis));
}

OnnxValue OnnxGraph::resize(const OnnxValue& x, const OnnxValue& size, const std::string& mode) {
  return op("Resize", {x, "", "", concat({shape(x, 0, 2), size}, 0)},
            {{"mode", mode},
             {"coordinate_transformation_mode", "half_pixel"},
             {"cubic_coeff_a", -0.75f}});
}

}  // namespace pixelclip
