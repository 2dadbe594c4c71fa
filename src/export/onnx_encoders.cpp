#include "export/onnx_encoders.hpp"

#include <torch/utils.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr double kConvNextEps = 1e-6;

/// [B, N, W] split into heads: [B, heads, N, W / heads].
OnnxValue split_heads(OnnxGraph& graph, const OnnxValue& x, int64_t heads, int64_t width) {
  return graph.transpose(graph.op("Reshape", {x, graph.ints({0, 0, heads, width / heads})}),
                         {0, 2, 1, 3});
}

/// The part of in_proj that gives queries (0), keys (1) or values (2): [B, N, W] → [B, N, W].
OnnxValue project_part(OnnxGraph& graph, const OnnxValue& x, const std::string& attn,
                       int64_t part) {
  static constexpr const char* kParts[] = {"q", "k", "v"};
  const Tensor weight = graph.weight(attn + "in_proj_weight").chunk(3)[part];
  const Tensor bias = graph.weight(attn + "in_proj_bias").chunk(3)[part];
  const std::string name = attn + kParts[part] + "_proj.";
  const auto y = graph.op("MatMul", {x, graph.constant(name + "weight", weight.t())});
  return graph.op("Add", {y, graph.constant(name + "bias", bias)});
}

/// Self-attention of `x` [B, N, W]; `mask` [N, N] is added to the scores unless it is empty.
OnnxValue attention(OnnxGraph& graph, const OnnxValue& x, const std::string& attn, int64_t heads,
                    int64_t width, const OnnxValue& mask) {
  const auto part = [&](int64_t which) {
    return split_heads(graph, project_part(graph, x, attn, which), heads, width);
  };
  const double scale = 1 / std::sqrt(static_cast<double>(width) / static_cast<double>(heads));
  const auto query = graph.op("Mul", {part(0), graph.number(scale)});
  auto scores = graph.op("MatMul", {query, graph.transpose(part(1), {0, 1, 3, 2})});
  if (!mask.empty()) scores = graph.op("Add", {scores, mask});
  const auto weights = graph.op("Softmax", {scores}, {{"axis", int64_t{-1}}});
  const auto y = graph.transpose(graph.op("MatMul", {weights, part(2)}), {0, 2, 1, 3});
  return graph.linear(graph.op("Reshape", {y, graph.ints({0, 0, width})}), attn + "out_proj.weight",
                      attn + "out_proj.bias");
}

OnnxValue with_mlp(OnnxGraph& graph, const OnnxValue& x, const std::string& block,
                   Activation activation) {
  const auto hidden = graph.linear(graph.layer_norm(x, block + "ln_2"), block + "mlp.c_fc.weight",
                                   block + "mlp.c_fc.bias");
  return graph.op("Add", {x, graph.linear(graph.activate(hidden, activation),
                                          block + "mlp.c_proj.weight", block + "mlp.c_proj.bias")});
}

struct Blocks {
  std::string prefix;
  int64_t width, heads;
  Activation activation;
};

OnnxValue residual_block(OnnxGraph& graph, const OnnxValue& x, const Blocks& blocks, int64_t index,
                         const OnnxValue& mask = "") {
  const std::string block = str(blocks.prefix, index, ".");
  const auto attended = attention(graph, graph.layer_norm(x, block + "ln_1"), block + "attn.",
                                  blocks.heads, blocks.width, mask);
  return with_mlp(graph, graph.op("Add", {x, attended}), block, blocks.activation);
}

/// apply_last_block() by the default method: [B, 1 + P, W] → [B, P, W].
OnnxValue dense_block(OnnxGraph& graph, const OnnxValue& x, const Blocks& blocks, int64_t index) {
  const std::string block = str(blocks.prefix, index, ".");
  const auto end = graph.ints({std::numeric_limits<int64_t>::max()});
  const auto patches = graph.slice(x, graph.ints({1}), end, 1);
  const auto class_token = graph.slice(x, graph.ints({0}), graph.ints({1}), 1);
  const auto values = graph.linear(
      project_part(graph, graph.layer_norm(patches, block + "ln_1"), block + "attn.", 2),
      block + "attn.out_proj.weight", block + "attn.out_proj.bias");
  return with_mlp(graph, graph.op("Add", {values, class_token}), block, blocks.activation);
}

