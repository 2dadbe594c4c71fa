#include "modeling/dino.hpp"

#include <torch/utils.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "clip/position_embedding.hpp"
#include "io/load_into.hpp"
#include "modeling/mask_clusters.hpp"
#include "nn/functional.hpp"
#include "nn/lagged_flag.hpp"
#include "nn/linear.hpp"

namespace pixelclip {
namespace nn = torch::nn;
using torch::Tensor;
namespace {

nn::LayerNorm layer_norm(int64_t width) {
  return nn::LayerNorm(nn::LayerNormOptions({width}).eps(1e-6));
}

/// A learned factor for each channel (DINOv2's LayerScale).
struct LayerScaleImpl : nn::Module {
  explicit LayerScaleImpl(int64_t width) {
    gamma = register_parameter("gamma", torch::ones({width}));
  }
  Tensor gamma;
};
TORCH_MODULE(LayerScale);

/// Pre-norm block, heads = width / 64, exact GELU; with `scaled`, both branches end in a
/// LayerScale.
class BlockImpl : public nn::Module {
 public:
  BlockImpl(int64_t width, bool scaled) {
    norm1 = register_module("norm1", layer_norm(width));
    const auto attn = register_module("attn", nn::ModuleDict());
    qkv_ = attn->register_module("qkv", nn::Linear(width, 3 * width));
    proj_ = attn->register_module("proj", nn::Linear(width, width));
    norm2 = register_module("norm2", layer_norm(width));
    const auto mlp = register_module("mlp", nn::ModuleDict());
    fc1_ = mlp->register_module("fc1", nn::Linear(width, 4 * width));
    fc2_ = mlp->register_module("fc2", nn::Linear(4 * width, width));
    if (!scaled) return;
    ls1 = register_module("ls1", LayerScale(width));
    ls2 = register_module("ls2", LayerScale(width));
  }

  /// [B, N, W] → the same.
  Tensor forward(const Tensor& x) {
    const int64_t batch = x.size(0), length = x.size(1), width = x.size(2);
    const auto qkv =
        linear(qkv_, norm1(x)).view({batch, length, 3, width / 64, 64}).permute({2, 0, 3, 1, 4});
    const auto attended = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]);
    const auto y =
        x + scale(ls1, linear(proj_, attended.transpose(1, 2).reshape({batch, length, width})));
    return y + scale(ls2, linear(fc2_, at::gelu(linear(fc1_, norm2(y)))));
  }

 private:
  static Tensor scale(const LayerScale& factor, const Tensor& x) {
    return factor.is_empty() ? x : x * factor->gamma;
  }

  nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  nn::Linear qkv_{nullptr}, proj_{nullptr}, fc1_{nullptr}, fc2_{nullptr};
  LayerScale ls1{nullptr}, ls2{nullptr};
};
TORCH_MODULE(Block);

/// Squared distances [B, N, K] of points [B, N, C] and centres [B, K, C].
Tensor squared_distances(const Tensor& points, const Tensor& centres) {
  const auto products = torch::matmul(points, centres.transpose(1, 2));
  const auto lengths = points.square().sum(2, true) + centres.square().sum(2).unsqueeze(1);
  return (lengths - 2 * products).clamp_min(0);
}

/// The points [B, K, C] whose numbers are `index` [B, K].
Tensor pick(const Tensor& points, const Tensor& index) {
  return points.gather(1, index.unsqueeze(2).expand({-1, -1, points.size(2)}));
}

/// k-means++ (Arthur and Vassilvitskii 2007): each centre is a point drawn with a chance in
/// proportion to its squared distance from the nearest centre so far. The largest of w / e, e drawn
/// from the exponential distribution, is point i with chance w_i / Σ w.
Tensor starting_centres(const Tensor& points, int64_t count, uint64_t seed) {
  const auto noise =
      torch::empty({count, points.size(1)},
                   torch::TensorOptions(torch::kFloat).pinned_memory(points.is_cuda()))
          .exponential_(1, at::make_generator<at::CPUGeneratorImpl>(seed))
          .to(points.device(), torch::kFloat, /*non_blocking=*/true);
  auto centres = pick(points, noise[0].argmin().expand({points.size(0), 1}));
  auto nearest = squared_distances(points, centres).squeeze(2);  // [B, N]
  for (int64_t i = 1; i < count; ++i) {
    const auto next = pick(points, (nearest / noise[i]).argmax(1, true));
    nearest = torch::minimum(nearest, squared_distances(points, next).squeeze(2));
    centres = torch::cat({centres, next}, 1);
  }
  return centres;
}

