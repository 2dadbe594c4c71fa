#include "engine/tuning_axes.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/log.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
namespace {

using Texts = std::vector<std::string>;
using Choices = std::vector<Texts>;

/// What the choices of an axis depend on.
struct Subject {
  const Config& config;
  const ClipArchitecture& architecture;
  const std::vector<std::string>& class_names;

  bool pixels() const { return config.test.scores == ScoreGrid::pixels; }
  bool has_background() const {
    return std::find(class_names.begin(), class_names.end(), "background") != class_names.end();
  }
};

/// One key with each of the values.
Choices values_of(const std::string& key, const Texts& values) {
  Choices choices;
  for (const auto& value : values) choices.push_back({key, value});
  return choices;
}

Choices methods(const Subject& subject) {
  auto names = all_spellings<DenseMethod>();
  if (subject.config.model.dense.helper_weights.empty())
    std::erase(names, to_string(DenseMethod::proxyclip));
  return values_of("MODEL.DENSE.METHOD", names);
}

Choices forms(const Subject&) {
  return values_of("MODEL.DENSE.FORM", {"full", "reduced", "class_token"});
}

Choices deviations(const Subject&) { return values_of("MODEL.DENSE.STD", {"2", "3", "5", "8"}); }

Choices betas(const Subject&) { return values_of("MODEL.DENSE.BETA", {"1.0", "1.2", "1.4"}); }

Choices gammas(const Subject&) { return values_of("MODEL.DENSE.GAMMA", {"1", "3", "6"}); }

std::string text_of(Size2 size) { return str('(', size.height, ',', size.width, ')'); }

/// The nearest multiple, at least one.
int64_t near_multiple(double length, int64_t multiple) {
  return std::max<int64_t>(1, std::llround(length / static_cast<double>(multiple))) * multiple;
}

/// The image whole in the encoder's shape, whole in its own shape, or in windows, at several sizes.
Choices views(const Subject& subject) {
  const auto& test = subject.config.test;
  const std::string windows = "TEST.SLIDING_WINDOW.ENABLED", size = "TEST.SLIDING_WINDOW.SIZE",
                    stride = "TEST.SLIDING_WINDOW.STRIDE", side = "TEST.SHORT_SIDE",
                    aspect = "TEST.KEEP_ASPECT";
  Choices choices;
  if (subject.pixels()) {
    const auto usual = static_cast<double>(test.short_side > 0 ? test.short_side : 336);
    const auto& set = test.sliding_window;
    const int64_t third = near_multiple(usual / 3, 16);
    const Size2 window = set.enabled ? set.size : Size2{2 * third, 2 * third},
                step = set.enabled ? set.stride : Size2{third, third};
    for (const double factor : {1.0, 4.0 / 3, 5.0 / 3}) {
      const std::string length = str(near_multiple(factor * usual, 16));
      choices.push_back({side, length, windows, "False"});
      choices.push_back(
          {side, length, windows, "True", size, text_of(window), stride, text_of(step)});
    }
    return choices;
  }
  const auto& input = subject.config.model.clip_resolution;
  const auto usual = static_cast<double>(std::min(input.height, input.width));
  const int64_t patch = subject.architecture.vit ? subject.architecture.vit->patch : 32;
  const auto cells = static_cast<int64_t>(usual) / patch;
  const int64_t whole = cells * patch, half = std::max<int64_t>(1, cells / 2) * patch;
  choices.push_back({aspect, "False", windows, "False"});
  for (const double factor : {1.0, 1.25, 1.5})
    choices.push_back(
        {aspect, "True", windows, "False", side, str(near_multiple(factor * usual, 32))});
  for (const double factor : {1.5, 2.0})
    choices.push_back({windows, "True", size, text_of({whole, whole}), stride,
                       text_of({half, half}), side, str(near_multiple(factor * usual, 32))});
  return choices;
}

Choices template_lists(const Subject& subject) {
  Choices choices =
      values_of("TEST.PROMPT_ENSEMBLE_TYPE", {"single", "imagenet_select", "imagenet", "vild"});
  if (!subject.config.model.prompt_templates_file.empty()) {
    for (Texts& choice : choices) choice.insert(choice.end(), {"MODEL.PROMPT_TEMPLATES_FILE", ""});
  }
  return choices;
}

Choices synonyms(const Subject& subject) {
  const auto several = [](const std::string& name) { return split_synonyms(name).size() > 1; };
  const auto& names = subject.class_names;
  if (std::none_of(names.begin(), names.end(), several)) return {};
  return values_of("TEST.SYNONYMS", {"mean", "max"});
}

Choices backgrounds(const Subject& subject) {
  if (!subject.has_background()) return {};
  const std::string mode = "TEST.BACKGROUND.MODE";
  Choices choices = {{mode, ""}};
  if (!subject.pixels()) choices.push_back({mode, "words"});
  for (const char* threshold : {"0.05", "0.1", "0.2", "0.3", "0.5"})
    choices.push_back(
        {mode, subject.pixels() ? "reject" : "threshold", "TEST.BACKGROUND.THRESHOLD", threshold});
  return choices;
}

Choices scales(const Subject& subject) {
  if (!subject.has_background() && subject.pixels()) return {};
  return values_of("TEST.BACKGROUND.SCALE", {"10", "25", "40", "50", "65", "100"});
}

Choices refinements(const Subject&) {
  const std::string refine = "TEST.REFINE", dilations = "TEST.PAMR.DILATIONS";
  return {{refine, ""},
          {refine, "pamr", dilations, "[8, 16]"},
          {refine, "pamr", dilations, "[1, 2, 4, 8, 12, 24]"}};
}

/// An axis: `attention` where only a ViT has it.
struct AxisRule {
  const char *name, *meaning;
  Choices (*choices)(const Subject&);
  bool attention;
};

constexpr AxisRule kAxes[] = {
    {"method", "MODEL.DENSE.METHOD; proxyclip where HELPER_WEIGHTS is set", methods, true},
    {"form", "MODEL.DENSE.FORM", forms, true},
    {"std", "MODEL.DENSE.STD of naclip", deviations, true},
    {"beta", "MODEL.DENSE.BETA of proxyclip", betas, true},
    {"gamma", "MODEL.DENSE.GAMMA of proxyclip", gammas, true},
    {"views", "TEST.KEEP_ASPECT, SHORT_SIDE and SLIDING_WINDOW", views, false},
    {"templates", "TEST.PROMPT_ENSEMBLE_TYPE", template_lists, false},
    {"synonyms", "TEST.SYNONYMS, for class lists with synonyms", synonyms, false},
    {"background", "TEST.BACKGROUND.MODE and THRESHOLD, for sets with a class background",
     backgrounds, false},
    {"scale", "TEST.BACKGROUND.SCALE, the factor before the softmax", scales, false},
    {"pamr", "TEST.REFINE", refinements, false},
};

}  // namespace