/// The position embedding for patches [B, W, h, w] of images of `size`: [1, 1 + h·w, W].
OnnxValue positions(OnnxGraph& graph, const VitOptions& vit, const OnnxValue& patches,
                    const std::optional<Size2>& size) {
  const std::string key = "visual.positional_embedding";
  const Tensor embedding = graph.weight(key);
  if (size) {
    const auto resized =
        resize_positions(embedding, size->height / vit.patch, size->width / vit.patch);
    return graph.constant(key, resized.unsqueeze(0));
  }
  const Tensor grid = embedding.slice(0, 1).t().reshape({1, vit.width, vit.grid, vit.grid});
  const auto resized = graph.resize(graph.constant(key, grid), graph.shape(patches, 2, 4), "cubic");
  const auto rows =
      graph.transpose(graph.op("Reshape", {resized, graph.ints({0, 0, -1})}), {0, 2, 1});
  return graph.concat({graph.constant(key + ".class", embedding.slice(0, 0, 1).unsqueeze(0)), rows},
                      1);
}

OnnxValue vit_dense(OnnxGraph& graph, const VitOptions& vit, const OnnxValue& images,
                    const std::optional<Size2>& size) {
  const std::vector<int64_t> patch = {vit.patch, vit.patch};
  const auto patches = graph.op("Conv", {images, graph.parameter("visual.conv1.weight")},
                                {{"kernel_shape", patch}, {"strides", patch}});  // [B, W, h, w]
  const auto flat =
      graph.transpose(graph.op("Reshape", {patches, graph.ints({0, 0, -1})}), {0, 2, 1});
  const auto batch = graph.shape(patches, 0, 1);
  const auto class_token =
      graph.op("Expand", {graph.exact("visual.class_embedding",
                                      graph.weight("visual.class_embedding").view({1, 1, -1})),
                          graph.concat({batch, graph.ints({1, vit.width})}, 0)});
  auto x = graph.op("Add", {graph.concat({class_token, flat}, 1),
                            positions(graph, vit, patches, size)});  // [B, 1 + h·w, W]
  x = graph.layer_norm(x, "visual.ln_pre");
  const Blocks blocks = {"visual.transformer.resblocks.", vit.width, vit.image_heads(),
                         vit.activation};
  for (int64_t i = 0; i + 1 < vit.layers; ++i) x = residual_block(graph, x, blocks, i);
  x = graph.layer_norm(dense_block(graph, x, blocks, vit.layers - 1), "visual.ln_post");
  x = graph.op("MatMul", {x, graph.parameter("visual.proj")});  // [B, h·w, C]
  const auto grid = graph.shape(patches, 2, 4);
  return graph.op("Reshape", {x, graph.concat({batch, grid, graph.ints({vit.embedding})}, 0)});
}

/// LayerNorm over the channels of [B, C, h, w].
OnnxValue channel_norm(OnnxGraph& graph, const OnnxValue& x, const std::string& key) {
  const auto y = graph.layer_norm(graph.transpose(x, {0, 2, 3, 1}), key, kConvNextEps);
  return graph.transpose(y, {0, 3, 1, 2});
}

OnnxValue patch_conv(OnnxGraph& graph, const OnnxValue& x, const std::string& key, int64_t side) {
  const std::vector<int64_t> kernel = {side, side};
  return graph.op("Conv", {x, graph.parameter(key + ".weight"), graph.parameter(key + ".bias")},
                  {{"kernel_shape", kernel}, {"strides", kernel}});
}

