#pragma once

#include <memory>
#include <string>

#include "pixelclip/picture.hpp"

namespace pixelclip {

struct ModelOptions {
  std::string templates =
      "imagenet_select";  ///< Sentences for names: single, imagenet_select, imagenet, vild, a file.
  std::string device = "auto";        ///< auto (a GPU when there is one), cpu, cuda, cuda:N.
  std::string precision = "float32";  ///< Or bfloat16.
  int64_t resolution = 0;             ///< Side of the encoder's input, pixels; 0: as trained.
  std::string method = {};  ///< What CLIP's last block does, such as naclip; empty: as trained.
  std::string helper = {};  ///< DINO or DINOv2 weights, for the method proxyclip alone.
};

/// A picture after the encoder. Copies are cheap and share the features.
class PIXELCLIP_API EncodedPicture {
 public:
  int64_t height() const;
  int64_t width() const;

  struct State;
  explicit EncodedPicture(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  const State& state() const { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

/// PixelCLIP or CLIP weights, ready to encode. Copies are cheap and share the weights; all
/// functions may be called from several threads at once. There is no global state: models are
/// independent, and LibTorch's settings of the process (TensorFloat-32, cuDNN, threads) stay as the
/// program has set them.
class PIXELCLIP_API Model {
 public:
  /// `weights`: a checkpoint of PixelCLIP, OpenAI, open_clip or Hugging Face. A config.yaml beside
  /// it, as training writes it, says how large pictures are encoded.
  explicit Model(const std::string& weights, const ModelOptions& options = {});

  EncodedPicture encode(const Picture& picture) const;
  /// For people: "ViT, width 768, 12 layers, patch 16 …".
  std::string description() const;

  struct State;
  const State& state() const { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

}  // namespace pixelclip