/// The means [B, K, C] of the points by nearest centre; what has no points takes the farthest ones.
Tensor moved_centres(const Tensor& points, const Tensor& distances) {
  const int64_t count = distances.size(2);
  const auto [nearest, clusters] = distances.min(2);
  const auto members = torch::zeros_like(distances).scatter_(2, clusters.unsqueeze(2), 1.0);
  const auto sizes = members.sum(1).unsqueeze(2);  // [B, K, 1]
  const auto means = torch::matmul(members.transpose(1, 2), points) / sizes.clamp_min(1);
  const auto farthest = nearest.argsort(/*stable=*/true, 1, /*descending=*/true).slice(1, 0, count);
  const auto empty = sizes.eq(0);
  const auto turn =
      (empty.squeeze(2).cumsum(1) - 1).clamp_min(0);  // the n-th empty one, the n-th farthest
  return torch::where(empty, pick(points, farthest.gather(1, turn)), means);
}

/// Grid cells of `size` mask rows: nearest from the grid to the image, then nearest to the mask.
Tensor grid_rows(int64_t size, int64_t image, int64_t grid, torch::Device device) {
  const auto rows = torch::arange(size, torch::TensorOptions().dtype(torch::kLong).device(device));
  return (rows * image).floor_divide(size).mul(grid).floor_divide(image);
}

}  // namespace

DinoImpl::DinoImpl(const StateDict& weights, const std::string& source) {
  const auto shape = [&](const std::string& name, int64_t dimensions) {
    const auto found = weights.find(name);
    if (found == weights.end() || found->second.dim() != dimensions || found->second.numel() == 0) {
      fail(
          source, ": it holds no DINO vision transformer: ", name,
          " is missing or of another shape; a published file of DINO or DINOv2 was expected, such ",
          "as dino_deitsmall16_pretrain.pth");
    }
    return found->second.sizes();
  };
  const int64_t width = shape("cls_token", 3)[2], positions = shape("pos_embed", 3)[1];
  const auto grid = static_cast<int64_t>(std::lround(std::sqrt(positions - 1.0)));
  patch_ = shape("patch_embed.proj.weight", 4)[3];
  int64_t layers = 0;
  while (weights.count(str("blocks.", layers, ".norm1.weight"))) ++layers;
  if (width % 64 != 0 || grid * grid + 1 != positions || layers == 0) {
    fail(source, ": it holds no DINO vision transformer that can be used: width ", width, ", ",
         positions, " positions, ", layers,
         " layers (a multiple of 64, a square and one, at least one)");
  }
  cls_token = register_parameter("cls_token", torch::zeros({1, 1, width}));
  pos_embed = register_parameter("pos_embed", torch::zeros({1, positions, width}));
  if (weights.count("register_tokens")) {
    register_tokens = register_parameter("register_tokens",
                                         torch::zeros({1, shape("register_tokens", 3)[1], width}));
  }
  proj_ =
      register_module("patch_embed", nn::ModuleDict())
          ->register_module("proj", nn::Conv2d(nn::Conv2dOptions(3, width, patch_).stride(patch_)));
  blocks = register_module("blocks", nn::ModuleList());
  const bool scaled = weights.count("blocks.0.ls1.gamma") != 0;
  for (int64_t i = 0; i < layers; ++i) blocks->push_back(Block(width, scaled));
  norm = register_module("norm", layer_norm(width));
  load_into(*this, weights,
            {.source = source, .may_be_unused = {"head.", "mask_token"}, .must_be_known = {""}});
  for (auto& parameter : parameters()) parameter.set_requires_grad(false);
}

Tensor DinoImpl::forward(const Tensor& images) {
  const auto patches = proj_(images);  // [B, W, h, w]
  const int64_t batch = images.size(0);
  const auto rule = register_tokens.defined() ? PositionRule::antialiased : PositionRule::offset;
  auto x = torch::cat({cls_token.expand({batch, 1, -1}), patches.flatten(2).transpose(1, 2)}, 1);
  x = x + resize_positions(pos_embed[0], patches.size(2), patches.size(3), rule);
  int64_t first = 1;
  if (register_tokens.defined()) {
    first += register_tokens.size(1);
    x = torch::cat({x.slice(1, 0, 1), register_tokens.expand({batch, -1, -1}), x.slice(1, 1)}, 1);
  }
  for (const auto& block : *blocks) x = block->as<Block>()->forward(x);
  return norm(x.slice(1, first));
}

