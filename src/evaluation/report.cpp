#include "evaluation/report.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kPlainClip = "CLIP before training";

std::string number(double value, int decimals) {
  if (std::isnan(value)) return "nan";
  std::ostringstream out;
  out << std::fixed << std::setprecision(decimals) << value;
  return out.str();
}

/// JSON's text of a number; it has no NaN.
std::string json_number(double value) {
  return std::isnan(value) ? "null" : OrderedJson(value).dump();
}

void write_scores(std::ostream& out, const Results& scores, const std::string& indent) {
  out << indent << "\"sem_seg\": {";
  for (size_t i = 0; i < scores.size(); ++i) {
    out << (i ? "," : "") << '\n'
        << indent << " " << OrderedJson(scores[i].first).dump() << ": "
        << json_number(scores[i].second);
  }
  out << '\n' << indent << '}';
}

int64_t expected_of(const SetResult& result) { return std::max(result.expected, result.listed); }

OrderedJson about(const SetResult& result) {
  return {{"fingerprint", result.fingerprint},
          {"scored", result.scored},
          {"listed", result.listed},
          {"expected", expected_of(result)},
          {"unlabelled", result.unlabelled},
          {"unpaired", result.unpaired},
          {"unreadable", result.unreadable},
          {"complete", result.complete},
          {"clip_before_training", result.plain_clip}};
}

std::string counted(const SetResult& result) {
  std::string text = str(result.scored);
  const int64_t meant = expected_of(result) - result.unlabelled;
  if (result.scored != meant) text += str(" of ", meant);
  return text;
}

std::string remarks(const SetResult& result) {
  std::string text = result.plain_clip ? kPlainClip : "";
  const auto add = [&](const std::string& remark) {
    if (!remark.empty()) text += str(text.empty() ? "" : ", ", remark);
  };
  add(coverage_remark(result));
  add(result.note);
  if (!result.complete) add("stopped early");
  if (result.failed > 0) add(str(result.failed, " unreadable"));
  if (result.unpaired > 0) add(str(result.unpaired, " without their other half"));
  return text;
}

}  // namespace

std::string coverage_remark(const SetResult& result) {
  const int64_t meant = expected_of(result) - result.unlabelled;
  if (result.scored >= meant) return "";
  const double share = 100.0 * static_cast<double>(result.scored) / static_cast<double>(meant);
  return str("ONLY ", number(std::min(share, 99.9), 1), " % OF THE SET: ", result.scored, " of ",
             meant, " images");
}

double score_of(const Results& results, const std::string& name) {
  for (const auto& [key, value] : results) {
    if (key == name) return value;
  }
  return std::nan("");
}

double headline(const SetResult& result) {
  const double iou = score_of(result.scores, "IoU");
  return std::isnan(iou) ? score_of(result.scores, "mIoU") : iou;
}

