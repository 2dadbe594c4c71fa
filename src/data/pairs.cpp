#include "data/pairs.hpp"

#include <algorithm>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/listing.hpp"
#include "base/text.hpp"
#include "data/file_names.hpp"
#include "data/merged_labels.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

struct ByNumber {
  bool operator()(const std::string& a, const std::string& b) const { return natural_less(a, b); }
};
using Matches = std::map<std::string, std::string, ByNumber>;  // image's name to label's
using Names = std::set<std::string, ByNumber>;

/// One source of labels and its matches with the images.
struct PairSource {
  LabelSource from;
  std::shared_ptr<const MergedLabels> merged = {};
  FileNames names = {};
  Matches matches = {};
  std::vector<std::string> left_out = {};
};

/// A line of a list: the image's name and, if there is a second column, the label's.
struct Listed {
  std::string image, label;
};

/// The name of an image file from its path below a folder; empty if it is not an image.
std::string image_name(const std::string& path, const std::string& suffix) {
  const fs::path file = path;
  if (!is_image_extension(file.extension().string())) return "";
  const std::string name = as_name((file.parent_path() / file.stem()).string());
  return suffix.empty() ? name : stem_before(name, {suffix});
}

/// The name of a list entry, without extension and suffix.
std::string listed_name(const std::string& entry, const std::string& suffix) {
  const std::string name = as_name(entry);
  const std::string stripped = image_name(name, "");
  const std::string& bare = stripped.empty() ? name : stripped;
  const std::string without = suffix.empty() ? "" : stem_before(bare, {suffix});
  return without.empty() ? bare : without;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::string text = read_text(path);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  if (text.find('\0') != std::string::npos) {
    fail(path.string(), ": this is no text in UTF-8; save the list as such");
  }
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    line = trimmed(line);
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  if (lines.empty()) fail(path.string(), ": it is empty; an image's stem a line was expected");
  return lines;
}

class Pairing {
 public:
  explicit Pairing(const DatasetInfo& info) : info_(info), paths_(locate(info)) {}

  SetPairs run() {
    report_.images = paths_.images;
    open(paths_.labels);
    list_images();
    read_list();
    choose_sources();
    SetPairs out;
    take_items(out);
    report_missing();
    for (PairSource& source : sources_) {
      out.sources.push_back(source.from);
      out.merged.push_back(source.merged);
    }
    out.report = std::move(report_);
    return out;
  }

 private:
  /// Lists a source of labels and appends it to the open ones.
  void open(const LabelSource& from) {
    PairSource source{.from = from};
    if (fs::is_regular_file(from.path)) {
      source.merged = std::make_shared<MergedLabels>(from.path, from.phase);
      for (const std::string& stem : source.merged->stems()) source.names.add(stem, from.path);
    } else {
      const auto endings = label_endings(from);
      std::set<std::string> listed;
      if (!from.list.empty()) {
        for (const std::string& line : lines_of(from.list)) listed.insert(listed_name(line, ""));
      }
      const FileList listing = list(from.path);
      for (const fs::path& file : listing.files) {
        const std::string path = file.lexically_relative(from.path).string();
        for (size_t i = 0; i < endings.size(); ++i) {
          const std::string name = stem_before(path, {endings[i]});
          if (name.empty() || name.ends_with('/')) continue;
          if (!from.list.empty() && !listed.contains(as_name(name))) break;
          source.names.add(as_name(name), file, -static_cast<int>(i));
          break;
        }
      }
      source.left_out = listing.faults;
    }
    sources_.push_back(std::move(source));
  }

  FileList list(const fs::path& folder) const {
    return with_context("data set " + info_.name, [&] { return list_files_below(folder); });
  }

  void list_images() {
    // Where images and labels share a folder, a label is no image.
    std::set<fs::path> labels;
    for (const auto& [name, path] : sources_.front().names.all()) labels.insert(path);
    const FileList listing = list(paths_.images);
    for (const fs::path& file : listing.files) {
      const auto name =
          image_name(file.lexically_relative(paths_.images).string(), info_.image_suffix);
      if (!name.empty() && !labels.contains(file)) images_.add(name, file);
    }
    report_.left_out = listing.faults;
  }

