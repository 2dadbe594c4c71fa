#include "evaluation/comparison_report.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "evaluation/html.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

using OrderedJson = nlohmann::ordered_json;

double mean_score(const ComparisonReport& report, size_t way) {
  double sum = 0;
  for (const ComparedSet& set : report.sets) sum += headline(set.comparison.results[way]);
  return sum / static_cast<double>(report.sets.size());
}

OrderedJson or_null(double value) {
  return std::isnan(value) ? OrderedJson(nullptr) : OrderedJson(value);
}

OrderedJson to_json(const ComparisonReport& report) {
  OrderedJson ways = OrderedJson::array();
  for (size_t w = 0; w < report.ways.size(); ++w) {
    const ComparedWay& way = report.ways[w];
    OrderedJson sets = OrderedJson::object();
    for (const ComparedSet& set : report.sets) {
      const SetResult& result = set.comparison.results[w];
      OrderedJson scores = OrderedJson::object();
      for (const auto& [name, value] : result.scores) scores[name] = or_null(value);
      OrderedJson entry = {{"sem_seg", std::move(scores)},
                           {"fingerprint", result.fingerprint},
                           {"scored", result.scored},
                           {"listed", result.listed},
                           {"complete", result.complete}};
      if (const auto [score, source] = published_score(way, set.set); !std::isnan(score))
        entry["published"] = {{"mIoU", score}, {"source", source}};
      sets[set.set] = std::move(entry);
    }
    ways.push_back({{"name", way.name},
                    {"weights", way.weights},
                    {"method", way.method},
                    {"protocol", way.protocol},
                    {"mean mIoU", or_null(mean_score(report, w))},
                    {"sets", std::move(sets)}});
  }
  return {{"ways", std::move(ways)}};
}

void write_rows(std::ostream& out, const std::vector<TableRow>& rows, bool markdown) {
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].size(); ++c) {
      std::string text = rows[r][c];
      if (markdown) {
        out << "| " << text << ' ';
        continue;
      }
      if (text.find_first_of(",\"\n") != std::string::npos) {
        for (size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2)
          text.insert(at, 1, '"');
        text = '"' + text + '"';
      }
      out << (c ? "," : "") << text;
    }
    out << (markdown ? "|\n" : "\n");
    if (!markdown || r > 0) continue;
    for (size_t c = 0; c < rows[r].size(); ++c) out << (c ? "|--:" : "|---");
    out << "|\n";
  }
}

