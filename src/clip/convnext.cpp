#include "clip/convnext.hpp"

#include <algorithm>
#include <numeric>

#include "nn/linear.hpp"

namespace pixelclip {
namespace nn = torch::nn;
using torch::Tensor;
namespace {

nn::LayerNorm layer_norm(int64_t width) {
  return nn::LayerNorm(nn::LayerNormOptions({width}).eps(1e-6));
}

/// LayerNorm over the channels of [B, C, h, w]; in channels-last memory both permutations are
/// views.
class ChannelNormImpl : public nn::LayerNormImpl {
 public:
  explicit ChannelNormImpl(int64_t width)
      : nn::LayerNormImpl(nn::LayerNormOptions({width}).eps(1e-6)) {}
  Tensor forward(const Tensor& x) {
    return nn::LayerNormImpl::forward(x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
  }
};
TORCH_MODULE(ChannelNorm);

nn::Conv2d patch_conv(int64_t in, int64_t out, int64_t size) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, size).stride(size));
}

/// A module that only groups children, so that parameters get their checkpoint names.
std::shared_ptr<nn::Module> group(nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<nn::ModuleDictImpl>());
}

}  // namespace

Tensor residual_factors(int64_t batch, double drop, const at::Generator& random) {
  const double keep = 1.0 - drop;
  return torch::empty({batch}, torch::kFloat).bernoulli_(keep, random) / keep;
}

ConvNextBlockImpl::ConvNextBlockImpl(int64_t width, bool depthwise_channels_last)
    : depthwise_channels_last_(depthwise_channels_last) {
  conv_dw = register_module(
      "conv_dw", nn::Conv2d(nn::Conv2dOptions(width, width, 7).padding(3).groups(width)));
  norm = register_module("norm", layer_norm(width));
  const auto mlp = register_module("mlp", nn::ModuleDict());
  fc1_ = mlp->register_module("fc1", nn::Linear(width, 4 * width));
  fc2_ = mlp->register_module("fc2", nn::Linear(4 * width, width));
  gamma = register_parameter("gamma", torch::full({width}, 1e-6));
}

Tensor ConvNextBlockImpl::forward(const Tensor& x, const Tensor& factors) {
  // Without gradients in place where the types allow it: large tensors cost more to allocate than
  // to compute.
  const bool in_place = !at::GradMode::is_enabled();
  const auto input = depthwise_channels_last_ ? x : x.contiguous();
  auto y = norm(conv_dw(input).permute({0, 2, 3, 1}));  // [B, h, w, W]
  y = linear(fc1_, y);
  y = linear(fc2_, in_place ? at::gelu_(y) : at::gelu(y));
  y = in_place && y.dtype() == gamma.dtype() ? y.mul_(gamma) : y * gamma;
  y = y.permute({0, 3, 1, 2});  // [B, W, h, w]
  if (factors.defined()) y = y * factors.to(y.scalar_type()).view({-1, 1, 1, 1});
  return in_place && y.dtype() == x.dtype() ? y.add_(x) : x + y;
}

ConvNextImpl::ConvNextImpl(const ConvNextOptions& options) {
  const auto trunk = group(*this, "trunk");
  stem_ = trunk->register_module(
      "stem", nn::Sequential(patch_conv(3, options.widths[0], 4), ChannelNorm(options.widths[0])));
  const auto stages = group(*trunk, "stages");
  const int64_t total = std::accumulate(options.depths.begin(), options.depths.end(), int64_t{0});
  int64_t index = 0;
  for (size_t s = 0; s < 4; ++s) {
    const int64_t width = options.widths[s];
    const auto stage = group(*stages, std::to_string(s));
    if (s > 0) {
      const int64_t previous = options.widths[s - 1];
      downsample_[s] = stage->register_module(
          "downsample", nn::Sequential(ChannelNorm(previous), patch_conv(previous, width, 2)));
    }
    blocks_[s] = stage->register_module("blocks", nn::ModuleList());
    for (int64_t i = 0; i < options.depths[s]; ++i, ++index) {
      drop_path_.push_back(total > 1 ? options.drop_path_rate * index / (total - 1) : 0.0);
      blocks_[s]->push_back(ConvNextBlock(width, options.depthwise_channels_last));
    }
  }
  norm_ = group(*trunk, "head")->register_module("norm", layer_norm(options.widths[3]));

  const auto head = group(*this, "head");
  const auto linear = [](int64_t in, int64_t out, bool bias) {
    return nn::Linear(nn::LinearOptions(in, out).bias(bias));
  };
  if (options.head_hidden > 0) {
    const auto mlp = group(*head, "mlp");
    hidden_ = mlp->register_module("fc1", linear(options.widths[3], options.head_hidden, true));
    proj_ = mlp->register_module("fc2", linear(options.head_hidden, options.embedding, false));
  } else {
    proj_ = head->register_module("proj", linear(options.widths[3], options.embedding, false));
  }
}

Tensor ConvNextImpl::draw_factors(const Tensor& images, const at::Generator& random) const {
  const auto drops = [](double rate) { return rate > 0; };
  if (!is_training() || std::none_of(drop_path_.begin(), drop_path_.end(), drops)) return {};
  TORCH_CHECK(random.defined(), "stochastic depth needs a random stream in training");
  const int64_t batch = images.size(0);
  std::vector<Tensor> rows;
  for (const double rate : drop_path_)
    rows.push_back(drops(rate) ? residual_factors(batch, rate, random) : torch::ones({batch}));
  const auto factors = torch::stack(rows);
  // One copy that a GPU need not wait for.
  return images.is_cuda() ? factors.pin_memory().to(images.device(), /*non_blocking=*/true)
                          : factors;
}

Tensor ConvNextImpl::features(const Tensor& images, const at::Generator& random) {
  const auto factors = draw_factors(images, random);
  int64_t index = 0;
  auto x = stem_->forward(images.contiguous(torch::MemoryFormat::ChannelsLast));
  for (size_t s = 0; s < 4; ++s) {
    if (s > 0) x = downsample_[s]->forward(x);
    for (const auto& block : *blocks_[s]) {
      const bool drops = factors.defined() && drop_path_[index] > 0;
      x = block->as<ConvNextBlock>()->forward(x, drops ? factors[index] : Tensor());
      ++index;
    }
  }
  return x.permute({0, 2, 3, 1});
}

Tensor ConvNextImpl::project(const Tensor& features) {
  auto x = norm_(features);
  if (!hidden_.is_empty()) x = at::gelu(linear(hidden_, x));
  return linear(proj_, x);
}

Tensor ConvNextImpl::dense(const Tensor& images, const at::Generator& random) {
  return project(features(images, random));
}

std::pair<Tensor, Tensor> ConvNextImpl::dense_and_pooled(const Tensor& images,
                                                         const DenseOptions& method,
                                                         const Tensor& helper) {
  if (!is_default(method)) return ImageEncoderImpl::dense_and_pooled(images, method, helper);
  const auto x = features(images, {});
  return {project(x), project(x.mean({1, 2}))};
}

Tensor ConvNextImpl::pooled(const Tensor& images) {
  return project(features(images, {}).mean({1, 2}));
}

}  // namespace pixelclip
