#include "pixelclip/evaluation/report.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

using OrderedJson = nlohmann::ordered_json;
using Row = std::vector<std::string>;

std::string number(double value, int decimals) {
  if (std::isnan(value)) return "nan";
  std::ostringstream out;
  out << std::fixed << std::setprecision(decimals) << value;
  return out.str();
}

/// JSON's text of a number as Python writes it: NaN is a bare word.
std::string json_number(double value) {
  return std::isnan(value) ? "NaN" : OrderedJson(value).dump();
}

void write_scores(std::ostream& out, const Results& scores, const std::string& indent) {
  out << "{\n" << indent << " \"sem_seg\": {";
  for (size_t i = 0; i < scores.size(); ++i) {
    out << (i ? "," : "") << '\n'
        << indent << "  " << OrderedJson(scores[i].first).dump() << ": "
        << json_number(scores[i].second);
  }
  out << '\n' << indent << " }\n" << indent << '}';
}

std::string counted(const SetResult& result) {
  std::string text = str(result.scored);
  const int64_t meant = result.listed - result.unlabelled;
  if (result.scored != meant) text += str(" of ", meant);
  return text;
}

std::string remarks(const SetResult& result) {
  std::string text;
  if (!result.complete) text = "stopped early";
  if (result.failed > 0) text += str(text.empty() ? "" : ", ", result.failed, " unreadable");
  return text;
}

const Row& headings() {
  static const Row row = {"set", "mIoU", "fwIoU", "mACC", "pACC", "pictures", ""};
  return row;
}

std::vector<Row> rows_of(const std::vector<SetResult>& results, int decimals) {
  std::vector<Row> rows;
  for (const SetResult& result : results) {
    Row row = {result.set, number(headline(result), decimals)};
    for (const char* name : {"fwIoU", "mACC", "pACC"}) {
      row.push_back(number(score_of(result.scores, name), decimals));
    }
    row.push_back(counted(result));
    row.push_back(remarks(result));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

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

std::string results_table(const std::vector<SetResult>& results) {
  std::vector<Row> rows = rows_of(results, 2);
  rows.insert(rows.begin(), headings());
  std::vector<size_t> widths(headings().size());
  for (const Row& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::ostringstream out;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string pad(widths[c] - rows[r][c].size(), ' ');
      const bool text = c == 0 || c + 1 == widths.size();  // Numbers end flush.
      line += (c ? "  " : "") + (text ? rows[r][c] + pad : pad + rows[r][c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
    if (r == 0) {
      for (size_t c = 0; c < widths.size(); ++c) {
        out << (c && widths[c] ? "  " : "") << std::string(widths[c], '-');
      }
      out << '\n';
    }
  }
  return out.str();
}

std::string copypaste_lines(const SetResult& result) {
  std::string names, values;
  for (const char* name : {"mIoU", "fwIoU", "IoU", "mACC", "pACC"}) {
    const double value = score_of(result.scores, name);
    if (std::isnan(value) && std::string(name) == "IoU") continue;
    names += (names.empty() ? "" : ",") + std::string(name);
    values += (values.empty() ? "" : ",") + number(value, 4);
  }
  return "copypaste: Task: sem_seg\ncopypaste: " + names + "\ncopypaste: " + values + "\n";
}

void write_results(const fs::path& folder, const std::vector<SetResult>& results) {
  make_writable_folder(folder);
  write_atomically(folder / "results.json", [&](std::ostream& out) {
    out << '{';
    for (size_t i = 0; i < results.size(); ++i) {
      out << (i ? "," : "") << "\n " << OrderedJson(results[i].set).dump() << ": ";
      write_scores(out, results[i].scores, " ");
    }
    out << "\n}\n";
  });
  write_atomically(folder / "results.md", [&](std::ostream& out) {
    out << "| set | mIoU | fwIoU | mACC | pACC | pictures | |\n|---|--:|--:|--:|--:|--:|---|\n";
    for (const Row& row : rows_of(results, 2)) {
      for (const std::string& cell : row) out << "| " << cell << ' ';
      out << "|\n";
    }
  });
  write_atomically(folder / "results.csv", [&](std::ostream& out) {
    out << "set,mIoU,fwIoU,mACC,pACC,scored,listed,unlabelled,unreadable,complete\n";
    for (const SetResult& result : results) {
      out << result.set << ',' << number(headline(result), 6);
      for (const char* name : {"fwIoU", "mACC", "pACC"}) {
        out << ',' << number(score_of(result.scores, name), 6);
      }
      out << ',' << result.scored << ',' << result.listed << ',' << result.unlabelled << ','
          << result.failed << ',' << (result.complete ? "yes" : "no") << '\n';
    }
  });
}

void write_single_result(const fs::path& path, const SetResult& result) {
  write_atomically(path, [&](std::ostream& out) {
    write_scores(out, result.scores, "");
    out << '\n';
  });
}

void write_confusion(const fs::path& path, const SetResult& result) {
  const auto write_name = [](std::ostream& out, const std::string& name) {
    if (name.find_first_of(",\"\n") == std::string::npos)
      out << name;
    else
      out << std::quoted(name, '"', '"');
  };
  write_atomically(path, [&](std::ostream& out) {
    const int classes = result.confusion.classes();
    out << "predicted \\ true";
    for (const std::string& name : result.names) {
      out << ',';
      write_name(out, name);
    }
    out << ",ignored\n";
    for (int p = 0; p < classes; ++p) {
      write_name(out, result.names[p]);
      for (int t = 0; t <= classes; ++t) out << ',' << result.confusion.at(p, t);
      out << '\n';
    }
  });
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
