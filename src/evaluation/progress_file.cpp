#include "evaluation/progress_file.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPrefix = ".progress.";

std::vector<fs::path> parts_in(const fs::path& folder) {
  std::vector<fs::path> parts;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with(kPrefix)) parts.push_back(entry.path());
  }
  return parts;
}

void write_counts(std::ostream& out, const SparseCounts& counts) {
  for (const auto& [place, pixels] : counts) out << place << ' ' << pixels << ' ';
}

/// Removes the field before the next tab from `line` and returns it.
std::string_view take_field(std::string_view& line) {
  const size_t end = std::min(line.find('\t'), line.size());
  const auto field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

bool read_numbers(std::string_view field, std::vector<int64_t>& numbers) {
  numbers.clear();
  while (!field.empty()) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || value < 0) return false;
    numbers.push_back(value);
    field.remove_prefix(end - field.data());
    if (!field.empty()) field.remove_prefix(1);
  }
  return true;
}

bool read_counts(std::string_view field, SparseCounts& counts) {
  std::vector<int64_t> numbers;
  if (!read_numbers(field, numbers) || numbers.size() % 2 != 0) return false;
  for (size_t i = 0; i < numbers.size(); i += 2) counts.emplace_back(numbers[i], numbers[i + 1]);
  return true;
}

bool parse(std::string_view line, ImageRecord& record) {
  std::vector<int64_t> index;
  if (!read_numbers(take_field(line), index) || index.size() != 1) return false;
  record.index = index[0];
  const auto state = take_field(line);
  if (state.size() != 1 || std::string_view("sux").find(state[0]) == std::string_view::npos)
    return false;
  record.state = static_cast<ImageRecord::State>(state[0]);
  if (!read_counts(take_field(line), record.confusion) ||
      !read_counts(take_field(line), record.boundary))
    return false;
  record.text = line;
  return true;
}

}  // namespace

ProgressFile::ProgressFile(fs::path folder, const std::string& fingerprint, int rank,
                           int world_size)
    : folder_(std::move(folder)),
      head_("pixelclip evaluation " + fingerprint),
      rank_(rank),
      world_size_(world_size) {
  if (!folder_.empty()) make_writable_folder(folder_);
}

fs::path ProgressFile::part(int rank) const { return folder_ / str(kPrefix, rank); }

/// Calls `visit` for each complete line up to the first damaged one.
void ProgressFile::scan(const fs::path& file,
                        const std::function<void(ImageRecord&&, Place)>& visit) const {
  std::ifstream lines(file, std::ios::binary);
  std::string line;
  if (!std::getline(lines, line) || line != head_) return;
  while (true) {
    const std::streamoff begin = lines.tellg();
    if (!std::getline(lines, line) || lines.eof()) return;
    ImageRecord record;
    if (!parse(line, record)) return;
    visit(std::move(record), {file, begin, lines.tellg()});
  }
}

void ProgressFile::recall(const Visitor& visit) {
  if (folder_.empty()) return;
  std::set<int64_t> seen;
  std::streamoff own_end = 0;
  for (const auto& file : parts_in(folder_)) {
    scan(file, [&](ImageRecord&& record, const Place& place) {
      if (file == part(rank_))
        own_end = place.end;  // writing continues after the last complete line
      if (record.state != ImageRecord::State::unreadable && seen.insert(record.index).second)
        visit(std::move(record));
    });
  }
  const auto own = part(rank_);
  if (own_end > 0) fs::resize_file(own, own_end);
  lines_.open(own, std::ios::binary | (own_end > 0 ? std::ios::app : std::ios::trunc));
  if (own_end == 0) lines_ << head_ << std::endl;
  if (!lines_) fail("cannot write ", own.string(), ": ", system_reason());
}

void ProgressFile::add(const ImageRecord& record) {
  if (folder_.empty()) return;
  lines_ << record.index << '\t' << static_cast<char>(record.state) << '\t';
  write_counts(lines_, record.confusion);
  lines_ << '\t';
  write_counts(lines_, record.boundary);
  std::string text = record.text;
  std::replace(text.begin(), text.end(), '\n', ' ');
  lines_ << '\t' << text << std::endl;  // flushed, in case the process is killed
}

void ProgressFile::finish() {
  if (folder_.empty()) return;
  lines_.close();
  if (!lines_) fail("cannot write ", part(rank_).string(), ": ", system_reason());
}

void ProgressFile::join(const Visitor& visit) {
  if (folder_.empty() || rank_ != 0) return;
  for (int rank = 0; rank < world_size_; ++rank) {
    if (!fs::exists(part(rank))) {
      fail("cannot read ", part(rank).string(), ", the predictions of rank ", rank,
           ": all ranks must write to one shared folder");
    }
  }
  for (const auto& file : parts_in(folder_)) {
    // An image that an earlier run could not read may have been readable in a later one.
    scan(file, [&](ImageRecord&& record, Place place) {
      if (record.state == ImageRecord::State::unreadable) {
        places_.try_emplace(record.index, std::move(place));
      } else {
        places_.insert_or_assign(record.index, std::move(place));
      }
    });
  }
  write_atomically(folder_ / "sem_seg_predictions.json", [&](std::ostream& out) {
    out << '[';
    bool first = true;
    for (const auto& [index, place] : places_) {
      ImageRecord record = read(index);
      if (record.state == ImageRecord::State::scored && !record.text.empty()) {
        out << (first ? "" : ", ") << record.text;
        first = false;
      }
      visit(std::move(record));
    }
    out << ']';
  });
}

ImageRecord ProgressFile::read(int64_t index) const {
  const auto& [file, begin, end] = places_.at(index);
  std::ifstream lines(file, std::ios::binary);
  lines.seekg(begin);
  std::string line;
  ImageRecord record;
  if (!std::getline(lines, line) || !parse(line, record))
    fail("cannot read ", file.string(), " again");
  return record;
}

void ProgressFile::remove(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& file : parts_in(folder)) fs::remove(file, ignored);
}

}  // namespace pixelclip
