#include "modeling/configured_traits.hpp"

namespace pixelclip {

ClipTraits configured_traits(const SemSegHeadConfig& head) {
  return chosen_traits(head.clip_activation, head.clip_heads, "set in MODEL.SEM_SEG_HEAD");
}

}  // namespace pixelclip