DinoHelper::DinoHelper(const std::string& path, torch::Device device,
                       const std::vector<double>& mean, const std::vector<double>& std)
    : dino_(read_state_dict(path), path) {
  // The public code takes CLIP's own constants although its pictures were normalised with rounded
  // ones.
  const ModelConfig clip;
  const auto is_close = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](double x, double y) { return std::abs(x - y) < 1e-3; });
  };
  const bool rounded = is_close(mean, clip.clip_pixel_mean) && is_close(std, clip.clip_pixel_std);
  const auto channels = [&](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat).div(255).view({3, 1, 1}).to(device);
  };
  clip_mean_ = channels(rounded ? clip.clip_pixel_mean : mean);
  clip_std_ = channels(rounded ? clip.clip_pixel_std : std);
  mean_ = channels(clip.pixel_mean);
  std_ = channels(clip.pixel_std);
  dino_->to(device);
  dino_->eval();
}

Tensor DinoHelper::features(const Tensor& images) const {
  const torch::NoGradGuard no_grad;
  auto x = (images.to(torch::kFloat) * clip_std_ + clip_mean_ - mean_) / std_;
  const auto whole = [&](int64_t side) { return std::max<int64_t>(1, side / dino_->patch()); };
  const int64_t rows = whole(x.size(2)), columns = whole(x.size(3));
  if (x.size(2) != rows * dino_->patch() || x.size(3) != columns * dino_->patch())
    x = resize_bilinear(x, rows * dino_->patch(), columns * dino_->patch());
  return dino_(x).transpose(1, 2).unflatten(2, {rows, columns});  // [B, C, h, w]
}

Tensor lloyd(const Tensor& features, const Tensor& starts, int64_t rounds, double tolerance) {
  torch::NoGradGuard no_grad;
  const at::NoTF32Guard full_precision;  // differences of large numbers cancel
  auto centres = starts;
  auto clusters =
      torch::zeros({features.size(0), features.size(1)}, features.options().dtype(torch::kLong));
  auto moving = torch::ones({features.size(0), 1, 1}, features.options().dtype(torch::kBool));
  const auto lengths = features.square().sum(2, true);
  LaggedFlag any_moves;
  for (int64_t round = 0; round < rounds && any_moves.update(moving.any()); ++round) {
    const auto products = torch::matmul(features, centres.transpose(1, 2));  // [B, N, K]
    const auto likeness = 2 * products - lengths - centres.square().sum(2).unsqueeze(1);
    clusters = torch::where(moving.squeeze(2), likeness.argmax(2), clusters);
    const auto members = torch::zeros_like(likeness).scatter_(2, clusters.unsqueeze(2), 1.0);
    const auto sizes = members.sum(1).unsqueeze(2);  // [B, K, 1]; an empty one's sum is 0
    const auto moved = torch::matmul(members.transpose(1, 2), features) / sizes.clamp_min(1);
    const auto moves = (moved - centres).square().sum({1, 2}).view({-1, 1, 1});
    centres = torch::where(moving, moved, centres);
    moving = moving.logical_and(moves > tolerance);
  }
  return clusters;
}

Tensor kmeans_random(const Tensor& features, int64_t count, std::span<const uint64_t> seeds) {
  TORCH_CHECK(static_cast<int64_t>(seeds.size()) == features.size(0), "one seed an image");
  auto starts = torch::empty({features.size(0), count},
                             torch::TensorOptions(torch::kLong).pinned_memory(features.is_cuda()));
  auto* start = starts.data_ptr<int64_t>();
  for (const uint64_t seed : seeds) {
    Random random(seed);
    for (int64_t i = 0; i < count; ++i) *start++ = random.integer(0, features.size(1));
  }
  return lloyd(features, pick(features, starts.to(features.device(), torch::kLong, true)));
}

Tensor kmeans_plusplus(const Tensor& features, int64_t count, uint64_t seed, int64_t rounds,
                       double tolerance) {
  torch::NoGradGuard no_grad;
  const at::NoTF32Guard full_precision;  // as in lloyd
  TORCH_CHECK(features.dim() == 3 && count > 0 && features.size(1) >= count, "k-means of ",
              features.sizes(), " into ", count, " clusters");
  auto centres = starting_centres(features, count, seed);
  auto moving = torch::ones({features.size(0), 1, 1}, features.options().dtype(torch::kBool));
  LaggedFlag any_moves;
  for (int64_t round = 0; round < rounds && any_moves.update(moving.any()); ++round) {
    const auto moved = moved_centres(features, squared_distances(features, centres));
    const auto move = (moved - centres).norm(2, {2}).sum(1).square().view({-1, 1, 1});
    centres = torch::where(moving, moved, centres);
    moving = moving.logical_and(move >= tolerance);
  }
  return squared_distances(features, centres).argmin(2);
}

