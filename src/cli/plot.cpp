#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "visualization/sheet.hpp"

namespace pixelclip::cli {
namespace {

namespace fs = std::filesystem;

struct Point {
  double x = 0, y = 0;
};
using Curve = std::vector<Point>;

struct Run {
  std::string name;
  std::map<std::string, Curve> curves;  // by metric
};

constexpr double kWidth = 560, kHeight = 300, kLeft = 64, kRight = 12, kTop = 30, kBottom = 34;
constexpr size_t kMostPoints = 800, kFewPoints = 40;

/// Scores of single classes would bury the others: sem_seg/IoU-wall, sem_seg/ACC-wall,
/// sem_seg/min(IoU, B-Iou)-wall.
bool is_of_one_class(const std::string& key) {
  const auto name = key.substr(key.find("sem_seg/") == key.npos ? 0 : key.find("sem_seg/") + 8);
  return name.starts_with("IoU-") || name.starts_with("ACC-") || name.starts_with("BoundaryIoU-") ||
         name.starts_with("min(IoU");
}

/// metrics.json of a run; a last line that was cut short is left out.
Run read_run(const fs::path& given) {
  const fs::path file = fs::is_directory(given) ? given / "metrics.json" : given;
  if (!fs::exists(file))
    fail(given.string(), " holds no metrics.json: name the OUTPUT_DIR of a training run");
  std::map<std::string, std::map<double, double>>
      curves;  // of one iteration the line written last counts
  std::istringstream lines(read_text(file));
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object() || !entry.contains("iteration") || !entry["iteration"].is_number())
      continue;
    for (const auto& [key, value] : entry.items()) {
      if (key == "iteration" || !value.is_number() || is_of_one_class(key)) continue;
      curves[key][entry["iteration"].get<double>()] = value.get<double>();
    }
  }
  Run run{given.string(), {}};
  for (const auto& [key, points] : curves) {
    for (const auto& [x, y] : points) run.curves[key].push_back({x, y});
  }
  if (run.curves.empty()) fail(file.string(), " holds no numbers yet");
  return run;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '<'   ? "&lt;"
           : c == '>' ? "&gt;"
           : c == '&' ? "&amp;"
           : c == '"' ? "&quot;"
                      : std::string(1, c);
  return out;
}

std::string short_number(double value) {
  std::ostringstream out;
  out << std::setprecision(4) << value;
  return out.str();
}

std::string css(const Color& color) {
  return str("rgb(", int{color.red}, ",", int{color.green}, ",", int{color.blue}, ")");
}

/// Means over equal stretches, so that long runs stay readable and small.
Curve thinned(const Curve& curve) {
  if (curve.size() <= kMostPoints) return curve;
  Curve out;
  for (size_t i = 0; i < kMostPoints; ++i) {
    const size_t begin = i * curve.size() / kMostPoints, end = (i + 1) * curve.size() / kMostPoints;
    Point mean;
    for (size_t j = begin; j < end; ++j) mean.x += curve[j].x, mean.y += curve[j].y;
    out.push_back({mean.x / (end - begin), mean.y / (end - begin)});
  }
  return out;
}

struct Range {
  double low = INFINITY, high = -INFINITY;
  void take(double value) { low = std::min(low, value), high = std::max(high, value); }
  void widen() {
    if (low == high)
      low -= std::max(1e-9, std::abs(low) * 0.1), high += std::max(1e-9, std::abs(high) * 0.1);
  }
  double share(double value) const { return (value - low) / (high - low); }
};

/// Round numbers across `range`, about five.
std::vector<double> ticks(const Range& range) {
  const double rough = (range.high - range.low) / 5,
               power = std::pow(10, std::floor(std::log10(rough)));
  const double step = power * (rough / power > 5   ? 10
                               : rough / power > 2 ? 5
                               : rough / power > 1 ? 2
                                                   : 1);
  std::vector<double> out;
  for (double i = std::ceil(range.low / step); i * step <= range.high; ++i) out.push_back(i * step);
  return out;
}

