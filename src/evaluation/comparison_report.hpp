#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "evaluation/evaluate.hpp"

namespace pixelclip {

/// One row of a comparison: weights, a method and a protocol.
struct ComparedWay {
  std::string name = {};  ///< Differs from the others'.
  std::string weights = {}, method = {}, protocol = {};
  std::vector<ComparedRow> published = {};  ///< Figures of others for it, the best source first.
};

/// All ways on one set.
struct ComparedSet {
  std::string set = {};
  Comparison comparison = {};  ///< Results of the ways, in their order.
  std::vector<std::string> class_names = {};
};

struct ComparisonReport {
  std::vector<ComparedWay> ways = {};
  std::vector<ComparedSet> sets = {};
  std::string title = "Dense CLIP, compared", subject = {};  ///< Of the page.
};

/// A published score of a way on a set; NaN without one.
struct PublishedScore {
  double score = std::nan("");
  std::string source = {};
};
PublishedScore published_score(const ComparedWay& way, const std::string& set);

/// Headings, then a row a way: its score on each set, the published one in brackets behind it, and
/// the mean over the sets.
std::vector<TableRow> comparison_table(const ComparisonReport& report);

/// FOLDER/results.json, results.csv, results.md and report.html: the table, the classes on which
/// the ways differ, and the images on which they disagree most.
void write_comparison(const std::filesystem::path& folder, const ComparisonReport& report);

}  // namespace pixelclip
