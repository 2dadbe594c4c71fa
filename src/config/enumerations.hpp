#pragma once

#include <array>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// The enumerations of configuration keys. Each has one list, `spellings`, of its values and their
/// texts in YAML; parsing, checking, writing and the key reference use that list.
namespace pixelclip {

template <class E>
struct Spelling {
  E value;
  const char* text;
};

/// What INPUT.CROP.SIZE means.
enum class CropType { absolute, absolute_range, relative, relative_range };
constexpr auto spellings(CropType) {
  using enum CropType;
  return std::to_array<Spelling<CropType>>({{absolute, "absolute"},
                                            {absolute_range, "absolute_range"},
                                            {relative, "relative"},
                                            {relative_range, "relative_range"}});
}

/// How INPUT.MIN_SIZE_TRAIN is drawn.
enum class SizeSampling { choice, range };
constexpr auto spellings(SizeSampling) {
  using enum SizeSampling;
  return std::to_array<Spelling<SizeSampling>>({{choice, "choice"}, {range, "range"}});
}

/// INPUT.RANDOM_FLIP.
enum class Flip { horizontal, vertical, none };
constexpr auto spellings(Flip) {
  using enum Flip;
  return std::to_array<Spelling<Flip>>(
      {{horizontal, "horizontal"}, {vertical, "vertical"}, {none, "none"}});
}

/// INPUT.FORMAT.
enum class ChannelOrder { rgb, bgr };
constexpr auto spellings(ChannelOrder) {
  using enum ChannelOrder;
  return std::to_array<Spelling<ChannelOrder>>({{rgb, "RGB"}, {bgr, "BGR"}});
}

/// What annotations with iscrowd 1 are; automatic: masks, except in COCO's own files.
enum class CrowdRegions { automatic, use, leave_out };
constexpr auto spellings(CrowdRegions) {
  using enum CrowdRegions;
  return std::to_array<Spelling<CrowdRegions>>(
      {{automatic, "auto"}, {use, "use"}, {leave_out, "leave_out"}});
}

/// What a set of DATASETS.CUSTOM is; automatic: recognized by its files.
enum class CustomKind { automatic, sa1b, coco, id_png, images, sem_seg };
constexpr auto spellings(CustomKind) {
  using enum CustomKind;
  return std::to_array<Spelling<CustomKind>>({{automatic, ""},
                                              {sa1b, "sa1b"},
                                              {coco, "coco"},
                                              {id_png, "id_png"},
                                              {images, "images"},
                                              {sem_seg, "sem_seg"}});
}

/// Which parameters of the image encoder train.
enum class Finetune { attention, full, conv, prompt, none };
constexpr auto spellings(Finetune) {
  using enum Finetune;
  return std::to_array<Spelling<Finetune>>({{attention, "attention"},
                                            {full, "full"},
                                            {conv, "conv"},
                                            {prompt, "prompt"},
                                            {none, "none"}});
}

/// MODEL.DINO_KMEANS.
enum class KmeansStart { random, plusplus };
constexpr auto spellings(KmeansStart) {
  using enum KmeansStart;
  return std::to_array<Spelling<KmeansStart>>({{random, "random"}, {plusplus, "plusplus"}});
}

/// A floating-point type; each key accepts some of them.
enum class FloatType { float32, bfloat16, float16 };
constexpr auto spellings(FloatType) {
  using enum FloatType;
  return std::to_array<Spelling<FloatType>>(
      {{float32, "float32"}, {bfloat16, "bfloat16"}, {float16, "float16"}});
}

/// Of float32 products on a GPU; unset: high.
enum class MatmulPrecision { unset, highest, high, medium };
constexpr auto spellings(MatmulPrecision) {
  using enum MatmulPrecision;
  return std::to_array<Spelling<MatmulPrecision>>(
      {{unset, ""}, {highest, "highest"}, {high, "high"}, {medium, "medium"}});
}

/// What SOLVER.CLIP_GRADIENTS limits.
enum class GradientClipping { value, norm, full_model };
constexpr auto spellings(GradientClipping) {
  using enum GradientClipping;
  return std::to_array<Spelling<GradientClipping>>(
      {{value, "value"}, {norm, "norm"}, {full_model, "full_model"}});
}

/// SOLVER.LR_SCHEDULER_NAME.
enum class LrSchedule { multi_step, cosine, poly, step_with_fixed_gamma };
constexpr auto spellings(LrSchedule) {
  using enum LrSchedule;
  return std::to_array<Spelling<LrSchedule>>(
      {{multi_step, "WarmupMultiStepLR"},
       {cosine, "WarmupCosineLR"},
       {poly, "WarmupPolyLR"},
       {step_with_fixed_gamma, "WarmupStepWithFixedGammaLR"}});
}

/// SOLVER.WARMUP_METHOD.
enum class WarmupMethod { linear, constant };
constexpr auto spellings(WarmupMethod) {
  using enum WarmupMethod;
  return std::to_array<Spelling<WarmupMethod>>({{linear, "linear"}, {constant, "constant"}});
}

/// SOLVER.OPTIMIZER.
enum class OptimizerType { adamw, sgd };
constexpr auto spellings(OptimizerType) {
  using enum OptimizerType;
  return std::to_array<Spelling<OptimizerType>>({{adamw, "ADAMW"}, {sgd, "SGD"}});
}

/// What overlapping windows average.
enum class WindowAverage { logits, features };
constexpr auto spellings(WindowAverage) {
  using enum WindowAverage;
  return std::to_array<Spelling<WindowAverage>>({{logits, "logits"}, {features, "features"}});
}

/// How TEST finds the class `background`.
enum class BackgroundMode { by_name, threshold, words, reject };
constexpr auto spellings(BackgroundMode) {
  using enum BackgroundMode;
  return std::to_array<Spelling<BackgroundMode>>(
      {{by_name, ""}, {threshold, "threshold"}, {words, "words"}, {reject, "reject"}});
}

/// Where classes are compared: on the cells of the score grid, or at pixels as MMSegmentation does.
enum class ScoreGrid { cells, pixels };
constexpr auto spellings(ScoreGrid) {
  using enum ScoreGrid;
  return std::to_array<Spelling<ScoreGrid>>({{cells, "cells"}, {pixels, "pixels"}});
}

/// How test images are resized: with antialiasing, or by OpenCV's INTER_LINEAR without.
enum class ImageResize { pillow, opencv };
constexpr auto spellings(ImageResize) {
  using enum ImageResize;
  return std::to_array<Spelling<ImageResize>>({{pillow, "pillow"}, {opencv, "opencv"}});
}

/// Whose rules for sizes and absent classes count.
enum class TestRule { pixelclip, mmseg };
constexpr auto spellings(TestRule) {
  using enum TestRule;
  return std::to_array<Spelling<TestRule>>({{pixelclip, "pixelclip"}, {mmseg, "mmseg"}});
}

/// The score of a class with several names.
enum class SynonymScore { mean, max };
constexpr auto spellings(SynonymScore) {
  using enum SynonymScore;
  return std::to_array<Spelling<SynonymScore>>({{mean, "mean"}, {max, "max"}});
}

/// Of the logits.
enum class Refinement { none, pamr };
constexpr auto spellings(Refinement) {
  using enum Refinement;
  return std::to_array<Spelling<Refinement>>({{none, ""}, {pamr, "pamr"}});
}

/// What the last block of CLIP's image encoder does, so that every patch has its own embedding.
/// docs/methods.md gives formulas and sources.
enum class DenseMethod { pixelclip, vanilla, maskclip, sclip, clearclip, naclip, kk, proxyclip };
constexpr auto spellings(DenseMethod) {
  using enum DenseMethod;
  return std::to_array<Spelling<DenseMethod>>({{pixelclip, "pixelclip"},
                                               {vanilla, "vanilla"},
                                               {maskclip, "maskclip"},
                                               {sclip, "sclip"},
                                               {clearclip, "clearclip"},
                                               {naclip, "naclip"},
                                               {kk, "kk"},
                                               {proxyclip, "proxyclip"}});
}

/// What becomes of O(A·v), the output of the attention at the patches.
enum class DenseForm {
  automatic,   ///< as in the method's publication
  full,        ///< z = x + O(A·v), then z + mlp(ln_2(z)): the whole block
  reduced,     ///< O(A·v) alone
  class_token  ///< the whole block, with the class token's x instead of each patch's own
};
constexpr auto spellings(DenseForm) {
  using enum DenseForm;
  return std::to_array<Spelling<DenseForm>>(
      {{automatic, ""}, {full, "full"}, {reduced, "reduced"}, {class_token, "class_token"}});
}

/// An enumeration that has `spellings`.
template <class E>
concept Spelled = std::is_enum_v<E> && requires(E value) {
  spellings(value);
};

/// The text of a value in YAML.
template <Spelled E>
std::string to_string(E value) {
  for (const auto& spelling : spellings(value)) {
    if (spelling.value == value) return spelling.text;
  }
  return "?";
}

template <Spelled E>
std::ostream& operator<<(std::ostream& out, E value) {
  return out << to_string(value);
}

/// The value that `text` spells; nothing when there is none.
template <Spelled E>
std::optional<E> parse_spelling(std::string_view text) {
  for (const auto& spelling : spellings(E())) {
    if (spelling.text == text) return spelling.value;
  }
  return std::nullopt;
}

/// The texts of all values.
template <Spelled E>
std::vector<std::string> all_spellings() {
  std::vector<std::string> texts;
  for (const auto& spelling : spellings(E())) texts.emplace_back(spelling.text);
  return texts;
}

}  // namespace pixelclip
