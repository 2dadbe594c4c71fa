#pragma once

#include <optional>
#include <string>

#include "clip/convnext.hpp"
#include "clip/text_encoder.hpp"
#include "clip/vit.hpp"
#include "io/state_dict.hpp"

namespace pixelclip {

/// The sizes of a CLIP, read off its weights. Exactly one of `vit` and `convnext` is set.
struct ClipArchitecture {
  std::optional<VitOptions> vit;
  std::optional<ConvNextOptions> convnext;
  TextOptions text;

  int64_t embedding() const { return text.embedding; }
  /// For people: "ViT, width 768, 12 layers, patch 16 …".
  std::string describe() const;
};

/// Reads the sizes off tensors in CLIP's own names, each behind `prefix`. What they cannot tell,
/// activations and heads, is that of OpenAI's models for a ViT and of open_clip's for a ConvNeXt;
/// settle_traits knows better. Errors: tensors that tell the architecture are missing, or their
/// shapes contradict each other. Other shapes are checked when the weights are loaded.
ClipArchitecture clip_architecture(const StateDict& weights, const std::string& prefix = "");

/// CLIP keeps its text tower's tensors at the top level of a checkpoint and the image encoder's
/// under `visual`; so this module is the text tower with an image encoder beside it.
class CLIPImpl : public TextEncoderImpl {
 public:
  explicit CLIPImpl(const ClipArchitecture& architecture);

  /// open_clip's tokeniser, which belongs to its ConvNeXt, cuts texts beyond the context; CLIP's,
  /// which belongs to a ViT, refuses them.
  bool cuts_long_texts() const;

  ImageEncoder visual;
  const ClipArchitecture& architecture() const { return architecture_; }

 private:
  ClipArchitecture architecture_;
};
TORCH_MODULE(CLIP);

/// Errors: the architecture's encoder cannot do what `options` say.
void check_dense(const ClipArchitecture& architecture, const DenseOptions& options);

/// The image encoder of `architecture` with fresh parameters.
ImageEncoder make_image_encoder(const ClipArchitecture& architecture);

}  // namespace pixelclip
