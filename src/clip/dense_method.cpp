#include "clip/dense_method.hpp"

#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/nn/functional/normalization.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "nn/functional.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

/// The inputs of an attention rule.
struct LastBlock {
  ResidualBlockImpl& block;
  const TokenGrid& tokens;
  const DenseOptions& options;
  const Tensor& helper;
};

/// softmax(a·bᵀ/√d + window)·v of the patches' rows of a: all [B, heads, 1 + N, d] → [B, heads, N,
/// d]. The class token is a key but no query, for its row is not used.
Tensor attend(const Tensor& a, const Tensor& b, const Tensor& v, const Tensor& window = {}) {
  return at::scaled_dot_product_attention(a.slice(2, 1), b, v,
                                          window.defined() ? std::optional(window) : std::nullopt);
}

TokenGrid on_same_grid(const LastBlock& in, const Tensor& heads) {
  return {in.block.join(heads), in.tokens.height, in.tokens.width};
}

/// A = 1: each patch attends to itself, O(v). Queries and keys are not computed. Zhou et al.,
/// "Extract Free Dense Labels from CLIP", ECCV 2022 (MaskCLIP); PixelCLIP §3.
TokenGrid identity(const LastBlock& in) {
  return on_same_grid(in, in.block.project(in.tokens.x.slice(1, 1), 2)[0]);
}

/// A = softmax(q·kᵀ/√d): CLIP's own attention. Radford et al., ICML 2021.
TokenGrid query_key(const LastBlock& in) {
  const auto qkv = in.block.project(in.tokens.x, 0);
  return on_same_grid(in, attend(qkv[0], qkv[1], qkv[2]));
}

/// A = softmax(q·qᵀ/√d) + softmax(k·kᵀ/√d), rows sum to 2. Wang et al., "SCLIP", ECCV 2024, eq. 5.
TokenGrid correlative(const LastBlock& in) {
  const auto qkv = in.block.project(in.tokens.x, 0);
  return on_same_grid(in, attend(qkv[0], qkv[0], qkv[2]) + attend(qkv[1], qkv[1], qkv[2]));
}

/// A = softmax(q·qᵀ/√d). Lan et al., "ClearCLIP", ECCV 2024.
TokenGrid query_query(const LastBlock& in) {
  const auto qkv = in.block.project(in.tokens.x, 0);
  return on_same_grid(in, attend(qkv[0], qkv[0], qkv[2]));
}

/// A = softmax(k·kᵀ/√d): NACLIP without its window.
TokenGrid key_key(const LastBlock& in) {
  const auto kv = in.block.project(in.tokens.x, 1);
  return on_same_grid(in, attend(kv[0], kv[0], kv[1]));
}

/// exp(−distance² / 2σ²) of all pairs of patches, and 0 for the class token's column: [N, 1 + N].
Tensor gaussian_window(int64_t height, int64_t width, double sigma, const Tensor& like) {
  const auto along = [&](int64_t length) {
    const auto at = torch::arange(length, like.options().dtype(torch::kFloat));
    return ((at.unsqueeze(0) - at.unsqueeze(1)).square() / (-2 * sigma * sigma)).exp();
  };
  const auto rows = along(height).view({height, 1, height, 1});
  const auto columns = along(width).view({1, width, 1, width});
  const auto window = (rows * columns).view({height * width, height * width});
  return torch::constant_pad_nd(window, {1, 0}).to(like.scalar_type());
}

/// A = softmax(k·kᵀ/√d + G), G a Gaussian of the distance on the grid. Hajimiri et al., "Pay
/// Attention to Your Neighbours" (NACLIP), WACV 2025, eq. 7.
TokenGrid neighbours(const LastBlock& in) {
  const auto kv = in.block.project(in.tokens.x, 1);
  const auto window =
      gaussian_window(in.tokens.height, in.tokens.width, in.options.gaussian_std, kv);
  return on_same_grid(in, attend(kv[0], kv[0], kv[1], window));
}

/// Tokens [B, h·w, W] resized bilinearly to another grid, [B, h'·w', W].
Tensor on_grid(const Tensor& x, const TokenGrid& from, int64_t height, int64_t width) {
  if (from.height == height && from.width == width) return x;
  const auto map = x.transpose(1, 2).reshape({x.size(0), x.size(2), from.height, from.width});
  return resize_bilinear(map, height, width).flatten(2).transpose(1, 2);
}

/// The weights of PyTorch's bilinear resizing (align_corners = false) of one side: [to, from].
Tensor resizing_matrix(int64_t from, int64_t to, const torch::TensorOptions& options) {
  return at::upsample_linear1d(torch::eye(from, options).unsqueeze(0), {to}, false)[0].t();
}

