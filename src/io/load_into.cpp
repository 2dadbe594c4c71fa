#include <torch/utils.h>

#include <algorithm>

#include "pixelclip/base/error.hpp"
#include "pixelclip/io/state_dict.hpp"

namespace pixelclip {
namespace {

bool allowed(const std::string& name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (pattern.empty() || pattern.back() == '.') return name.starts_with(pattern);
    return name == pattern;
  });
}

/// "; 3 WHAT: a, b, c"; nothing when there are none, and at most ten names.
std::string listed(const std::vector<std::string>& names, const char* what) {
  if (names.empty()) return "";
  constexpr size_t most = 10;
  std::string text = str("; ", names.size(), " ", what, ": ");
  for (size_t i = 0; i < std::min(names.size(), most); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return names.size() > most ? text + ", ..." : text;
}

LoadReport compare(const StateDict& wanted, const StateDict& state, const LoadOptions& options) {
  LoadReport report;
  for (const auto& [name, target] : wanted) {
    const auto found = state.find(name);
    if (found == state.end()) {
      if (!allowed(name, options.may_be_missing)) report.missing.push_back(name);
    } else if (found->second.sizes() != target.sizes()) {
      report.misshapen.push_back(pixelclip::str(name, " ", found->second.sizes(), " instead of ", target.sizes()));
    } else {
      report.loaded.push_back(name);
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!wanted.contains(name) && !allowed(name, options.may_be_unused)) {
      report.unexpected.push_back(printable(name));
    }
  }
  return report;
}

}  // namespace

LoadReport load_into(torch::nn::Module& module, const StateDict& state, const LoadOptions& options) {
  const torch::NoGradGuard no_grad;
  StateDict wanted = state_of(module);
  LoadReport report = compare(wanted, state, options);
  if (!report.missing.empty() || !report.unexpected.empty() || !report.misshapen.empty()) {
    fail(options.source, ": the weights do not fit the model", listed(report.missing, "missing"),
         listed(report.unexpected, "unexpected"), listed(report.misshapen, "of another shape"));
  }
  for (const auto& name : report.loaded) wanted.at(name).copy_(state.at(name));
  return report;
}

}  // namespace pixelclip
