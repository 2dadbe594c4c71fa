#include "engine/event_storage.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"

namespace pixelclip {
namespace {

constexpr size_t kWindow = 20;

/// Only detectron2 writes this key.
bool is_of_detectron2(const nlohmann::json& entry) { return entry.contains("rank_data_time"); }

void drop_lines_from(const std::filesystem::path& path, int64_t iteration) {
  if (!std::filesystem::exists(path)) return;
  std::istringstream lines(read_text(path));
  std::string kept, line;
  while (std::getline(lines, line)) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) continue;  // truncated by a kill
    const auto number = entry.find("iteration");
    const bool earlier = number == entry.end() || !number->is_number() ||
                         number->get<double>() < static_cast<double>(iteration);
    if (earlier || is_of_detectron2(entry)) kept += line + '\n';
  }
  write_text(path, kept);
}

}  // namespace

EventStorage::EventStorage(const std::filesystem::path& output, int64_t resume_at)
    : path_(output / "metrics.json"), board_(output, resume_at) {
  drop_lines_from(path_, resume_at);
  file_.open(path_, std::ios::app);
  if (!file_) fail("cannot write ", path_.string(), ": ", system_reason());
}

void EventStorage::put(const std::string& name, double value) {
  current_[name] = value;
  auto& values = recent_[name];
  values.push_back(value);
  if (values.size() > kWindow) values.pop_front();
}

void EventStorage::write(int64_t iteration) {
  // JSON has no NaN.
  std::erase_if(current_, [](const auto& entry) { return !std::isfinite(entry.second); });
  nlohmann::ordered_json line;
  line["iteration"] = iteration;
  for (const auto& [name, value] : current_) line[name] = value;
  file_ << line.dump() << std::endl;
  if (!file_) fail("cannot write ", path_.string(), ": ", system_reason(), " (is the disk full?)");
  board_.scalars(current_, iteration);
  current_.clear();
}

void EventStorage::picture(const std::string& name, const Image& image, int64_t iteration) {
  board_.picture(name, image, iteration);
}

double EventStorage::median(const std::string& name) const {
  const auto found = recent_.find(name);
  if (found == recent_.end()) return NAN;
  std::vector<double> values(found->second.begin(), found->second.end());
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

double EventStorage::latest(const std::string& name) const {
  const auto found = recent_.find(name);
  return found == recent_.end() ? NAN : found->second.back();
}

}  // namespace pixelclip
