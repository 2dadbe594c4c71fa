#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/report.hpp"

namespace pixelclip {

/// A metric over the training iterations.
struct Curve {
  std::string name = {};
  std::vector<std::pair<double, double>> points = {};  ///< (iteration, value)
};

/// total_loss, lr and every set's mIoU from a training run's metrics.json; none if the file does
/// not exist. Lines that are not valid JSON are skipped, since a killed run may have left an
/// incomplete one.
std::vector<Curve> read_curves(const std::filesystem::path& metrics);

struct HtmlReport {
  std::string subject = {};   ///< What was scored, for example the weights file.
  std::string protocol = {};  ///< Settings, shown as they are.
  std::vector<SetResult> results = {};
  std::vector<ComparedRow> compared = {};
  std::vector<Curve> curves = {};
};

/// Writes a self-contained page: tables, bars per class, confused pairs, example images, curves.
void write_html_report(const std::filesystem::path& path, const HtmlReport& report);

}  // namespace pixelclip
