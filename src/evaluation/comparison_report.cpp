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

/// The least and the largest of some values; NaN counts for neither.
struct Span {
  double low = INFINITY, high = -INFINITY;

  void add(double value) {
    if (!std::isnan(value)) low = std::min(low, value), high = std::max(high, value);
  }
  double length() const { return high >= low ? high - low : std::nan(""); }
};

/// A cell shaded by its place in the span, the largest value in bold; `below` stands under it.
std::string shaded_cell(double value, const Span& span, const std::string& below = "") {
  const bool best = value == span.high && span.length() > 0;
  const double share = span.length() > 0 ? (value - span.low) / span.length() : 0;
  return str("<td data-v=\"", std::isnan(value) ? "" : shown(value, 6), "\"",
             std::isnan(value) ? ""
                               : str(" style=\"background:color-mix(in srgb, var(--bar) ",
                                     shown(45 * share, 0), "%, transparent)\""),
             ">", best ? "<b>" : "", shown(value, 1), best ? "</b>" : "", below, "</td>");
}

/// Numbers the sources of published scores in the order of their use.
class Sources {
 public:
  int number_of(const std::string& source) {
    const auto at = std::find(sources_.begin(), sources_.end(), source);
    if (at != sources_.end()) return static_cast<int>(at - sources_.begin()) + 1;
    sources_.push_back(source);
    return static_cast<int>(sources_.size());
  }
  std::string list() const {
    if (sources_.empty()) return "";
    std::string out =
        "<p class=\"kind\">Published scores of the same method and backbone:</p><ol "
        "class=\"kind\">";
    for (const auto& source : sources_) out += "<li>" + escaped(source) + "</li>";
    return out + "</ol>";
  }

 private:
  std::vector<std::string> sources_;
};

/// A row a way: its score on each set, and the published one below it with its source.
std::string score_table(const ComparisonReport& report) {
  std::vector<std::string> heads = {"way"};
  for (const ComparedSet& set : report.sets) heads.push_back(set.set);
  heads.push_back("mean");
  const auto score = [&](size_t way, size_t column) {
    return column < report.sets.size() ? headline(report.sets[column].comparison.results[way])
                                       : mean_score(report, way);
  };
  std::vector<Span> spans(heads.size() - 1);
  for (size_t w = 0; w < report.ways.size(); ++w) {
    for (size_t c = 0; c < spans.size(); ++c) spans[c].add(score(w, c));
  }
  Sources sources;
  std::string out = open_table("scores", " first", table_head(heads, {"way"}));
  for (size_t w = 0; w < report.ways.size(); ++w) {
    out += str("<tr><td class=\"text\">", escaped(report.ways[w].name), "</td>");
    for (size_t c = 0; c < spans.size(); ++c) {
      const auto published = c < report.sets.size()
                                 ? published_score(report.ways[w], report.sets[c].set)
                                 : PublishedScore();
      out += shaded_cell(score(w, c), spans[c],
                         std::isnan(published.score)
                             ? ""
                             : str("<small class=\"paper\" title=\"", escaped(published.source),
                                   "\">published ", shown(published.score, 1), " <sup>",
                                   sources.number_of(published.source), "</sup></small>"));
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>" + sources.list();
}

/// IoU of each class by each way, with the span between the best and the worst way.
std::string class_differences(const ComparisonReport& report, const ComparedSet& set) {
  std::vector<std::string> heads = {"class"};
  for (const ComparedWay& way : report.ways) heads.push_back(way.name);
  heads.push_back("span");
  struct Row {
    std::string name;
    std::vector<double> ious;
    Span span;
  };
  std::vector<Row> rows;
  for (size_t c = 0; c < set.class_names.size(); ++c) {
    Row row{set.class_names[c], {}, {}};
    for (const SetResult& result : set.comparison.results) {
      row.ious.push_back(score_of(result.scores, "IoU-" + result.names[c]));
      row.span.add(row.ious.back());
    }
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    const double first = a.span.length(), second = b.span.length();
    return !std::isnan(first) && (std::isnan(second) || first > second);
  });
  std::string out = open_table("classes of " + set.set, " tall first", table_head(heads));
  for (const Row& row : rows) {
    out += str("<tr><td>", escaped(row.name), "</td>");
    for (const double iou : row.ious) out += shaded_cell(iou, row.span);
    out += cell(row.span.length(), 1) + "</tr>";
  }
  return out + "</tbody></table></div>";
}

/// The share of the labelled pixels that a way labels right, for a caption.
std::string share_right(const LabelMap& labels, const LabelMap& truth, int32_t classes) {
  int64_t all = 0, right = 0;
  for (size_t i = 0; i < truth.ids.size(); ++i) {
    if (truth.ids[i] < 0 || truth.ids[i] >= classes) continue;
    ++all;
    right += labels.ids[i] == truth.ids[i];
  }
  if (all == 0) return "";
  return str(", ", shown(100.0 * static_cast<double>(right) / static_cast<double>(all), 0),
             " % right");
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
    panels += panel(painted_labels(contested.image, labels, colors),
                    report.ways[w].name +
                        share_right(labels, contested.truth, static_cast<int32_t>(colors.size())),
                    contested.stem);
  }
  std::string legend;
  for (const int32_t id : seen) {
    if (id >= 0 && id < static_cast<int32_t>(colors.size()))
      legend += swatch(colors[id], set.class_names[id]);
  }
  return str("<article><header><span>", escaped(contested.stem), "</span><b>disagreement on ",
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
  out += "<h3>IoU of each class, by the difference between the ways</h3>" +
         class_differences(report, set);
  if (set.comparison.contested.empty()) return out + "</section>";
  out += "<h3>Images on which the ways disagree most</h3><div class=\"examples\">";
  for (const ContestedImage& contested : set.comparison.contested)
    out += contested_card(report, set, contested);
  return out + "</div></section>";
}

/// The way with the best mean, and how much was scored.
std::string figures(const ComparisonReport& report) {
  size_t best = 0;
  for (size_t w = 1; w < report.ways.size(); ++w) {
    const double mean = mean_score(report, w);
    if (std::isnan(mean_score(report, best)) || mean > mean_score(report, best)) best = w;
  }
  int64_t images = 0;
  for (const ComparedSet& set : report.sets) images += set.comparison.results.front().scored;
  const auto figure = [](const std::string& value, const std::string& name) {
    return str("<li><b>", escaped(value), "</b><span>", name, "</span></li>");
  };
  return str("<ul class=\"figures\">", figure(report.ways[best].name, "best mean"),
             figure(shown(mean_score(report, best), 2), "its mean of mIoU"),
             figure(str(images), "images"), "</ul>");
}

HtmlPage page_of(const ComparisonReport& report) {
  HtmlPage page{.title = report.title,
                .subject = report.subject.empty()
                               ? str(report.ways.size(), " ways, ", report.sets.size(), " sets")
                               : report.subject};
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
  page.body = str(
      "<section id=\"results\"><h2>mIoU</h2>", figures(report), score_table(report),
      "<p class=\"kind\">Percent; shaded from the worst to the best of each column.</p></section>");
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
  write_atomically(folder / "results.csv", [&](std::ostream& out) { write_csv(out, rows); });
  write_atomically(folder / "results.md", [&](std::ostream& out) { write_markdown(out, rows); });
  write_html_page(folder / "report.html", page_of(report));
}

}  // namespace pixelclip
