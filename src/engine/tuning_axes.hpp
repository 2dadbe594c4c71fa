#pragma once

#include <string>
#include <vector>

#include "clip/clip.hpp"
#include "config/config.hpp"

namespace pixelclip {

/// What a search varies, and the values that it tries: KEY VALUE …, each.
struct TuningAxis {
  std::string name = {};
  std::vector<std::vector<std::string>> choices = {};
};

/// Names of the axes, in the order of the search, with what each varies.
struct TuningAxisName {
  const char *name, *meaning;
};
const std::vector<TuningAxisName>& tuning_axis_names();

/// The axes that can change the scores of a set with these class names, around `config` (that of
/// the set). `wanted` are names; empty: all. Errors: an unknown name; methods of attention for a
/// ConvNeXt; none of the wanted axes can change anything.
std::vector<TuningAxis> tuning_axes(const Config& config, const ClipArchitecture& architecture,
                                    const std::vector<std::string>& class_names,
                                    const std::vector<std::string>& wanted);

}  // namespace pixelclip