/// One metric of all runs as an SVG image.
std::string chart(const std::string& metric, const std::vector<Run>& runs,
                  const std::vector<Color>& colors) {
  Range across, up;
  std::vector<Curve> curves;
  for (const auto& run : runs) {
    const auto found = run.curves.find(metric);
    curves.push_back(found == run.curves.end() ? Curve() : thinned(found->second));
    for (const auto& point : curves.back()) across.take(point.x), up.take(point.y);
  }
  across.widen(), up.widen();
  const auto x = [&](double value) {
    return kLeft + across.share(value) * (kWidth - kLeft - kRight);
  };
  const auto y = [&](double value) {
    return kHeight - kBottom - up.share(value) * (kHeight - kTop - kBottom);
  };
  std::ostringstream svg;
  svg << std::setprecision(6) << "<svg viewBox=\"0 0 " << kWidth << ' ' << kHeight
      << "\" role=\"img\" aria-label=\"" << escaped(metric) << "\">\n<text class=\"title\" x=\""
      << kLeft << "\" y=\"18\">" << escaped(metric) << "</text>\n";
  for (const double tick : ticks(up)) {
    svg << "<path class=\"grid\" d=\"M" << kLeft << ' ' << y(tick) << 'H' << kWidth - kRight
        << "\"/><text x=\"" << kLeft - 6 << "\" y=\"" << y(tick) + 4 << "\" text-anchor=\"end\">"
        << short_number(tick) << "</text>\n";
  }
  for (const double tick : ticks(across)) {
    svg << "<text x=\"" << x(tick) << "\" y=\"" << kHeight - 14 << "\" text-anchor=\"middle\">"
        << short_number(tick) << "</text>\n";
  }
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].empty()) continue;
    svg << "<polyline stroke=\"" << css(colors[i]) << "\" points=\"";
    for (const auto& point : curves[i]) svg << x(point.x) << ',' << y(point.y) << ' ';
    svg << "\"><title>" << escaped(runs[i].name) << "</title></polyline>\n";
    if (curves[i].size() > kFewPoints) continue;
    for (const auto& point : curves[i]) {
      svg << "<circle fill=\"" << css(colors[i]) << "\" cx=\"" << x(point.x) << "\" cy=\""
          << y(point.y) << "\" r=\"3\"><title>" << escaped(runs[i].name) << ", iteration "
          << short_number(point.x) << ": " << short_number(point.y) << "</title></circle>\n";
    }
  }
  return svg.str() + "</svg>\n";
}

/// Loss and scores first, then what tells of collapse, then the rest; copies of others are left
/// out.
std::vector<std::string> metrics_of(const std::vector<Run>& runs) {
  std::vector<std::string> names;
  for (const auto& run : runs) {
    for (const auto& [name, curve] : run.curves) {
      if (name != "loss_masks" && name != "eta_seconds") names.push_back(name);
    }
  }
  const auto place = [](const std::string& name) {
    const std::vector<std::string> first = {
        "total_loss", "/", "clusters_used", "cluster_entropy", "teacher_distance",
        "grad_norm",  "lr"};
    const auto found =
        std::find(first.begin(), first.end(), name.find('/') != std::string::npos ? "/" : name);
    return std::pair(found - first.begin(), name);
  };
  std::sort(names.begin(), names.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Training curves</title>
<meta name="viewport" content="width=device-width">
<style>
body{font:14px system-ui,sans-serif;margin:24px;color:#222;background:#fff}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(420px,1fr));gap:16px}
svg{width:100%;border:1px solid #ddd;border-radius:6px}
svg text{font-size:11px;fill:#555} svg .title{font-size:14px;fill:#222;font-weight:600}
polyline{fill:none;stroke-width:1.8;stroke-linejoin:round} .grid{stroke:#eee}
.run{display:inline-block;margin:0 16px 16px 0} .run b{display:inline-block;width:14px;height:14px;border-radius:3px;margin-right:6px;vertical-align:-2px}
</style>
)";

void plot(const std::vector<std::string>& folders, const fs::path& page_file,
          const Output& output) {
  std::vector<Run> runs;
  for (const auto& folder : folders) runs.push_back(read_run(folder));
  const auto colors = distinct_colors(static_cast<int>(runs.size()));
  std::string page = kHead;
  for (size_t i = 0; i < runs.size(); ++i) {
    page += str("<span class=\"run\"><b style=\"background:", css(colors[i]), "\"></b>",
                escaped(runs[i].name), "</span>\n");
  }
  page += "<main>\n";
  for (const auto& metric : metrics_of(runs)) page += chart(metric, runs, colors);
  write_text(page_file, page + "</main></html>\n");
  output.result({{"file", page_file.string()}}, page_file.string() + "\n");
}

}  // namespace

void add_plot(CLI::App& app) {
  auto* command = app.add_subcommand("plot", "Plot the curves of training runs in one HTML file");
  const auto folders = std::make_shared<std::vector<std::string>>();
  const auto file = std::make_shared<std::string>();
  command->add_option("OUTDIR", *folders, "folders of training runs, each with its metrics.json")
      ->required();
  command->add_option("-o,--output", *file,
                      "HTML file to write (default: curves.html in the first folder)");
  const auto output = add_output_flags(*command);
  command->callback([folders, file, output] {
    const fs::path first = folders->front();
    const fs::path usual = (fs::is_directory(first) ? first : first.parent_path()) / "curves.html";
    if (!file->empty() && !file->ends_with(".html"))
      fail("-o ", printable(*file), ": the name of the output must end in .html");
    plot(*folders, file->empty() ? usual : fs::path(*file), *output);
  });
}

}  // namespace pixelclip::cli
