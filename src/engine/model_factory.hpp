#pragma once

#include <filesystem>

#include "clip/traits.hpp"
#include "config/model_config.hpp"
#include "config/solver_config.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// The architecture of the student in a PixelCLIP checkpoint; only names and shapes are looked at,
/// and activation and heads among the `entries` beside the weights. Errors: it holds no CLIP that
/// can be used, or another number of clusters or tokens than the configuration says.
ClipArchitecture checkpoint_architecture(const SemSegHeadConfig& head, const StateDict& weights,
                                         const std::string& source, const Dict& entries);

/// A model of that architecture with fresh parameters, on the CPU; requires_grad is set where
/// CLIP_FINETUNE says so. `amp`, here and below, is the precision of training.
PixelCLIP make_model(const ModelConfig& config, const ClipArchitecture& architecture,
                     const AmpConfig& amp = {});

/// Loads a PixelCLIP checkpoint's weights. The frozen DINO that training with MODEL.DINO keeps
/// beside the model (`dino.*`) is ignored; other names that the model lacks are listed in a
/// warning. Errors: names that are missing or of another shape, all in one message.
void load_checkpoint(PixelCLIP& model, const StateDict& weights, const std::string& source);

/// A model and the origin of its weights.
struct LoadedModel {
  PixelCLIP model{nullptr};
  ClipArchitecture architecture;
  std::filesystem::path source;
  bool plain_clip = false;  ///< CLIP's own weights: nothing has been trained yet
  bool dino_masks = false;  ///< the file holds the DINO that made the masks it was trained with
};

/// The model of a run on `device`: from MODEL.WEIGHTS (a PixelCLIP checkpoint or a plain CLIP),
/// else from CLIP_PRETRAINED. Errors: files missing or unreadable, names or shapes that do not fit,
/// settings that contradict the weights.
LoadedModel load_model(const ModelConfig& config, torch::Device device, const AmpConfig& amp = {});
PixelCLIP build_model(const ModelConfig& config, torch::Device device, const AmpConfig& amp = {});

/// Throws what load_model would throw for files that are missing, unreadable or hold no model of
/// this configuration, without making the model: for a check before other work.
void check_weights(const ModelConfig& config);

}  // namespace pixelclip
