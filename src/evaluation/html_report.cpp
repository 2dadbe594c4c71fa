#include "evaluation/html_report.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "evaluation/html.hpp"

namespace pixelclip {
namespace {

std::string class_table(const SetResult& result) {
  const int classes = result.confusion.classes();
  std::vector<double> truth(classes);
  double all = 0;
  for (int t = 0; t < classes; ++t) {
    for (int p = 0; p < classes; ++p) truth[t] += static_cast<double>(result.confusion.at(p, t));
    all += truth[t];
  }
  std::string out = open_table("classes of " + result.set, " tall",
                               table_head({"class", "IoU", "", "accuracy", "share of pixels"}));
  // The column of bars has no heading and is not sortable.
  const std::string empty_head = "<th scope=\"col\"><button></button></th>";
  out.replace(out.find(empty_head), empty_head.size(),
              "<th class=\"bar\" aria-hidden=\"true\"></th>");
  for (int c = 0; c < classes; ++c) {
    const double iou = score_of(result.scores, "IoU-" + result.names[c]);
    out += str("<tr><td>", escaped(result.names[c]), "</td>", cell(iou, 1),
               "<td class=\"bar\"><div><div style=\"width:", shown(std::isnan(iou) ? 0 : iou, 1),
               "%\"></div></div></td>", cell(score_of(result.scores, "ACC-" + result.names[c]), 1),
               cell(100 * truth[c] / std::max(all, 1.0), 2, " %"), "</tr>");
  }
  return out + "</tbody></table></div>";
}

std::string confused_table(const SetResult& result) {
  std::string out =
      open_table("most confused in " + result.set, " tall",
                 table_head({"true class", "taken for", "share", "pixels"}, {"taken for"}));
  for (const ConfusedPair& pair : most_confused(result.confusion, 30)) {
    out += str("<tr><td>", escaped(result.names[pair.truth]), "</td><td class=\"text\">",
               escaped(result.names[pair.predicted]), "</td>", cell(100 * pair.share, 1, " %"),
               cell(static_cast<double>(pair.pixels), 0), "</tr>");
  }
  return out + "</tbody></table></div>";
}

std::string example_card(const Example& example, const SetResult& result,
                         const std::vector<Color>& colors) {
  // Darker, lighter and grayer than any color of a class.
  constexpr Color kWrong = {150, 0, 30}, kRight = {235, 240, 245}, kIgnored = {0, 0, 0};
  const int classes = result.confusion.classes();
  const auto is_class = [&](int32_t id) { return id >= 0 && id < classes; };
  const auto labels = [&](const LabelMap& map) {
    return painted_labels(example.image, map, colors);
  };
  const auto errors = painted(example.image, [&](size_t i, uint8_t gray) {
    if (!is_class(example.truth.ids[i])) return over(kIgnored, 0.55, gray);
    return over(example.truth.ids[i] == example.prediction.ids[i] ? kRight : kWrong, 0.7, gray);
  });
  std::string legend;
  std::set<int32_t> seen(example.truth.ids.begin(), example.truth.ids.end());
  seen.insert(example.prediction.ids.begin(), example.prediction.ids.end());
  for (const int32_t id : seen) {
    if (is_class(id)) legend += swatch(colors[id], result.names[id]);
  }
  legend += swatch(kWrong, "wrong") + swatch(over(kIgnored, 0.55, 128), "not scored");
  return str("<article><header><span><span class=\"kind\">", example.kind, "</span> ",
             escaped(example.stem), "</span><b>", shown(example.score, 1),
             "</b></header><div class=\"panels\">", panel(example.image, "image", example.stem),
             panel(labels(example.truth), "truth", example.stem),
             panel(labels(example.prediction), "prediction", example.stem),
             panel(errors, "errors", example.stem), "</div><ul class=\"legend\">", legend,
             "</ul></article>");
}

std::string set_section(const SetResult& result, size_t index) {
  std::string out = str("<section id=\"set-", index, "\"><h2>", escaped(result.set),
                        "</h2><ul class=\"figures\">");
  const auto figure = [&](const std::string& value, const char* name) {
    out += str("<li><b>", value, "</b><span>", name, "</span></li>");
  };
  for (const char* name : {"IoU", "mIoU", "IoU_sup", "fwIoU", "mACC", "pACC"}) {
    const double value = score_of(result.scores, name);
    if (!std::isnan(value))
      figure(shown(value, 2), std::string(name) == "IoU_sup" ? "IoU of categories" : name);
  }
  figure(str(result.scored), "images scored");
  const int64_t missing = result.listed - result.unlabelled - result.scored;
  if (missing > 0) figure(str(missing), "missing");
  out += "</ul>";
  if (const auto remark = coverage_remark(result); !remark.empty()) {
    out += str("<p class=\"warning\">", escaped(remark), "</p>");
  }
  if (!result.complete)
    out +=
        "<p class=\"warning\">This evaluation was stopped early: the scores cover only part of the "
        "set.</p>";
  if (!result.unreadable.empty()) {
    out += str("<details class=\"warning\"><summary>",
               "unreadable images: ", result.unreadable.size(), "</summary><pre>");
    for (const auto& reason : result.unreadable) out += escaped(reason) + '\n';
    out += "</pre></details>";
  }
  out += str("<div class=\"columns\"><div><h3>Classes</h3>", class_table(result),
             "</div><div><h3>Most confused</h3>", confused_table(result), "</div></div>");
  if (result.examples.empty()) return out + "</section>";
  out += "<h3>Images, with their own mean IoU</h3><div class=\"examples\">";
  const auto colors = distinct_colors(result.confusion.classes());
  for (const Example& example : result.examples) out += example_card(example, result, colors);
  return out + "</div></section>";
}

std::string chart(const Curve& curve) {
  constexpr double kWidth = 360, kHeight = 180, kLeft = 64, kRight = 10, kTop = 10, kBottom = 24;
  double low_x = curve.points[0].first, high_x = low_x, low = curve.points[0].second, high = low;
  for (const auto& [x, y] : curve.points) {
    low_x = std::min(low_x, x), high_x = std::max(high_x, x), low = std::min(low, y),
    high = std::max(high, y);
  }
  const auto place = [](double value, double from, double to) {
    return to > from ? (value - from) / (to - from) : 0.5;
  };
  const auto across = [&](double x) {
    return kLeft + place(x, low_x, high_x) * (kWidth - kLeft - kRight);
  };
  const auto down = [&](double y) {
    return kHeight - kBottom - place(y, low, high) * (kHeight - kTop - kBottom);
  };
  const auto label = [](double value) {
    std::ostringstream text;
    text << std::setprecision(4) << value;
    return text.str();
  };
  const auto text = [](double x, double y, const char* anchor, const std::string& words) {
    return str("<text x=\"", x, "\" y=\"", y, "\" text-anchor=\"", anchor, "\">", words, "</text>");
  };
  std::string points;
  for (const auto& [x, y] : curve.points)
    points += str(shown(across(x), 1), ',', shown(down(y), 1), ' ');
  const std::string line = curve.points.size() > 1
                               ? str("<polyline class=\"curve\" points=\"", points, "\"/>")
                               : str("<circle class=\"curve\" r=\"3\" cx=\"", across(low_x),
                                     "\" cy=\"", down(low), "\"/>");
  return str(
      "<article><h3 style=\"margin-top:0\">", escaped(curve.name), "</h3><svg viewBox=\"0 0 ",
      kWidth, ' ', kHeight, "\" role=\"img\" aria-label=\"", escaped(curve.name),
      " over the iterations, from ", label(curve.points.front().second), " to ",
      label(curve.points.back().second), "\"><path class=\"axis\" fill=\"none\" d=\"M", kLeft, ' ',
      kTop, 'V', kHeight - kBottom, 'H', kWidth - kRight, "\"/>", line,
      high > low ? text(kLeft - 6, kTop + 8, "end", label(high)) +
                       text(kLeft - 6, kHeight - kBottom, "end", label(low))
                 : text(kLeft - 6, down(low) + 4, "end", label(low)),
      high_x > low_x ? text(kLeft, kHeight - 8, "start", label(low_x)) : "",
      text(kWidth - kRight, kHeight - 8, "end", "iteration " + label(high_x)), "</svg></article>");
}

}  // namespace

std::vector<Curve> read_curves(const std::filesystem::path& metrics) {
  std::map<std::string, std::map<double, double>> curves;  // the last line of an iteration counts
  std::error_code ignored;
  if (!std::filesystem::exists(metrics, ignored)) return {};
  std::istringstream lines(read_text(metrics));
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object() || !entry.contains("iteration") || !entry["iteration"].is_number())
      continue;
    for (const auto& [name, value] : entry.items()) {
      if (!value.is_number() || (name != "total_loss" && name != "lr" && !name.ends_with("mIoU")))
        continue;
      curves[name][entry["iteration"].get<double>()] = value.get<double>();
    }
  }
  std::vector<Curve> result;
  for (const auto& [name, points] : curves)
    result.push_back({name, {points.begin(), points.end()}});
  return result;
}