OnnxValue convnext_block(OnnxGraph& graph, const OnnxValue& x, const std::string& block,
                         int64_t width) {
  const auto key = [&](const char* name) { return block + name; };
  auto y = graph.op(
      "Conv", {x, graph.parameter(key("conv_dw.weight")), graph.parameter(key("conv_dw.bias"))},
      {{"kernel_shape", std::vector<int64_t>{7, 7}},
       {"pads", std::vector<int64_t>{3, 3, 3, 3}},
       {"group", width}});
  y = graph.layer_norm(graph.transpose(y, {0, 2, 3, 1}), key("norm"), kConvNextEps);
  y = graph.activate(graph.linear(y, key("mlp.fc1.weight"), key("mlp.fc1.bias")), Activation::gelu);
  y = graph.linear(y, key("mlp.fc2.weight"), key("mlp.fc2.bias"));
  y = graph.op("Mul", {y, graph.parameter(key("gamma"))});
  return graph.op("Add", {x, graph.transpose(y, {0, 3, 1, 2})});
}

OnnxValue convnext_dense(OnnxGraph& graph, const ConvNextOptions& convnext,
                         const OnnxValue& images) {
  auto x = channel_norm(graph, patch_conv(graph, images, "visual.trunk.stem.0", 4),
                        "visual.trunk.stem.1");
  for (size_t s = 0; s < 4; ++s) {
    const std::string stage = str("visual.trunk.stages.", s, ".");
    if (s > 0) {
      x = channel_norm(graph, x, stage + "downsample.0");
      x = patch_conv(graph, x, stage + "downsample.1", 2);
    }
    for (int64_t i = 0; i < convnext.depths[s]; ++i)
      x = convnext_block(graph, x, str(stage, "blocks.", i, "."), convnext.widths[s]);
  }
  x = graph.layer_norm(graph.transpose(x, {0, 2, 3, 1}), "visual.trunk.head.norm", kConvNextEps);
  if (convnext.head_hidden == 0) return graph.linear(x, "visual.head.proj.weight", "");
  x = graph.linear(x, "visual.head.mlp.fc1.weight", "visual.head.mlp.fc1.bias");
  return graph.linear(graph.activate(x, Activation::gelu), "visual.head.mlp.fc2.weight", "");
}

}  // namespace

OnnxValue onnx_dense(OnnxGraph& graph, const ClipArchitecture& architecture,
                     const OnnxValue& images, const std::optional<Size2>& size) {
  if (architecture.vit) return vit_dense(graph, *architecture.vit, images, size);
  return convnext_dense(graph, *architecture.convnext, images);
}

OnnxValue onnx_text(OnnxGraph& graph, const TextOptions& text, const OnnxValue& ids) {
  const auto length = graph.shape(ids, 1, 2);
  const auto first = [&](const OnnxValue& x, int64_t axis) {
    return graph.slice(x, graph.ints({0}), length, axis);
  };
  const auto mask =
      torch::full({text.context, text.context}, -std::numeric_limits<float>::infinity()).triu(1);
  const auto seen = first(first(graph.exact("causal_mask", mask), 0), 1);  // [L, L]
  auto x = graph.op("Gather", {graph.parameter("token_embedding.weight"), ids});
  x = graph.op("Add", {x, first(graph.parameter("positional_embedding"), 0)});  // [N, L, W]
  const Blocks blocks = {"transformer.resblocks.", text.width, text.heads, text.activation};
  for (int64_t i = 0; i < text.layers; ++i) x = residual_block(graph, x, blocks, i, seen);
  // The end token has the largest id. Some runtimes find it in int32 only.
  const auto small = graph.op("Cast", {ids}, {{"to", static_cast<int64_t>(OnnxType::int32)}});
  const auto ends =
      graph.op("ArgMax", {small}, {{"axis", int64_t{1}}, {"keepdims", int64_t{1}}});  // [N, 1]
  x = graph.op("GatherND", {x, ends}, {{"batch_dims", int64_t{1}}});                  // [N, W]
  return graph.op("MatMul", {graph.layer_norm(x, "ln_final"), graph.parameter("text_projection")});
}

}  // namespace pixelclip