std::vector<TableRow> result_rows(const std::vector<SetResult>& results, int decimals) {
  std::vector<TableRow> rows = {
      {"set", "mIoU", "fwIoU", "mACC", "pACC", "pictures", "fingerprint", "remarks"}};
  for (const SetResult& result : results) {
    TableRow row = {result.set, number(headline(result), decimals)};
    for (const char* name : {"fwIoU", "mACC", "pACC"}) {
      row.push_back(number(score_of(result.scores, name), decimals));
    }
    row.push_back(counted(result));
    row.push_back(result.fingerprint);
    row.push_back(remarks(result));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<TableRow> comparison_rows(const std::vector<SetResult>& results,
                                      const std::vector<ComparedRow>& compared) {
  std::vector<TableRow> rows(2 + compared.size());
  rows[0] = {"mIoU"};
  rows[1] = {!results.empty() && results.front().plain_clip ? kPlainClip : "this run"};
  for (const SetResult& result : results) {
    rows[0].push_back(result.set);
    rows[1].push_back(number(headline(result), 1));
  }
  rows[0].push_back("source");
  rows[1].push_back("");
  for (size_t i = 0; i < compared.size(); ++i) {
    TableRow& row = rows[i + 2];
    row = {compared[i].name};
    for (const SetResult& result : results) {
      const double score = score_of(compared[i].scores, result.set);
      row.push_back(std::isnan(score) ? "–" : number(score, 1));
    }
    row.push_back(compared[i].source);
  }
  return rows;
}

std::vector<ComparedRow> read_compared(const fs::path& path) {
  std::vector<ComparedRow> rows;
  try {
    for (const auto& entry : read_json(path)) {
      ComparedRow row{.name = entry.at("name").get<std::string>(),
                      .source = entry.at("source").get<std::string>()};
      row.backbone = entry.value("backbone", ""), row.masks = entry.value("masks", "");
      row.method = entry.value("method", "");
      for (const auto& [set, score] : entry.at("scores").items())
        row.scores.emplace_back(set, score.get<double>());
      rows.push_back(std::move(row));
    }
  } catch (const nlohmann::json::exception&) {
    fail(path.string(),
         ": expected a list of rows {\"name\": …, \"source\": …, \"scores\": {set: mIoU}}; row ",
         rows.size(), " is none");
  }
  return rows;
}

std::string results_table(const std::vector<SetResult>& results,
                          const std::vector<ComparedRow>& compared) {
  std::string text = plain_table(result_rows(results));
  if (!compared.empty()) text += '\n' + plain_table(comparison_rows(results, compared));
  return text;
}

std::string copypaste_lines(const SetResult& result) {
  std::string names, values;
  for (const char* name : {"mIoU", "fwIoU", "IoU", "mACC", "pACC"}) {
    const double value = score_of(result.scores, name);
    if (std::isnan(value) && std::string(name) == "IoU") continue;
    names += str(names.empty() ? "" : ",", name);
    values += str(values.empty() ? "" : ",", number(value, 4));
  }
  return "copypaste: Task: sem_seg\ncopypaste: " + names + "\ncopypaste: " + values + "\n";
}

void write_results(const fs::path& folder, const std::vector<SetResult>& results,
                   const std::vector<ComparedRow>& compared) {
  make_writable_folder(folder);
  write_atomically(folder / "results.json", [&](std::ostream& out) {
    out << '{';
    for (size_t i = 0; i < results.size(); ++i) {
      out << (i ? "," : "") << "\n " << OrderedJson(results[i].set).dump() << ": {\n";
      write_scores(out, results[i].scores, "  ");
      out << ",\n  \"evaluation\": " << about(results[i]).dump() << "\n }";
    }
    out << "\n}\n";
  });
  write_atomically(folder / "results.md", [&](std::ostream& out) {
    write_markdown(out, result_rows(results));
    if (!compared.empty()) write_markdown(out << '\n', comparison_rows(results, compared));
    for (const SetResult& result : results) {
      std::vector<TableRow> rows = {{"true class", "pixels", "share", "taken for"}};
      for (const ConfusedPair& pair : most_confused(result.confusion, 10)) {
        rows.push_back({result.names[pair.truth], str(pair.pixels),
                        number(100 * pair.share, 1) + " %", result.names[pair.predicted]});
      }
      write_markdown(out << "\nMost confused in " << result.set << ":\n\n", rows);
    }
  });
  std::vector<TableRow> rows = {{"set", "mIoU", "fwIoU", "mACC", "pACC", "scored", "listed",
                                 "unlabelled", "unpaired", "unreadable", "complete", "fingerprint",
                                 "expected"}};
  for (const SetResult& result : results) {
    TableRow row = {result.set, number(headline(result), 6)};
    for (const char* name : {"fwIoU", "mACC", "pACC"})
      row.push_back(number(score_of(result.scores, name), 6));
    for (const int64_t count :
         {result.scored, result.listed, result.unlabelled, result.unpaired, result.failed})
      row.push_back(str(count));
    row.insert(row.end(),
               {result.complete ? "yes" : "no", result.fingerprint, str(expected_of(result))});
    rows.push_back(std::move(row));
  }
  write_atomically(folder / "results.csv", [&](std::ostream& out) { write_csv(out, rows); });
}

void write_single_result(const fs::path& path, const SetResult& result) {
  write_atomically(path, [&](std::ostream& out) {
    out << "{\n";
    write_scores(out, result.scores, " ");
    out << "\n}\n";
  });
}

void write_confusion(const fs::path& path, const SetResult& result) {
  const int classes = result.confusion.classes();
  std::vector<TableRow> rows = {{"predicted \\ true"}};
  rows[0].insert(rows[0].end(), result.names.begin(), result.names.end());
  rows[0].push_back("ignored");
  for (int p = 0; p < classes; ++p) {
    TableRow row = {result.names[p]};
    for (int t = 0; t <= classes; ++t) row.push_back(str(result.confusion.at(p, t)));
    rows.push_back(std::move(row));
  }
  write_atomically(path, [&](std::ostream& out) { write_csv(out, rows); });
}

std::vector<ConfusedPair> most_confused(const Confusion& confusion, int count) {
  std::vector<ConfusedPair> pairs;
  for (int t = 0; t < confusion.classes(); ++t) {
    int64_t all = 0;
    for (int p = 0; p < confusion.classes(); ++p) all += confusion.at(p, t);
    for (int p = 0; p < confusion.classes(); ++p) {
      const int64_t pixels = confusion.at(p, t);
      if (p == t || pixels == 0) continue;
      pairs.push_back({t, p, pixels, static_cast<double>(pixels) / static_cast<double>(all)});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.pixels > b.pixels; });
  if (pairs.size() > static_cast<size_t>(count)) pairs.resize(count);
  return pairs;
}

}  // namespace pixelclip