DinoMasks::DinoMasks(const ModelConfig& config, torch::Device device)
    : config_(config),
      device_(device),
      statistics_(config.pixel_mean, config.pixel_std, device),
      padding_(torch::tensor(config.clip_pixel_mean, torch::kFloat).view({3, 1, 1}).to(device)),
      dino_(read_state_dict(config.dino_weights), config.dino_weights) {
  dino_->to(device);
  log::info("masks from DINO (", config.dino_weights, "): ", config.dino_clusters,
            " clusters an image, k-means ", config.dino_kmeans);
}

void DinoMasks::add_masks(TrainBatch& batch) {
  // Pictures of one size go through DINO together.
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> sizes;
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto& [image, frame] = std::tie(batch[i].image, batch[i].frame);
    sizes[{std::max(image.size(1), frame.height), std::max(image.size(2), frame.width)}].push_back(
        i);
  }
  const int64_t needed = config_.dino_kmeans == KmeansStart::plusplus ? config_.dino_clusters : 1;
  for (const auto& [size, members] : sizes) {
    const int64_t patch = dino_->patch();
    const int64_t cells = size.first / patch * (size.second / patch);
    if (cells < needed) {
      fail(batch[members[0]].file_name, ": its crop of ", size.first, "×", size.second,
           " pixels has ", cells, " patches of DINO, fewer than the ", needed,
           needed == 1 ? " needed" : " of MODEL.DINO_CLUSTERS");
    }
    std::vector<Tensor> images;
    std::vector<uint64_t> seeds;
    for (const size_t i : members) {
      images.push_back(framed(batch[i]));
      seeds.push_back(batch[i].seed);
    }
    const auto bits = masks(torch::stack(images), seeds);
    for (size_t m = 0; m < members.size(); ++m)
      batch[members[m]].mask_bits = bits[static_cast<int64_t>(m)];
  }
}

Tensor DinoMasks::framed(const TrainSample& sample) const {
  const auto image =
      sample.image.to(device_, torch::kUInt8, /*non_blocking=*/true).to(torch::kFloat);
  const int64_t height = std::max(image.size(1), sample.frame.height),
                width = std::max(image.size(2), sample.frame.width);
  if (image.size(1) == height && image.size(2) == width) return image;
  auto canvas = padding_.expand({3, height, width}).clone();
  canvas.slice(1, 0, image.size(1)).slice(2, 0, image.size(2)).copy_(image);
  return canvas;
}

Tensor DinoMasks::masks(const Tensor& images, std::span<const uint64_t> seeds) {
  torch::NoGradGuard no_grad;
  const int64_t height = images.size(2), width = images.size(3), patch = dino_->patch();
  const int64_t rows = height / patch, columns = width / patch, count = config_.dino_clusters;
  const bool whole = height == rows * patch && width == columns * patch;
  auto input = statistics_.normalise(images);
  Tensor clusters;
  if (config_.dino_kmeans == KmeansStart::plusplus) {
    // One fixed seed: the same crop has the same masks in every run, on every rank.
    input = input.slice(2, 0, rows * patch).slice(3, 0, columns * patch);
    clusters = kmeans_plusplus(dino_(input), count, /*seed=*/0);
  } else {
    if (!whole) input = resize_bilinear(input, rows * patch, columns * patch);
    clusters = kmeans_random(dino_(input), count, seeds);
  }
  clusters = clusters.view({-1, rows, columns});
  const auto& grid = config_.mask_resolution;
  const auto map =
      clusters.index_select(1, grid_rows(grid.height, height, rows, device_))
          .index_select(2, grid_rows(grid.width, width, columns, device_));  // [B, Hm, Wm]
  const auto numbers = torch::arange(config_.dino_clusters, map.options()).view({1, -1, 1, 1});
  return pack_masks(map.unsqueeze(1).eq(numbers).flatten(0, 1))
      .view({images.size(0), config_.dino_clusters, grid.height, -1});
}

}  // namespace pixelclip
