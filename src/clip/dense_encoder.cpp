#include "clip/dense_encoder.hpp"

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "clip/shared_trunk.hpp"
#include "nn/autocast.hpp"
#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

Tensor channel_values(const std::vector<double>& values, const torch::Device& device) {
  return torch::tensor(values, torch::kFloat).view({3, 1, 1}).to(device);
}

}  // namespace

PixelStatistics::PixelStatistics(const std::vector<double>& mean_values,
                                 const std::vector<double>& std_values, const torch::Device& device)
    : mean(channel_values(mean_values, device)), std(channel_values(std_values, device)) {}

Tensor PixelStatistics::normalise(const Tensor& image) const {
  // Non-blocking, which pays where the image lies in pinned memory.
  const auto pixels = image.to(mean.device(), image.scalar_type(), /*non_blocking=*/true);
  return (pixels.to(torch::kFloat) - mean) / std;
}

std::optional<torch::ScalarType> autocast_type(const std::string& precision) {
  if (precision == "float32") return std::nullopt;
  if (precision == "bfloat16") return torch::kBFloat16;
  if (precision == "float16") return torch::kHalf;
  fail("unknown precision \"", precision, "\": expected float32, bfloat16 or float16");
}

DenseEncoder::DenseEncoder(ImageEncoder encoder, PixelStatistics statistics,
                           std::optional<torch::ScalarType> type, DenseRecipe recipe)
    : encoder_(std::move(encoder)),
      statistics_(std::move(statistics)),
      type_(type),
      recipe_(std::move(recipe)) {
  if (needs_helper(recipe_.options) && !recipe_.helper) fail_without_helper(recipe_.options);
}

Tensor DenseEncoder::input(const Tensor& image, int64_t height, int64_t width, int64_t frame_height,
                           int64_t frame_width) const {
  auto x = statistics_.normalise(image);  // [3, H, W]
  const int64_t below = std::max<int64_t>(0, frame_height - x.size(1));
  const int64_t right = std::max<int64_t>(0, frame_width - x.size(2));
  if (below > 0 || right > 0) x = at::constant_pad_nd(x, {0, right, 0, below});
  return resize_bilinear(x.unsqueeze(0), height, width);  // [1, 3, height, width]
}

std::vector<Tensor> DenseEncoder::dense_by(const Tensor& inputs,
                                           const std::vector<DenseOptions>& methods) const {
  Tensor other;
  if (std::any_of(methods.begin(), methods.end(), needs_helper))
    other = recipe_.helper->features(inputs);
  const Autocast autocast(device(), type_);
  auto features = encoder_->dense_by(inputs, methods, other);
  for (auto& x : features) x = x.to(torch::kFloat);
  return features;
}

Tensor DenseEncoder::dense(const Tensor& inputs, const at::Generator& random) const {
  if (recipe_.trunk) {
    return recipe_.trunk->features(recipe_.member, inputs,
                                   [&](const auto& methods) { return dense_by(inputs, methods); });
  }
  if (!is_default(recipe_.options)) return dense_by(inputs, {recipe_.options})[0];
  const Autocast autocast(device(), type_);
  return encoder_->dense(inputs, random).to(torch::kFloat);
}

std::vector<Tensor> DenseEncoder::dense(const std::vector<Tensor>& inputs, size_t batch) const {
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> by_size;
  for (size_t i = 0; i < inputs.size(); ++i)
    by_size[{inputs[i].size(2), inputs[i].size(3)}].push_back(i);
  std::vector<Tensor> features(inputs.size());
  for (const auto& [size, members] : by_size) {
    for (size_t first = 0; first < members.size(); first += batch) {
      const size_t last = std::min(members.size(), first + batch);
      std::vector<Tensor> some;
      for (size_t i = first; i < last; ++i) some.push_back(inputs[members[i]]);
      const auto encoded = dense(torch::cat(some));  // [b, h, w, C]
      for (size_t i = first; i < last; ++i) features[members[i]] = encoded[i - first];
    }
  }
  return features;
}

std::pair<Tensor, Tensor> DenseEncoder::dense_and_pooled(const Tensor& inputs) const {
  Tensor other;
  if (needs_helper(recipe_.options)) other = recipe_.helper->features(inputs);
  const Autocast autocast(device(), type_);
  const auto [dense, pooled] = encoder_->dense_and_pooled(inputs, recipe_.options, other);
  return {dense.to(torch::kFloat), pooled.to(torch::kFloat)};
}

Tensor DenseEncoder::pooled(const Tensor& inputs) const {
  const Autocast autocast(device(), type_);
  return encoder_->pooled(inputs).to(torch::kFloat);
}

}  // namespace pixelclip
