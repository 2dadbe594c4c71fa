#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/value.hpp"
#include "support/program.hpp"
#include "support/tensors.hpp"

namespace pixelclip::testing {

/// A tiny CLIP with random weights, six generated images with masks, and a configuration that
/// trains on them in a moment; all in one folder.
class TinyWorld {
 public:
  explicit TinyWorld(bool convnext = false);

  fs::path operator/(const fs::path& name) const { return folder_ / name; }
  /// KEY VALUE pairs of a run into `output`, `changes` after them.
  std::vector<std::string> overrides(const std::string& output,
                                     const std::vector<std::string>& changes) const;
  /// Runs in this process; the exit status.
  int train(const std::string& output, const std::vector<std::string>& changes = {},
            bool resume = false) const;
  /// The same in a program of its own, that starts more of them when `processes` is above 1.
  std::vector<std::string> command(const std::string& output,
                                   const std::vector<std::string>& changes = {}, int processes = 1,
                                   bool resume = false) const;

  /// Lines of metrics.json, and what stands in log.txt.
  std::vector<nlohmann::json> metrics(const std::string& output) const;
  std::string log(const std::string& output) const;

 private:
  TempFolder folder_;
};

/// The value of `key` in every line that has it.
std::vector<double> column(const std::vector<nlohmann::json>& lines, const std::string& key);

/// Every tensor of a checkpoint by its path ("model/head.proj.weight"), numbers as tensors.
std::map<std::string, torch::Tensor> flattened(const fs::path& checkpoint);
/// Succeeds when both files hold the same tensors under the same names, each within `tolerance`; 0
/// means bit for bit.
::testing::AssertionResult same_state(const fs::path& actual, const fs::path& expected,
                                      double tolerance = 0);

}  // namespace pixelclip::testing