/// A = softmax(γ(s − βμ)) over the entries that are not negative and the diagonal; s are the
/// cosines of the helper's features [B, C, h', w'], μ the mean of all of an image's. One matrix for
/// all heads; the result is on the helper's grid. Lan et al., "ProxyCLIP", ECCV 2024, eq. 6 to 8.
/// The output projection is applied before A and before the resizing R of v to that grid, and A·R
/// is computed first: the result is the same, because the rows of A and R sum to 1, and costs less.
TokenGrid proxy(const LastBlock& in) {
  TORCH_CHECK(in.helper.defined() && in.helper.dim() == 4, "proxyclip without a helper's features");
  constexpr int64_t kEntries = int64_t{1} << 18;         // of A at once: they stay in the cache
  const auto values = identity(in).x.to(torch::kFloat);  // [B, N, W]
  // Whether a pair is dropped must not depend on a lower precision.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const int64_t batch = in.helper.size(0), height = in.helper.size(2), width = in.helper.size(3),
                places = height * width;
  const auto units =
      l2_normalise(in.helper.to(torch::kFloat).flatten(2).transpose(1, 2));  // [B, M, C]
  const auto mean =
      units.mean(1, /*keepdim=*/true).square().sum(2, /*keepdim=*/true);  // μ [B, 1, 1]
  const auto shift = mean * (-in.options.beta * in.options.gamma);
  const auto rows_matrix = resizing_matrix(in.tokens.height, height, units.options());
  const auto columns_matrix = resizing_matrix(in.tokens.width, width, units.options());
  const bool same_grid = in.tokens.height == height && in.tokens.width == width;
  std::vector<Tensor> parts;
  const int64_t rows = std::max<int64_t>(1, kEntries / (places * batch));
  for (int64_t first = 0; first < places; first += rows) {
    const int64_t count = std::min(rows, places - first);
    auto logits = torch::baddbmm(shift, units.narrow(1, first, count), units.transpose(1, 2),
                                 /*beta=*/1, /*alpha=*/in.options.gamma);  // [B, rows, M]
    const auto diagonal = logits.diagonal(first, 1, 2).clone();
    logits = at::threshold(logits, -std::numeric_limits<float>::min(),
                           -std::numeric_limits<float>::infinity());
    logits.diagonal(first, 1, 2).copy_(diagonal);
    auto attention = logits.softmax(2);
    if (!same_grid) {
      attention = torch::matmul(attention.view({batch, count, height, width}), columns_matrix);
      attention = torch::matmul(rows_matrix.t(), attention).flatten(2);  // A·R [B, rows, N]
    }
    parts.push_back(torch::matmul(attention, values));
  }
  return {parts.size() == 1 ? parts[0] : torch::cat(parts, 1), height, width};
}

/// A method as published.
struct Method {
  DenseMethod method;
  TokenGrid (*attention)(const LastBlock&);
  DenseForm form;
  PositionRule positions;
  bool helper;
};

constexpr Method kMethods[] = {
    {DenseMethod::pixelclip, identity, DenseForm::class_token, PositionRule::plain, false},
    {DenseMethod::vanilla, query_key, DenseForm::full, PositionRule::offset, false},
    {DenseMethod::maskclip, identity, DenseForm::full, PositionRule::offset, false},
    {DenseMethod::sclip, correlative, DenseForm::full, PositionRule::offset, false},
    {DenseMethod::clearclip, query_query, DenseForm::reduced, PositionRule::offset, false},
    {DenseMethod::naclip, neighbours, DenseForm::reduced, PositionRule::offset, false},
    {DenseMethod::kk, key_key, DenseForm::reduced, PositionRule::offset, false},
    {DenseMethod::proxyclip, proxy, DenseForm::reduced, PositionRule::offset, true},
};

const Method& find_method(DenseMethod method) {
  return *std::find_if(std::begin(kMethods), std::end(kMethods),
                       [&](const Method& each) { return each.method == method; });
}

}  // namespace

TokenGrid apply_last_block(ResidualBlockImpl& block, const TokenGrid& tokens,
                           const DenseOptions& options, const Tensor& helper) {
  const Method& method = find_method(options.method);
  auto result = method.attention({block, tokens, options, helper});
  const auto form = options.form == DenseForm::automatic ? method.form : options.form;
  if (form == DenseForm::reduced) return result;
  const auto residual = form == DenseForm::class_token
                            ? tokens.x.slice(1, 0, 1)
                            : on_grid(tokens.x.slice(1, 1), tokens, result.height, result.width);
  result.x = block.add_mlp(result.x + residual);
  return result;
}

PositionRule position_rule(const DenseOptions& options) {
  return find_method(options.method).positions;
}

bool is_default(const DenseOptions& options) {
  return options.method == DenseMethod::pixelclip && options.form == DenseForm::automatic;
}

bool needs_helper(const DenseOptions& options) { return find_method(options.method).helper; }

void fail_without_helper(const DenseOptions& options) {
  fail("the dense method ", options.method, " needs another model's features: name a ",
       "file of DINO or DINOv2 with MODEL.DENSE.HELPER_WEIGHTS (--helper)");
}

DenseMethod dense_method(const std::string& name) {
  if (const auto method = parse_spelling<DenseMethod>(name)) return *method;
  fail("unknown dense method \"", name, "\"", did_you_mean(name, all_spellings<DenseMethod>()));
}

}  // namespace pixelclip
