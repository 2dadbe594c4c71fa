#include "clip/text_encoder.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

namespace pixelclip {
using torch::Tensor;

TextEncoderImpl::TextEncoderImpl(const TextOptions& options) : options_(options) {
  const int64_t width = options.width;
  transformer = register_module("transformer", Transformer(width, options.layers, options.heads,
                                                           options.activation, options.mlp));
  token_embedding =
      register_module("token_embedding", torch::nn::Embedding(options.vocabulary, width));
  positional_embedding =
      register_parameter("positional_embedding", 0.01 * torch::randn({options.context, width}));
  ln_final =
      register_module("ln_final", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  text_projection = register_parameter(
      "text_projection", std::pow(width, -0.5) * torch::randn({width, options.embedding}));
  logit_scale =
      register_parameter("logit_scale", torch::tensor(std::log(1.0 / 0.07), torch::kFloat));
  torch::NoGradGuard no_grad;
  token_embedding->weight.mul_(0.02);
}

Tensor TextEncoderImpl::encode_text(const Tensor& tokens) {
  return encode_embedded(token_embedding(tokens), tokens.argmax(1));
}

Tensor TextEncoderImpl::encode_text_after(const Tensor& prefix, const Tensor& tokens) {
  const auto shared = with_positions(token_embedding(prefix).unsqueeze(0), 0);
  const auto rest = with_positions(token_embedding(tokens), prefix.size(0));
  return project(transformer->forward_after(shared, rest), tokens.argmax(1));
}

Tensor TextEncoderImpl::encode_embedded(const Tensor& embedded, const Tensor& ends) {
  return project(transformer(with_positions(embedded, 0), /*causal=*/true), ends);
}

Tensor TextEncoderImpl::with_positions(const Tensor& embedded, int64_t first) {
  const int64_t end = first + embedded.size(1);
  TORCH_CHECK(end <= options_.context, "a text of ", end, " tokens exceeds the context of ",
              options_.context);
  const auto type = text_projection.scalar_type();
  return embedded.to(type) + positional_embedding.slice(0, first, end).to(type);
}

Tensor TextEncoderImpl::project(const Tensor& x, const Tensor& ends) {
  const auto rows =
      x.index({torch::arange(x.size(0), x.options().dtype(torch::kLong)), ends});  // [N, W]
  return torch::matmul(normalised(ln_final, rows), text_projection);
}

std::shared_ptr<TextEncoderImpl> float16_text_encoder(const TextEncoderImpl& encoder) {
  torch::NoGradGuard no_grad;
  auto copy = std::make_shared<TextEncoderImpl>(encoder.text_options());
  const auto from = encoder.named_parameters();
  for (auto& item : copy->named_parameters()) {
    const auto& name = item.key();
    const bool keeps = name.find("ln_") != name.npos || name.find("embedding") != name.npos;
    item.value().set_requires_grad(false);
    item.value().set_data(from[name].detach().to(keeps ? torch::kFloat : torch::kHalf));
  }
  copy->eval();
  return copy;
}

Tensor pad_tokens(const std::vector<std::vector<int64_t>>& ids) {
  size_t longest = 0;
  for (const auto& row : ids) longest = std::max(longest, row.size());
  auto tokens =
      torch::zeros({static_cast<int64_t>(ids.size()), static_cast<int64_t>(longest)}, torch::kLong);
  for (size_t i = 0; i < ids.size(); ++i) {
    std::copy(ids[i].begin(), ids[i].end(), tokens.data_ptr<int64_t>() + i * longest);
  }
  return tokens;
}

}  // namespace pixelclip
