#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/report.hpp"

namespace pixelclip {

/// A value over the iterations of training.
struct Curve {
  std::string name = {};
  std::vector<std::pair<double, double>> points = {};  ///< (iteration, value)
};

/// total_loss, lr and every set's mIoU from a training run's metrics.json; none where there is no
/// such file. Lines that are no JSON are left out, as a run that was killed may have torn the last.
std::vector<Curve> read_curves(const std::filesystem::path& metrics);

struct HtmlReport {
  std::string subject = {};   ///< What was scored, for example the weights' file.
  std::string protocol = {};  ///< Settings, shown as they are.
  std::vector<SetResult> results = {};
  std::vector<ComparedRow> compared = {};
  std::vector<Curve> curves = {};
};

/// One page that needs nothing else: tables, bars of each class, confused pairs, example images,
/// curves.
void write_html_report(const std::filesystem::path& path, const HtmlReport& report);

}  // namespace pixelclip
