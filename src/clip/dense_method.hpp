#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clip/position_embedding.hpp"
#include "config/enumerations.hpp"
#include "nn/transformer.hpp"

namespace pixelclip {

/// A method and its parameters; each method reads only its own.
struct DenseOptions {
  DenseMethod method = DenseMethod::pixelclip;
  DenseForm form = DenseForm::automatic;
  double gaussian_std = 5;  ///< naclip: of the window, patches
  double beta = 1.2;        ///< proxyclip: similarities below beta times their mean are dropped
  double gamma = 3;         ///< proxyclip: factor before the softmax

  bool operator==(const DenseOptions&) const = default;
};

/// Tokens of a grid: x [B, h·w, W], row by row; before the last block [B, 1 + h·w, W] with the
/// class token first.
struct TokenGrid {
  torch::Tensor x;
  int64_t height = 0, width = 0;
};

/// The last block as `options` say: tokens with their class token → tokens without it, ready for
/// ln_post. `helper` [B, C, h', w'] holds another model's features, which proxyclip alone reads;
/// its result is on their grid.
TokenGrid apply_last_block(ResidualBlockImpl& block, const TokenGrid& tokens,
                           const DenseOptions& options, const torch::Tensor& helper = {});

/// How the blocks before the last see positions: methods with the same rule share these blocks.
PositionRule position_rule(const DenseOptions& options);
/// Whether the options are PixelCLIP's own, as in training.
bool is_default(const DenseOptions& options);
/// Whether the method needs another model's features.
bool needs_helper(const DenseOptions& options);

/// Throws an error that says that the method needs a helper and how to name one.
[[noreturn]] void fail_without_helper(const DenseOptions& options);

/// The method of a flag. Errors: an unknown name.
DenseMethod dense_method(const std::string& name);

/// Another model, from whose features proxyclip computes its attention.
class DenseHelper {
 public:
  virtual ~DenseHelper() = default;
  /// Images [B, 3, H, W] normalised for CLIP → [B, C, h, w]. May be called by several threads at
  /// once.
  virtual torch::Tensor features(const torch::Tensor& images) const = 0;
  /// Side of a feature, pixels.
  virtual int64_t patch() const = 0;
  virtual const torch::nn::Module& module() const = 0;
};

class SharedTrunk;

/// What a dense encoder does: a method and, where it needs one, its helper.
struct DenseRecipe {
  DenseOptions options;
  std::shared_ptr<const DenseHelper> helper;
  /// Where this is method `member` of several on one encoder, which share the trunk and the helper.
  std::shared_ptr<SharedTrunk> trunk = nullptr;
  size_t member = 0;
};

}  // namespace pixelclip
