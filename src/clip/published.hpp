#pragma once

#include <string>

#include "clip/open_clip.hpp"
#include "clip/sources.hpp"

namespace pixelclip {

enum class Publisher { openai, open_clip, hugging_face };

/// A CLIP as the program of one of its publishers loads it.
struct PublishedClip {
  StateDict weights;         ///< in the publisher's names
  std::string weights_name;  ///< usual name of the weights file in a model's folder
  std::string config_name;   ///< of the JSON beside it; empty: the publisher has none
  std::string config;        ///< its text
};

/// The exact reverse of to_clip_names. Errors: a model that the publisher's program computes
/// differently or does not have.
PublishedClip publish(const ClipFile& clip, Publisher publisher);

}  // namespace pixelclip