/// Scores as cells shaded by their place between the worst and the best of their column.
std::string score_table(const ComparisonReport& report) {
  std::vector<std::string> heads = {"way"};
  for (const ComparedSet& set : report.sets) heads.push_back(set.set);
  heads.push_back("mean");
  std::string out = open_table("scores", "", table_head(heads, {"way"}));
  const auto score = [&](size_t way, size_t column) {
    return column < report.sets.size() ? headline(report.sets[column].comparison.results[way])
                                       : mean_score(report, way);
  };
  for (size_t w = 0; w < report.ways.size(); ++w) {
    out += str("<tr><td class=\"text\">", escaped(report.ways[w].name), "</td>");
    for (size_t c = 0; c <= report.sets.size(); ++c) {
      double low = INFINITY, high = -INFINITY;
      for (size_t other = 0; other < report.ways.size(); ++other) {
        const double value = score(other, c);
        if (!std::isnan(value)) low = std::min(low, value), high = std::max(high, value);
      }
      const double value = score(w, c);
      const double share = high > low ? (value - low) / (high - low) : 0;
      const auto [published, source] = c < report.sets.size()
                                           ? published_score(report.ways[w], report.sets[c].set)
                                           : PublishedScore{};
      out += str("<td data-v=\"", std::isnan(value) ? "" : shown(value, 6), "\"",
                 std::isnan(share) ? ""
                                   : str(" style=\"background:color-mix(in srgb, var(--bar) ",
                                         shown(45 * share, 0), "%, transparent)\""),
                 ">", value == high ? "<b>" : "", shown(value, 1), value == high ? "</b>" : "",
                 std::isnan(published) ? ""
                                       : str(" <small title=\"", escaped(source), "\">(",
                                             shown(published, 1), ")</small>"),
                 "</td>");
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string sources_list(const ComparisonReport& report) {
  std::string out;
  for (const ComparedWay& way : report.ways) {
    std::set<std::string> sources;
    for (const ComparedSet& set : report.sets) {
      const auto published = published_score(way, set.set);
      if (!std::isnan(published.score)) sources.insert(published.source);
    }
    for (const auto& source : sources)
      out += str("<li>", escaped(way.name), ": ", escaped(source), "</li>");
  }
  return out.empty() ? ""
                     : str("<details><summary>Sources of the published scores in brackets"
                           "</summary><ul>",
                           out, "</ul></details>");
}

/// IoU of each class by each way, with the span between the best and the worst way.
std::string class_differences(const ComparisonReport& report, const ComparedSet& set) {
  std::vector<std::string> heads = {"class"};
  for (const ComparedWay& way : report.ways) heads.push_back(way.name);
  heads.push_back("span");
  struct Row {
    std::string name;
    std::vector<double> ious;
    double span;
  };
  std::vector<Row> rows;
  const auto& results = set.comparison.results;
  for (size_t c = 0; c < set.class_names.size(); ++c) {
    Row row{set.class_names[c], {}, 0};
    double low = INFINITY, high = -INFINITY;
    for (const SetResult& result : results) {
      row.ious.push_back(score_of(result.scores, "IoU-" + result.names[c]));
      if (std::isnan(row.ious.back())) continue;
      low = std::min(low, row.ious.back()), high = std::max(high, row.ious.back());
    }
    row.span = high >= low ? high - low : std::nan("");
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return !std::isnan(a.span) && (std::isnan(b.span) || a.span > b.span);
  });
  std::string out = open_table("classes of " + set.set, " tall", table_head(heads));
  for (const Row& row : rows) {
    out += str("<tr><td>", escaped(row.name), "</td>");
    for (const double iou : row.ious) out += cell(iou, 1);
    out += cell(row.span, 1) + "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string contested_card(const ComparisonReport& report, const ComparedSet& set,
                           const ContestedImage& contested) {
  const auto colors = distinct_colors(static_cast<int>(set.class_names.size()));
  std::set<int32_t> seen(contested.truth.ids.begin(), contested.truth.ids.end());
  std::string panels =
      panel(contested.image, "image", contested.stem) +
      panel(painted_labels(contested.image, contested.truth, colors), "truth", contested.stem);
  for (size_t w = 0; w < contested.predictions.size(); ++w) {
    const LabelMap& labels = contested.predictions[w];
    seen.insert(labels.ids.begin(), labels.ids.end());
    panels += panel(painted_labels(contested.image, labels, colors), escaped(report.ways[w].name),
                    contested.stem);
  }
  std::string legend;
  for (const int32_t id : seen) {
    if (id >= 0 && id < static_cast<int32_t>(colors.size()))
      legend += swatch(colors[id], set.class_names[id]);
  }
  return str("<article><header><span>", escaped(contested.stem), "</span><b>",
             shown(contested.share, 1), " % of the pixels</b></header><div class=\"panels\">",
             panels, "</div><ul class=\"legend\">", legend, "</ul></article>");
}

std::string set_section(const ComparisonReport& report, const ComparedSet& set, size_t index) {
  std::string out = str("<section id=\"set-", index, "\"><h2>", escaped(set.set), "</h2>");
  for (size_t w = 0; w < report.ways.size(); ++w) {
    const SetResult& result = set.comparison.results[w];
    const std::string remark = !result.complete
                                   ? "stopped early: the numbers are of a part of the set"
                                   : coverage_remark(result);
    if (!remark.empty())
      out +=
          str("<p class=\"warning\">", escaped(report.ways[w].name), ": ", escaped(remark), "</p>");
  }
  out +=
      "<h3>Classes, by the difference between the ways (IoU)</h3>" + class_differences(report, set);
  if (set.comparison.contested.empty()) return out + "</section>";
  out += "<h3>Images on which the ways disagree most</h3><div class=\"examples\">";
  for (const ContestedImage& contested : set.comparison.contested)
    out += contested_card(report, set, contested);
  return out + "</div></section>";
}

HtmlPage page_of(const ComparisonReport& report) {
  HtmlPage page{.title = "Dense CLIP, compared",
                .subject = str(report.ways.size(), " ways, ", report.sets.size(), " sets")};
  page.links.emplace_back("results", "results");
  for (size_t i = 0; i < report.sets.size(); ++i)
    page.links.emplace_back(str("set-", i), report.sets[i].set);
  std::vector<TableRow> details = {{"way", "weights", "method", "protocol", "set", "fingerprint"}};
  for (size_t w = 0; w < report.ways.size(); ++w) {
    const ComparedWay& way = report.ways[w];
    for (const ComparedSet& set : report.sets) {
      details.push_back({way.name, way.weights, way.method, way.protocol, set.set,
                         set.comparison.results[w].fingerprint});
    }
  }
  page.links.emplace_back("measured", "how it was measured");
  page.body =
      str("<section id=\"results\"><h2>mIoU</h2>", score_table(report),
          "<p class=\"kind\">Percent; in brackets the published score of the same method and "
          "backbone. Darker is better within a column.</p>",
          sources_list(report), "</section>");
  for (size_t i = 0; i < report.sets.size(); ++i)
    page.body += set_section(report, report.sets[i], i);
  page.body += str("<section id=\"measured\"><h2>How it was measured</h2>",
                   text_table("how it was measured", details), kFingerprintNote, "</section>");
  return page;
}

}  // namespace

PublishedScore published_score(const ComparedWay& way, const std::string& set) {
  for (const ComparedRow& row : way.published) {
    const double score = score_of(row.scores, set);
    if (!std::isnan(score)) return {score, row.source};
  }
  return {};
}

std::vector<TableRow> comparison_table(const ComparisonReport& report) {
  std::vector<TableRow> rows(1);
  rows[0] = {"mIoU"};
  for (const ComparedSet& set : report.sets) rows[0].push_back(set.set);
  rows[0].push_back("mean");
  for (size_t w = 0; w < report.ways.size(); ++w) {
    TableRow row = {report.ways[w].name};
    for (const ComparedSet& set : report.sets) {
      const auto published = published_score(report.ways[w], set.set);
      row.push_back(shown(headline(set.comparison.results[w]), 2) +
                    (std::isnan(published.score) ? "" : str(" (", shown(published.score, 1), ")")));
    }
    row.push_back(shown(mean_score(report, w), 2));
    rows.push_back(std::move(row));
  }
  return rows;
}

void write_comparison(const fs::path& folder, const ComparisonReport& report) {
  make_writable_folder(folder);
  write_atomically(folder / "results.json",
                   [&](std::ostream& out) { out << to_json(report).dump(1) << '\n'; });
  const auto rows = comparison_table(report);
  write_atomically(folder / "results.csv",
                   [&](std::ostream& out) { write_rows(out, rows, false); });
  write_atomically(folder / "results.md", [&](std::ostream& out) { write_rows(out, rows, true); });
  write_html_page(folder / "report.html", page_of(report));
}

}  // namespace pixelclip
