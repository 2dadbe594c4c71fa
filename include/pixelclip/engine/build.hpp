#pragma once

#include "pixelclip/config/config.hpp"
#include "pixelclip/modeling/pixelclip.hpp"

namespace pixelclip {

/// Settings of LibTorch and of the allocator for a process that trains or scores: this process' share of
/// the cores (`processes` share the machine), TF32 and cuDNN's search on GPUs, freed memory kept.
void set_up_torch(const Config& config, int processes = 1);

/// MODEL.DEVICE on the GPU of this process; the CPU, with a warning, where there is no GPU.
torch::Device pick_device(const Config& config, int local_rank = 0);

/// clip_architecture, whose errors name the file.
ClipArchitecture architecture_in(const std::string& file, const StateDict& weights, const std::string& prefix = "");

/// Loads a PixelCLIP checkpoint's weights. The frozen DINO that training with MODEL.DINO keeps beside the
/// model (`dino.*`) is passed over; other names that the model lacks are listed in a warning.
/// Errors: names that are missing or of another shape, all in one message.
void load_checkpoint(PixelCLIP& model, const StateDict& weights, const std::string& source);

/// The model of a run on `device`: from MODEL.WEIGHTS (a PixelCLIP checkpoint or a
/// plain CLIP), else from CLIP_PRETRAINED. Errors: files missing or unreadable, names or shapes that
/// do not fit, settings that contradict the weights.
PixelCLIP build_model(const Config& config, torch::Device device);

}  // namespace pixelclip
