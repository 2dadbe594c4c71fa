#pragma once

#include <string>
#include <vector>

#include "export/onnx_model.hpp"
#include "io/state_dict.hpp"
#include "nn/transformer.hpp"

namespace pixelclip {

/// The name of a value in the graph.
using OnnxValue = std::string;

/// Puts the operations of CLIP's encoders into an OnnxModel. `weights` are in CLIP's names, and
/// constants keep these names; matrices of linear layers lie transposed. With `half`, constants of
/// two or more dimensions are stored in float16 and cast to float32 where they are used.
class OnnxGraph {
 public:
  OnnxGraph(OnnxModel& model, const StateDict& weights, bool half)
      : model_(model), weights_(weights), half_(half) {}

  OnnxModel& model() { return model_; }
  const torch::Tensor& weight(const std::string& key) const { return weights_.at(key); }
  bool has(const std::string& key) const { return weights_.count(key) != 0; }

  OnnxValue op(const std::string& type, const std::vector<OnnxValue>& inputs,
               const OnnxAttributes& attributes = {}) {
    return model_.add_node(type, inputs, attributes);
  }
  /// The last operation of an output.
  void named(const std::string& output, const std::string& type,
             const std::vector<OnnxValue>& inputs, const OnnxAttributes& attributes = {}) {
    model_.add_node(type, inputs, attributes, output);
  }

  /// A tensor as float32, or as int64 where it holds integers. Errors: numbers that float16 lacks.
  OnnxValue constant(const std::string& name, const torch::Tensor& tensor);
  /// The same of numbers that stay in float32.
  OnnxValue exact(const std::string& name, const torch::Tensor& tensor);
  OnnxValue parameter(const std::string& key) { return constant(key, weight(key)); }
  OnnxValue ints(const std::vector<int64_t>& values);
  OnnxValue number(double value);

  /// Lengths `first` to `end` − 1 of x's shape, int64 [end − first].
  OnnxValue shape(const OnnxValue& x, int64_t first, int64_t end);
  OnnxValue concat(const std::vector<OnnxValue>& parts, int64_t axis);
  OnnxValue slice(const OnnxValue& x, const OnnxValue& first, const OnnxValue& end, int64_t axis);
  OnnxValue transpose(const OnnxValue& x, const std::vector<int64_t>& order);

  /// x @ matrix of the linear layer with weight [out, in] and, where it has one, bias.
  OnnxValue linear(const OnnxValue& x, const std::string& weight_key, const std::string& bias_key);
  /// Over the last dimension, with the weights KEY.weight and KEY.bias.
  OnnxValue layer_norm(const OnnxValue& x, const std::string& key, double eps = 1e-5);
  OnnxValue activate(const OnnxValue& x, Activation activation);
  /// `x` divided by `length`, at least 1e-12.
  OnnxValue divide_by_length(const OnnxValue& x, const OnnxValue& length);
  OnnxValue length(const OnnxValue& x, int64_t axis);
  OnnxValue l2_normalise(const OnnxValue& x, int64_t axis);
  /// [B, C, h, w] → [B, C, `size`], `size` int64 [2]; `mode` linear or cubic as PyTorch computes
  /// them without align_corners and antialiasing.
  OnnxValue resize(const OnnxValue& x, const OnnxValue& size, const std::string& mode);

 private:
  OnnxModel& model_;
  const StateDict& weights_;
  const bool half_;
};

}  // namespace pixelclip
