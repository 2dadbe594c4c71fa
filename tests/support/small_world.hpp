#pragma once

#include "base/error.hpp"
#include "demo/small_clip.hpp"
#include "demo/world.hpp"
#include "text/bpe_tokenizer.hpp"

namespace pixelclip::testing {

/// A demo world of a few small images.
inline constexpr DemoWorldOptions kSmallWorld = {.seed = 1,
                                                 .photos = 96,
                                                 .scenes = 1,
                                                 .validation = 1,
                                                 .photo_side = 32,
                                                 .scene_side = 32,
                                                 .threads = 2};
/// A small CLIP that is trained on it for a few steps.
inline constexpr DemoClipOptions kSmallClip = {.seed = 1,
                                               .side = 16,
                                               .patch = 8,
                                               .width = 64,
                                               .layers = 2,
                                               .text_layers = 1,
                                               .embedding = 32,
                                               .batch = 32,
                                               .iterations = 12,
                                               .learning_rate = 2e-3,
                                               .weight_decay = 0.05};

/// False where the tokenizer's merges were not set up.
inline bool have_tokenizer() {
  try {
    BpeTokenizer::shared();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace pixelclip::testing
