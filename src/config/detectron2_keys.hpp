#pragma once

#include <string>
#include <vector>

#include "config/value.hpp"

namespace pixelclip::config {

/// Keys that detectron2 or the public PixelCLIP defines and that act neither on its training and
/// scoring nor here (detectron2/config/defaults.py, its DeepLab project, pixelclip/config.py). They
/// are passed over whatever their value.
const std::vector<std::string>& passed_over_keys();

/// Whether `name` is one of them. Three sections (GLOBAL, MODEL.BACKBONE, TEST.PRECISE_BN) may hold
/// other keys too, since projects on detectron2 add theirs there.
bool is_passed_over(const std::string& name);

/// Whether `name` is a section of such keys, for example MODEL.RPN.
bool is_passed_over_section(const std::string& name);

/// What a configuration holds that has no meaning here.
struct PassedOver {
  std::vector<std::string> keys;  ///< Each once, in the order in which they were met.
  std::vector<std::string>
      remarks;  ///< Sentences on those that somebody set to act, though they do not.

  /// Takes `name` with its value; when it is a section, its members.
  void add(const std::string& name, const Value& value);
};

}  // namespace pixelclip::config