  /// Sets `wanted_` to the entries of the list, or to all images without a list.
  void read_list() {
    std::error_code ignored;
    has_list_ = !info_.list.empty() && (info_.list_required || fs::exists(info_.list, ignored));
    if (!has_list_) {
      for (const auto& [name, path] : images_.all()) wanted_.insert(name);
      for (const std::string& name : images_.doubled()) ambiguous_.insert(name);
      return;
    }
    for (const std::string& line : lines_of(info_.list)) {
      bool several = false;
      const Listed entry = find_listed(line, several);
      if (images_.holds(entry.image)) {
        wanted_.insert(entry.image);
        if (!entry.label.empty()) named_labels_[entry.image] = entry.label;
      } else {
        (several ? ambiguous_ : without_image_).insert(entry.image);
      }
    }
  }

  /// The image of a line: the whole line, or its part before a tab, comma or space.
  Listed find_listed(const std::string& line, bool& several) const {
    const std::string whole = listed_name(line, info_.image_suffix);
    if (images_.holds(whole)) return {whole, ""};
    for (const char* separators : {"\t", ",", " ", "\n"}) {  // the last: none
      const size_t end = std::min(line.find_first_of(separators), line.size());
      if (end == line.size() && *separators != '\n') continue;
      const std::string name = listed_name(line.substr(0, end), info_.image_suffix);
      bool these_several = false;
      const std::string image = images_.find(name, these_several);
      several = several || these_several;
      if (image.empty()) continue;
      const size_t next = line.find_first_not_of(", \t", end);
      return {image, next == std::string::npos ? "" : line.substr(next)};
    }
    return {listed_name(line.substr(0, line.find_first_of(" \t,")), info_.image_suffix), ""};
  }

  /// Pairs all images with the labels of a source, first by path, then by stem.
  void match(PairSource& source) {
    for (const auto& [image, path] : images_.all()) {
      bool several = false;
      if (const auto named = named_labels_.find(image); named != named_labels_.end()) {
        const std::string label = stem_before(named->second, label_endings(source.from));
        const std::string found = label.empty() ? "" : source.names.find(as_name(label), several);
        if (!found.empty()) {
          source.matches[image] = found;
          continue;
        }
      }
      const std::string label = source.names.find(image, several);
      bool image_several = false;
      if (!label.empty() && images_.find(label, image_several) == image) {
        source.matches[image] = label;
      } else if (several || !label.empty()) {
        if (wanted_.contains(image)) unclear_.insert(image);
      }
    }
  }

  /// Whether a source is known to lack labels of the set.
  bool lacks(const PairSource& source) const {
    int64_t found = 0;
    for (const std::string& name : wanted_) found += source.matches.contains(name);
    if (info_.images_hold_more && !has_list_) return found < info_.published_images;
    return found < static_cast<int64_t>(wanted_.size());
  }

  void choose_sources() {
    match(sources_.front());
    if (paths_.more.empty() || !lacks(sources_.front())) return;
    for (const LabelSource& from : paths_.more) {
      open(from);
      match(sources_.back());
    }
    Names any;
    for (const std::string& name : wanted_) {
      for (const PairSource& source : sources_) {
        if (source.matches.contains(name)) any.insert(name);
      }
    }
    const auto whole =
        std::find_if(sources_.begin(), sources_.end(), [&](const PairSource& source) {
          return std::all_of(any.begin(), any.end(),
                             [&](const auto& name) { return source.matches.contains(name); });
        });
    if (whole == sources_.end()) return;
    PairSource only = std::move(*whole);
    sources_.clear();
    sources_.push_back(std::move(only));
  }

