#include "engine/checkpointer.hpp"

#include <iomanip>
#include <limits>
#include <map>
#include <regex>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "base/text.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// The same value with every tensor copied to host memory.
Value on_host(const Value& value) {
  if (const auto* tensor = value.get_if<torch::Tensor>()) {
    return tensor->detach().to(torch::kCPU, /*non_blocking=*/false, /*copy=*/true);
  }
  if (const auto* list = value.get_if<ValueList>()) {
    ValueList copy;
    for (const auto& item : *list) copy.push_back(on_host(item));
    return copy;
  }
  if (const auto* dict = value.get_if<Dict>()) {
    Dict copy;
    for (const auto& [key, item] : dict->items) copy.items.emplace_back(key, on_host(item));
    return copy;
  }
  return value;
}

/// The iteration in "model_0000999.pth"; nothing for other files.
std::optional<int64_t> number_of(const fs::path& file) {
  static const std::regex pattern("model_(\\d{7,18})\\.pth");
  const std::string name = file.filename().string();
  std::smatch found;
  if (!std::regex_match(name, found, pattern)) return std::nullopt;
  return std::stoll(found[1]);
}

}  // namespace

Checkpointer::Checkpointer(fs::path folder, int64_t keep)
    : folder_(std::move(folder)), keep_(keep) {}

Checkpointer::~Checkpointer() {
  try {
    wait();
  } catch (const std::exception& e) {
    log::error(e.what());
  }
}

void Checkpointer::save(const std::string& name, const Value& state) {
  if (writing_.valid()) writing_.wait();
  writing_ = std::async(std::launch::async, [this, name, copy = on_host(state)] {
    try {
      write(name, copy);
    } catch (const std::exception& e) {
      log::error("this checkpoint is not saved: ", e.what());
      throw;
    }
  });
}

void Checkpointer::wait() {
  if (writing_.valid()) writing_.get();
}

void Checkpointer::write(const std::string& name, const Value& state) {
  const std::string file = name + ".pth";
  remove_leftovers();
  write_torch_file(folder_ / file, state);
  if (name != "model_best") write_text(folder_ / "last_checkpoint", file);
  const auto number = number_of(file);
  if (keep_ == 0 || !number) return;
  // Files with higher numbers are damaged or belong to an older run.
  const auto files = numbered_files(*number);
  for (size_t i = static_cast<size_t>(keep_); i < files.size(); ++i) {
    std::error_code error;
    fs::remove(files[i], error);
    if (error)
      log::warn("cannot remove the old checkpoint ", files[i].string(), ": ", error.message());
  }
}

void Checkpointer::remove_leftovers() const {
  static const std::regex pattern("model_.*\\.pth\\.tmp\\.\\d+");
  for (const auto& entry : fs::directory_iterator(folder_)) {
    std::error_code ignored;
    if (std::regex_match(entry.path().filename().string(), pattern))
      fs::remove(entry.path(), ignored);
  }
}

std::vector<fs::path> Checkpointer::numbered_files(int64_t newest) const {
  std::map<int64_t, fs::path, std::greater<>> files;
  if (!fs::is_directory(folder_)) return {};
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto number = number_of(entry.path());
    if (number && *number <= newest) files.emplace(*number, entry.path());
  }
  std::vector<fs::path> paths;
  for (auto& [number, path] : files) paths.push_back(std::move(path));
  return paths;
}

std::vector<fs::path> Checkpointer::candidates() const {
  std::vector<fs::path> candidates;
  auto newest = std::numeric_limits<int64_t>::max();
  if (fs::exists(folder_ / "last_checkpoint")) {
    const auto name = trimmed(read_text(folder_ / "last_checkpoint"));
    candidates.push_back(folder_ / fs::path(name).filename());
    newest = number_of(candidates.front()).value_or(newest);
  }
  for (const auto& file : numbered_files(newest)) {
    if (candidates.empty() || file != candidates.front()) candidates.push_back(file);
  }
  return candidates;
}

std::optional<fs::path> Checkpointer::newest() const {
  for (const auto& file : candidates()) {
    if (std::error_code ignored; fs::exists(file, ignored)) return file;
  }
  return std::nullopt;
}

std::optional<std::pair<fs::path, Value>> Checkpointer::load_last() const {
  const auto files = candidates();
  for (const auto& path : files) {
    try {
      const signals::Doing reading("reading the checkpoint " + path.string());
      return std::pair{path, read_torch_file(path)};
    } catch (const Error& e) {
      log::warn("the checkpoint cannot be read, trying the previous one: ", e.what());
    }
  }
  if (!files.empty()) {
    fail("none of the checkpoints in ", folder_.string(),
         " can be read; move them to another folder to start a new run");
  }
  return std::nullopt;
}

std::string Checkpointer::numbered(int64_t iteration) {
  std::ostringstream name;
  name << "model_" << std::setw(7) << std::setfill('0') << iteration;
  return name.str();
}

}  // namespace pixelclip