void write_html_report(const std::filesystem::path& path, const HtmlReport& report) {
  HtmlPage page{.title = "PixelCLIP evaluation", .subject = report.subject};
  page.links.emplace_back("results", "results");
  for (size_t i = 0; i < report.results.size(); ++i)
    page.links.emplace_back(str("set-", i), report.results[i].set);
  if (!report.curves.empty()) page.links.emplace_back("training", "training");
  page.links.emplace_back("protocol", "protocol");
  page.body = str("<section id=\"results\"><h2>Results</h2>",
                  text_table("results", result_rows(report.results)), kFingerprintNote);
  if (!report.compared.empty()) {
    page.body += str("<h3>Comparison</h3>",
                     text_table("comparison", comparison_rows(report.results, report.compared)));
  }
  page.body += "</section>";
  for (size_t i = 0; i < report.results.size(); ++i) page.body += set_section(report.results[i], i);
  if (!report.curves.empty()) {
    page.body += "<section id=\"training\"><h2>Training</h2><div class=\"curves\">";
    for (const Curve& curve : report.curves) page.body += chart(curve);
    page.body += "</div></section>";
  }
  page.body +=
      str("<section id=\"protocol\"><h2>Protocol</h2><details><summary>Settings that the scores "
          "depend on "
          "besides weights and data</summary><pre>",
          escaped(report.protocol), "</pre></details></section>");
  write_html_page(path, page);
}

}  // namespace pixelclip
