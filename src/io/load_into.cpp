#include "io/load_into.hpp"

#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"

namespace pixelclip {
namespace {

bool allowed(const std::string& name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (pattern.empty() || pattern.back() == '.') return name.starts_with(pattern);
    return name == pattern;
  });
}

constexpr size_t kMostForeignNames = 100;  // of a file; the model's own names are few

/// "a, b, c"; beyond `most` names an ellipsis stands for the rest.
std::string joined(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > most ? text + ", ..." : text;
}

/// "; 3 WHAT: a, b, c"; nothing when there are none.
std::string listed(const std::vector<std::string>& names, const char* what, size_t most) {
  return names.empty() ? "" : str("; ", names.size(), " ", what, ": ", joined(names, most));
}

LoadReport compare(const StateDict& wanted, const StateDict& state, const LoadOptions& options) {
  LoadReport report;
  for (const auto& [name, target] : wanted) {
    const auto found = state.find(name);
    if (found == state.end()) {
      if (!allowed(name, options.may_be_missing)) report.missing.push_back(name);
    } else if (found->second.sizes() != target.sizes()) {
      report.misshapen.push_back(
          pixelclip::str(name, " ", found->second.sizes(), " instead of ", target.sizes()));
    } else {
      report.loaded.push_back(name);
    }
  }
  for (const auto& [name, tensor] : state) {
    if (wanted.contains(name)) continue;
    auto& into = allowed(name, options.may_be_unused)   ? report.passed_over
                 : allowed(name, options.must_be_known) ? report.unusable
                                                        : report.unexpected;
    into.push_back(printable(name));
  }
  return report;
}

void say_what_is_left_out(const LoadReport& report, const LoadOptions& options) {
  if (!report.passed_over.empty()) {
    log::info(options.source, ": ", report.passed_over.size(),
              " tensors are ignored, which the model does not need: ",
              joined(options.may_be_unused, kMostForeignNames));
  }
  if (!report.unexpected.empty()) {
    log::warn(options.source, ": ", report.unexpected.size(),
              " tensors are not used, since the model has no parameters of these names: ",
              joined(report.unexpected, kMostForeignNames));
  }
}

}  // namespace

LoadReport load_into(torch::nn::Module& module, const StateDict& state,
                     const LoadOptions& options) {
  const torch::NoGradGuard no_grad;
  StateDict wanted = state_of(module);
  LoadReport report = compare(wanted, state, options);
  if (!report.missing.empty() || !report.unusable.empty() || !report.misshapen.empty()) {
    auto unexpected = report.unusable;
    unexpected.insert(unexpected.end(), report.unexpected.begin(), report.unexpected.end());
    fail(options.source, ": the weights do not fit the model",
         listed(report.missing, "missing", wanted.size()),
         listed(unexpected, "unexpected", kMostForeignNames),
         listed(report.misshapen, "of another shape", wanted.size()));
  }
  say_what_is_left_out(report, options);
  for (const auto& name : report.loaded) wanted.at(name).copy_(state.at(name));
  return report;
}

}  // namespace pixelclip
