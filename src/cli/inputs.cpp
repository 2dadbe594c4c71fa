#include "cli/inputs.hpp"

#include <glob.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/listing.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "config/class_names.hpp"
#include "config/config.hpp"
#include "data/sem_seg.hpp"
#include "text/prompts.hpp"

namespace pixelclip::cli {
namespace fs = std::filesystem;
namespace {

const std::set<std::string> kImageEndings = {".jpg", ".jpeg", ".png",  ".webp",
                                             ".bmp", ".tif",  ".tiff", ".ppm"};
const std::set<std::string> kVideoEndings = {".mp4",  ".avi", ".mov", ".mkv",
                                             ".webm", ".m4v", ".mpg", ".mpeg"};

std::string lower_ending(const fs::path& file) { return lower_ascii(file.extension().string()); }

class Finder {
 public:
  explicit Finder(bool videos) : videos_(videos) {}

  void add(const std::string& word) {
    std::error_code ignored;
    if (fs::is_directory(word, ignored)) return add_folder(word);
    if (fs::exists(word, ignored)) return add_file(word, fs::path(word).stem());
    if (word.find_first_of("*?[") == word.npos) {
      inputs_.faults.push_back(str(word, ": no such image or folder"));
      return;
    }
    glob_t found{};
    bool matched = false;
    if (glob(word.c_str(), 0, nullptr, &found) == 0) {
      // Hidden names count where the pattern names them, not where it only matches them.
      const size_t named = word.rfind('/', word.find_first_of("*?["));
      const size_t begin = named == word.npos ? 0 : named + 1;
      for (size_t i = 0; i < found.gl_pathc; ++i) {
        const std::string path = found.gl_pathv[i];
        if (has_hidden_part(path.substr(std::min(begin, path.size())))) continue;
        add(path);
        matched = true;
      }
    }
    if (!matched) inputs_.faults.push_back(str(word, ": the pattern matches no image"));
    globfree(&found);
  }

  Inputs take() { return std::move(inputs_); }

 private:
  bool is_video(const fs::path& file) const {
    return videos_ && kVideoEndings.count(lower_ending(file)) > 0;
  }

  void add_file(const fs::path& file, const fs::path& name) {
    std::string unique = name.string();
    for (int copy = 2; !names_.insert(unique).second; ++copy)
      unique = str(name.string(), "-", copy);
    inputs_.items.push_back({file, unique, is_video(file)});
  }

  void add_folder(const fs::path& folder) {
    std::vector<std::string> files;
    try {
      FileList list = list_files_below(folder);
      inputs_.faults.insert(inputs_.faults.end(), list.faults.begin(), list.faults.end());
      for (const fs::path& file : list.files) {
        if (kImageEndings.count(lower_ending(file)) || is_video(file))
          files.push_back(file.string());
      }
    } catch (const Error& e) {
      inputs_.faults.push_back(e.what());
    }
    if (files.empty())
      inputs_.faults.push_back(str(folder.string(), ": there are no images in this folder"));
    std::sort(files.begin(), files.end(), natural_less);
    for (const fs::path file : files)
      add_file(file, file.lexically_relative(folder).replace_extension());
  }

  bool videos_;
  Inputs inputs_;
  std::set<std::string> names_;
};

/// "dog,puppy" → "dog, puppy", the form of a class with synonyms.
std::string with_synonyms(const std::string& name) {
  std::string joined;
  for (const auto& part : split_names(name, ',')) {
    if (!part.empty()) joined += (joined.empty() ? "" : ", ") + part;
  }
  return joined;
}

/// "12 dog", "12: dog", "12. dog", but not "3d printer".
bool looks_numbered(const std::string& line) {
  const size_t end = line.find_first_not_of("0123456789");
  return end > 0 && end != line.npos &&
         std::string_view(" \t:;,.)=").find(line[end]) != std::string_view::npos;
}

std::vector<std::string> names_in_text_file(const std::string& file) {
  std::vector<std::string> names, odd;
  size_t number = 0;
  for (const auto& line : read_lines(file)) {
    ++number;
    if (line.empty()) continue;
    names.push_back(with_synonyms(line));
    if (looks_numbered(line) || line.find('\t') != line.npos)
      odd.push_back(str("line ", number, ": ", line));
  }
  if (!odd.empty()) {
    log::warn(
        file, ": ", odd.size(), " of ", names.size(), " lines begin with a number or hold a tab (",
        odd.front(),
        "); a line is a name as it stands, so that numbers and columns belong to it: remove them");
  }
  if (names.empty()) fail(file, ": holds no class names; one a line was expected");
  return names;
}

}  // namespace

Inputs find_inputs(const std::vector<std::string>& words, bool videos) {
  Finder finder(videos);
  for (const auto& word : words) finder.add(word);
  return finder.take();
}

std::vector<std::string> read_names(const std::string& text) {
  const std::string ending = lower_ending(text);
  if (ending == ".json") return read_class_names(text);
  if (ending == ".txt") return names_in_text_file(text);
  const bool one_word = text.find_first_of(",;/. ") == text.npos;
  const fs::path built_in = find_data_file(str("datasets/", text, ".json"));
  std::error_code ignored;
  if (one_word && fs::exists(built_in, ignored)) return read_class_names(built_in);
  if (fs::is_regular_file(text, ignored)) return names_in_text_file(text);
  const bool synonyms = text.find(';') != text.npos;
  auto names = split_names(text, synonyms ? ';' : ',');
  if (names.size() > 1 && names.back().empty()) names.pop_back();  // a separator at the end
  for (auto& name : names) name = with_synonyms(name);
  return names;
}

}  // namespace pixelclip::cli