  void take_items(SetPairs& out) {
    std::vector<int64_t> taken(sources_.size());
    for (const std::string& name : wanted_) {
      const auto source =
          std::find_if(sources_.begin(), sources_.end(),
                       [&](const PairSource& one) { return one.matches.contains(name); });
      if (source == sources_.end()) {
        without_labels_.insert(name);
        continue;
      }
      const std::string& label = source->matches.at(name);
      const size_t place = source - sources_.begin();
      out.items.push_back({images_.all().at(name), source->names.all().at(label),
                           source->merged ? label : short_name(name), place});
      ++taken[place];
    }
    std::stable_sort(out.items.begin(), out.items.end(),
                     [](const auto& a, const auto& b) { return natural_less(a.stem, b.stem); });
    report_.labels = sources_.front().from.path;
    for (size_t i = 0; i < sources_.size() && sources_.size() > 1; ++i) {
      const LabelSource& from = sources_[i].from;
      if (taken[i] > 0) {
        report_.filled_up.emplace_back(
            fs::is_directory(from.path) ? from.path / ("*" + from.suffix) : from.path, taken[i]);
      }
    }
    report_.expected = static_cast<int64_t>(out.items.size());
  }

  std::string short_name(const std::string& name) const {
    const std::string stem = stem_of(name);
    return images_.with_stem(stem) > 1 ? name : stem;
  }

  void report_missing() {
    // A prepared folder has no file for an image without pixels to score.
    const bool may_lack =
        info_.skip_unlabelled && sources_.size() == 1 && sources_[0].from.prepared;
    const bool told = !may_lack && (has_list_ || !info_.images_hold_more);
    for (const std::string& name : without_labels_) {
      if (unclear_.contains(name))
        ambiguous_.insert(name);
      else if (told)
        report_.images_without_labels.push_back(short_name(name));
    }
    for (const std::string& name : without_image_) report_unfound(name, may_lack);
    if (!has_list_) {
      Names orphans;
      for (const PairSource& source : sources_) {
        std::set<std::string> used;
        for (const auto& [image, label] : source.matches) used.insert(label);
        for (const auto& [label, path] : source.names.all()) {
          bool several = false;
          if (used.contains(label) || !images_.find(label, several).empty() || several) continue;
          orphans.insert(stem_of(label));
        }
      }
      report_.labels_without_image.assign(orphans.begin(), orphans.end());
    }
    report_.ambiguous.assign(ambiguous_.begin(), ambiguous_.end());
    for (const PairSource& source : sources_) {
      report_.left_out.insert(report_.left_out.end(), source.left_out.begin(),
                              source.left_out.end());
    }
    std::sort(report_.left_out.begin(), report_.left_out.end());
    report_.left_out.erase(std::unique(report_.left_out.begin(), report_.left_out.end()),
                           report_.left_out.end());
    report_.expected +=
        static_cast<int64_t>(report_.images_without_labels.size() + report_.ambiguous.size());
    if (has_list_) report_.expected += static_cast<int64_t>(report_.labels_without_image.size());
    // Few images have no pixels to score: more missing files mean a partly prepared folder.
    const auto wanted = static_cast<int64_t>(wanted_.size());
    if (may_lack && has_list_ && 20 * report_.expected < 19 * wanted) report_.expected = wanted;
    if (!may_lack) report_.expected = std::max(report_.expected, info_.published_images);
  }

  /// Reports a list entry without an image.
  void report_unfound(const std::string& name, bool may_lack) {
    bool several = false;
    const bool label = std::any_of(sources_.begin(), sources_.end(), [&](const PairSource& source) {
      return !source.names.find(name, several).empty();
    });
    if (label)
      report_.labels_without_image.push_back(stem_of(name));
    else if (!may_lack)
      report_.images_without_labels.push_back(stem_of(name));
  }

  const DatasetInfo& info_;
  const DatasetPaths paths_;
  FileNames images_;
  std::vector<PairSource> sources_;
  bool has_list_ = false;
  Names wanted_, without_image_, without_labels_, ambiguous_, unclear_;
  std::map<std::string, std::string> named_labels_;  ///< by the list's second column
  PairReport report_;
};

}  // namespace

SetPairs pair_up(const DatasetInfo& info) { return Pairing(info).run(); }

}  // namespace pixelclip
