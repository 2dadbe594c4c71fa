#include "engine/output_folder.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "config/continued.hpp"
#include "config/writer.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr const char* kEvents = "events.out.tfevents.";

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  if (!fs::is_directory(folder)) return names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// The first N for which the folder holds no metrics_N, config_N or events_N.
int free_number(const std::vector<std::string>& names) {
  for (int n = 1;; ++n) {
    const auto taken = [&](const std::string& name) {
      return name == str("metrics_", n, ".json") || name == str("config_", n, ".yaml") ||
             name.starts_with(str("events_", n, "."));
    };
    if (std::none_of(names.begin(), names.end(), taken)) return n;
  }
}

}  // namespace

void archive_earlier_run(const fs::path& folder) {
  const auto names = files_in(folder);
  const auto there = [&](const char* name) {
    return std::binary_search(names.begin(), names.end(), name);
  };
  std::vector<std::string> events;
  std::copy_if(names.begin(), names.end(), std::back_inserter(events),
               [](const auto& name) { return name.starts_with(kEvents); });
  if (!there("metrics.json") && events.empty()) return;
  const int n = free_number(names);
  std::string kept;
  const auto rename = [&](const std::string& from, const std::string& to) {
    std::error_code error;
    fs::rename(folder / from, folder / to, error);
    if (error)
      fail("cannot rename ", (folder / from).string(), " of an earlier run to ", to, ": ",
           error.message());
    kept += (kept.empty() ? "" : ", ") + to;
  };
  if (there("metrics.json")) rename("metrics.json", str("metrics_", n, ".json"));
  if (there("config.yaml")) rename("config.yaml", str("config_", n, ".yaml"));
  // TensorBoard reads every file with "tfevents" in its name.
  for (const auto& name : events)
    rename(name, str("events_", n, ".", name.substr(std::string(kEvents).size())));
  log::warn(folder.string(),
            " holds an earlier run, and this is a new one: the earlier files are kept as ", kept,
            "; --resume would have continued that run");
}

void record_config(const Config& config, const fs::path& folder, bool resumed) {
  const auto path = folder / "config.yaml";
  if (resumed && fs::exists(path)) {
    try {
      const auto continued = continued_yaml(config, read_text(path), path.string());
      if (continued) {
        if (continued->changes.empty()) return;
        write_text(path, continued->text);
        std::string list;
        for (const auto& change : continued->changes) list += "\n  " + change;
        return log::info("values that changed since the run was started:", list);
      }
    } catch (const Error& e) {
      log::warn("the earlier config.yaml cannot be read and is replaced: ", e.what());
    }
  }
  write_text(path, to_yaml(config));
}

}  // namespace pixelclip
