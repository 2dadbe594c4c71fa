#pragma once

#include <string>
#include <vector>

#include "config/raw_value.hpp"

namespace pixelclip::config {

/// Keys that detectron2 or the public PixelCLIP defines and that affect neither its training and
/// scoring nor this program (detectron2/config/defaults.py, its DeepLab project,
/// pixelclip/config.py). They are ignored, whatever their value.
const std::vector<std::string>& passed_over_keys();

/// Whether `name` is one of them. Three sections (GLOBAL, MODEL.BACKBONE, TEST.PRECISE_BN) may hold
/// any keys, since detectron2 projects add keys there.
bool is_passed_over(const std::string& name);

/// Whether `name` is a section of such keys, for example MODEL.RPN.
bool is_passed_over_section(const std::string& name);

/// The ignored keys of a configuration.
struct PassedOver {
  std::vector<std::string> keys;     ///< each once, in order of appearance
  std::vector<std::string> remarks;  ///< sentences on keys that are set to have an effect

  /// Adds `name`, or its members if the value is a section.
  void add(const std::string& name, const RawValue& value);
};

}  // namespace pixelclip::config