const std::vector<TuningAxisName>& tuning_axis_names() {
  static const std::vector<TuningAxisName> names = [] {
    std::vector<TuningAxisName> all;
    for (const AxisRule& axis : kAxes) all.push_back({axis.name, axis.meaning});
    return all;
  }();
  return names;
}

std::vector<TuningAxis> tuning_axes(const Config& config, const ClipArchitecture& architecture,
                                    const std::vector<std::string>& class_names,
                                    const std::vector<std::string>& wanted) {
  Texts known;
  for (const AxisRule& axis : kAxes) known.push_back(axis.name);
  for (const auto& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string list;
    for (const auto& each : known) list += (list.empty() ? "" : ", ") + each;
    fail("--keys: there is no ", name, did_you_mean(name, known), "; expected some of ", list);
  }
  const Subject subject{config, architecture, class_names};
  std::vector<TuningAxis> axes;
  for (const AxisRule& axis : kAxes) {
    const bool asked = std::find(wanted.begin(), wanted.end(), axis.name) != wanted.end();
    if (!asked && !wanted.empty()) continue;
    if (axis.attention && !architecture.vit) {
      if (asked)
        fail("--keys: ", axis.name, " is of the attention of a ViT, but these weights are a ",
             "ConvNeXt, which has none");
      continue;
    }
    auto choices = axis.choices(subject);
    if (!choices.empty())
      axes.push_back({axis.name, std::move(choices)});
    else if (asked)
      log::warn("--keys: ", axis.name, " changes nothing on this set");
  }
  if (axes.empty()) fail("--keys: none of these keys changes anything on this set");
  return axes;
}

}  // namespace pixelclip
