#pragma once

#include <optional>
#include <string>

#include "clip/convnext.hpp"
#include "clip/text_encoder.hpp"
#include "clip/vit.hpp"
#include "io/state_dict.hpp"

namespace pixelclip {

/// The sizes of a CLIP, read from its weights. Exactly one of `vit` and `convnext` is set.
struct ClipArchitecture {
  std::optional<VitOptions> vit;
  std::optional<ConvNextOptions> convnext;
  TextOptions text;

  int64_t embedding() const { return text.embedding; }
  /// For messages: "ViT, width 768, 12 layers, patch 16 …".
  std::string describe() const;
};

/// Reads the sizes from tensors in CLIP's own names, each after `prefix`. Activations and heads,
/// which tensors do not show, are those of OpenAI's models for a ViT and of open_clip's for a
/// ConvNeXt until settle_traits sets them. Errors: tensors that define the architecture are
/// missing, or their shapes contradict each other. Other shapes are checked when the weights are
/// loaded.
ClipArchitecture clip_architecture(const StateDict& weights, const std::string& prefix = "");

/// The text tower, whose tensors CLIP keeps at the top level of a checkpoint, with the image
/// encoder as its child `visual`.
class CLIPImpl : public TextEncoderImpl {
 public:
  explicit CLIPImpl(const ClipArchitecture& architecture);

  /// open_clip's tokenizer (ConvNeXt) truncates texts to the context; CLIP's (ViT) refuses longer
  /// ones.
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
