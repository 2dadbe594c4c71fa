#include "data/doctor.hpp"

#include <algorithm>
#include <iomanip>
#include <mutex>
#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/progress.hpp"
#include "base/signal.hpp"
#include "data/label_diagnostics.hpp"
#include "data/sample_check.hpp"
#include "data/sem_seg.hpp"
#include "data/train_set.hpp"

namespace pixelclip {
namespace {

/// Counts problems of one kind and keeps a few examples.
struct Cases {
  int64_t count = 0;
  std::vector<std::string> examples;

  void add(const std::string& example) {
    ++count;
    if (examples.size() < 3) examples.push_back(example);
  }
  std::string text(const char* what) const {
    std::string list;
    for (const std::string& example : examples) list += (list.empty() ? "" : ", ") + example;
    return str(count, " ", what, " (", list,
               count > static_cast<int64_t>(examples.size()) ? ", …)" : ")");
  }
  void report(const char* what, std::vector<std::string>& to) const {
    if (count > 0) to.push_back(text(what));
  }
};

constexpr const char* kUndecided =
    "images are rotated or mirrored by EXIF, and sizes do not show whether their annotations "
    "are too: "
    "check one, and set DATASETS.EXIF_ORIENTATION False if they are not";
constexpr const char* kDoubtful = "images may look wrong";

std::string hexadecimal(uint64_t value) {
  std::ostringstream out;
  out << std::hex << std::setw(16) << std::setfill('0') << value;
  return out.str();
}

/// Calls `read(index)` for `limit` of `count` items, spread evenly, on all threads.
void for_some(int64_t count, const CheckupOptions& options, const std::string& what,
              const std::function<void(int64_t)>& read) {
  const int64_t some = options.limit > 0 ? std::min(options.limit, count) : count;
  std::optional<Progress> progress;  // a brief look shows none
  if (options.limit == 0) progress.emplace(what, "files", some);
  parallel_for(some, options.threads, [&](int64_t i) {
    if (signals::stop_requested()) fail("stopped by a signal");
    read(i * count / some);
    if (progress) progress->add();
  });
}

class TestSet {
 public:
  TestSet(const DatasetInfo& info, const CheckupOptions& options)
      : set_(info), options_(options), names_(class_names(info)), found_(set_.sources().size()) {}

  Checkup examine() {
    const auto& items = set_.items();
    Checkup out{.set = set_.info().name};
    NameSum sum;
    for (const SemSegItem& item : items) sum.add(item.stem);
    const auto count = static_cast<int64_t>(items.size());
    for_some(count, options_, out.set, [&](int64_t i) { read(items[i]); });
    describe_pairs(out, count);
    std::string classes = describe_ids(out);
    out.list = hexadecimal(sum.value());
    out.summary = str(count, " pairs, ", classes, ", list ", out.list);
    return out;
  }

 private:
  void read(const SemSegItem& item) {
    ImageInfo shown, stored;
    std::vector<std::string> remarks;
    try {
      const MappedFile file(item.image);
      const std::string name = item.image.string();
      DecodeOptions options{.orient = set_.info().exif_orientation, .remarks = &remarks};
      shown = probe(file.bytes(), name, options);
      stored = shown;
      if (shown.orientation >= 5 && options.orient) std::swap(stored.height, stored.width);
      if (options_.decode_images) decode_rgb(file.bytes(), name, options);
    } catch (const Error& e) {
      std::lock_guard lock(mutex_);
      bad_images_.add(e.what());
      return;
    }
    try {
      const LabelMap labels = set_.stored_ids(item);
      std::map<int32_t, int64_t> ids;
      count_ids(labels, ids);
      std::lock_guard lock(mutex_);
      ++found_[item.source].files;
      for (const std::string& remark : remarks) remarks_.add(remark);
      const auto fits = [&](const ImageInfo& info) {
        return labels.height == info.height && labels.width == info.width;
      };
      if (!fits(shown) && !fits(stored)) {
        other_size_.add(str(item.stem, ": labels ", labels.height, "×", labels.width, ", image ",
                            shown.height, "×", shown.width));
      } else if (shown.orientation != 1 && set_.info().exif_orientation) {
        (!fits(shown) ? as_stored_ : fits(stored) ? undecided_ : turned_).add(item.stem);
      }
      for (const auto& [id, pixels] : ids) found_[item.source].histogram[id] += pixels;
    } catch (const Error& e) {
      const bool colors = holds_colors(item.label);
      std::lock_guard lock(mutex_);
      if (!colors)
        bad_labels_.add(e.what());
      else if (has_palette_colors(item.label))
        palette_colors_.add(item.label.string());
      else
        colors_.add(item.label.string());
    }
  }

  void describe_pairs(Checkup& out, int64_t count) {
    const PairReport& pairs = set_.report();
    out.facts.push_back(pairs.summary(out.set, static_cast<size_t>(count)));
    if (count == 0) out.problems.push_back("no pair of image and labels");
    if (!pairs.images_without_labels.empty()) {
      out.problems.push_back(str(pairs.images_without_labels.size(), " images have no labels"));
    }
    if (!pairs.labels_without_image.empty()) {
      out.hints.push_back(str(pairs.labels_without_image.size(), " labels have no image"));
    }
    bad_images_.report("images can not be read", out.problems);
    bad_labels_.report("labels can not be read", out.problems);
    colors_.report("labels are colors, not ids: convert each color to its id", out.problems);
    palette_colors_.report(
        "labels show PASCAL's palette as colors: the palette was lost when they were "
        "saved as RGB; take the published files",
        out.problems);
    other_size_.report("labels have another size than their image", out.problems);
    if (!pairs.ambiguous.empty()) {
      out.problems.push_back(str(pairs.ambiguous.size(),
                                 " images are left out because several "
                                 "files could be meant (",
                                 pairs.ambiguous.front(), " …)"));
    }
    if (!pairs.left_out.empty()) {
      out.problems.push_back(str(pairs.left_out.size(), " folders or links can not be read (",
                                 pairs.left_out.front(), ")"));
    }
    if (count > 0 && count < pairs.expected) {
      out.hints.push_back(
          str("only ", count, " of ", pairs.expected, " images of the set can be scored"));
    }
    turned_.report("images are rotated by EXIF, and so are their labels", out.facts);
    as_stored_.report(
        "images are read without EXIF rotation, because their labels have the stored size",
        out.facts);
    undecided_.report(kUndecided, out.hints);
    remarks_.report(kDoubtful, out.hints);
  }

  std::string describe_ids(Checkup& out) {
    const int ignore = set_.info().ignore;
    LabelStatistics facts{.pixels = std::vector<int64_t>(names_.size()), .unknown = {}};
    double ignored = 0, all = 0;
    for (size_t i = 0; i < found_.size(); ++i) {
      const auto& [histogram, files] = found_[i];
      const IdMap& map = set_.sources()[i].map;
      const LabelStatistics some =
          analyze_labels(histogram, map, static_cast<int>(names_.size()), ignore);
      diagnose_labels(histogram, some, map, names_, ignore, files, out.problems, out.hints);
      for (size_t c = 0; c < names_.size(); ++c) facts.pixels[c] += some.pixels[c];
      double pixels = 0;
      for (const auto& [id, count] : histogram) pixels += static_cast<double>(count);
      ignored += some.ignored_share * pixels;
      all += pixels;
      out.facts.push_back(str("ids in the files",
                              found_.size() > 1 ? " of " + set_.sources()[i].path.string() : "",
                              ": ", list_of_ids(histogram)));
    }
    facts.ignored_share = all > 0 ? ignored / all : 0;
    std::ostringstream share;
    share << std::fixed << std::setprecision(1) << 100 * facts.ignored_share << " %";
    out.facts.push_back(str("ignored pixels: ", share.str()));
    std::string absent;
    int64_t seen = 0, absent_count = 0;
    for (size_t c = 0; c < names_.size(); ++c) {
      if (facts.pixels[c] > 0)
        ++seen;
      else if (++absent_count <= 8)
        absent += (absent.empty() ? "" : ", ") + names_[c];
    }
    const std::string coverage = str(seen, " of ", names_.size(), " classes");
    out.facts.push_back(str("coverage: ", coverage, absent.empty() ? "" : "; absent: " + absent,
                            absent_count > 8 ? ", …" : ""));
    return str(coverage, ", ", share.str(), " ignored");
  }

  const SemSegSet set_;
  const CheckupOptions& options_;
  const std::vector<std::string> names_;
  /// Ids and number of files of one label source.
  struct SourceLabels {
    IdHistogram histogram;
    int64_t files = 0;
  };
  std::mutex mutex_;
  std::vector<SourceLabels> found_;
  Cases bad_images_, bad_labels_, colors_, palette_colors_, other_size_;
  Cases turned_, as_stored_, undecided_, remarks_;
};

}  // namespace

std::string Checkup::verdict() const {
  if (good())
    return str(set, ": good: ", summary, hints.empty() ? "" : "; but see: " + hints.front());
  std::string list;
  for (const std::string& problem : problems) list += (list.empty() ? "" : "; ") + problem;
  return str(set, ": ", problems.size(), problems.size() == 1 ? " problem: " : " problems: ", list);
}

Checkup examine_test_set(const DatasetInfo& info, const CheckupOptions& options) {
  return TestSet(info, options).examine();
}

Checkup examine_training_set(DatasetsConfig datasets, const std::string& name,
                             bool with_annotations, const CheckupOptions& options) {
  datasets.train = {name};
  const Sa1bIndex index = open_training_set(datasets, with_annotations);
  Checkup out{.set = name};
  std::mutex mutex;
  Cases bad, without_masks, undecided, remarks;
  int64_t unusable = 0, crowds = 0;
  std::string first_unusable;
  std::vector<int64_t> masks, sides;
  for_some(index.size(), options, name, [&](int64_t i) {
    thread_local SampleCheck check;
    const Sa1bSample sample = index[i];
    std::string reason;
    check.orient = datasets.exif_orientation;
    try {
      check.read(sample, index.with_annotations());
    } catch (const Error& e) {
      reason = e.what();
    }
    std::lock_guard lock(mutex);
    if (!reason.empty()) return bad.add(reason);
    const MaskRuns::LeftOut& left_out = check.masks.left_out;
    unusable += left_out.unusable;
    crowds += left_out.crowds;
    if (first_unusable.empty() || (!left_out.first.empty() && left_out.first < first_unusable)) {
      first_unusable = left_out.first;
    }
    if (check.undecided) undecided.add(sample.image);
    for (const std::string& remark : check.remarks) remarks.add(remark);
    masks.push_back(static_cast<int64_t>(check.masks.masks.size()));
    sides.push_back(std::min(check.height, check.width));
    if (masks.back() == 0 && index.with_annotations()) without_masks.add(sample.image);
  });
  const auto spread = [](std::vector<int64_t>& values) {
    if (values.empty()) return std::string("none");
    std::sort(values.begin(), values.end());
    return str(values.front(), " to ", values.back(), ", median ", values[values.size() / 2]);
  };
  out.facts.push_back(str("short sides: ", spread(sides), " pixels"));
  if (index.with_annotations()) out.facts.push_back(str("masks an image: ", spread(masks)));
  bad.report("samples cannot be used", out.problems);
  if (unusable > 0) {
    out.hints.push_back(str(unusable, " annotations without a usable mask are left out alone (",
                            first_unusable, unusable > 1 ? ", …)" : ")"));
  }
  if (crowds > 0) {
    out.facts.push_back(
        str("crowd regions left out: ", crowds, " (iscrowd 1; DATASETS.CROWD_REGIONS decides)"));
  }
  if (index.left_out() > 0) out.hints.push_back(str(index.left_out(), " files have no partner"));
  undecided.report(kUndecided, out.hints);
  remarks.report(kDoubtful, out.hints);
  without_masks.report("images have no masks and are left out in training", out.hints);
  if (masks.empty() || (index.with_annotations() && masks.back() == 0)) {
    out.problems.push_back("there is no usable sample");
  }
  out.list = hexadecimal(index.checksum());
  out.summary = str(index.size(), " samples, list ", out.list);
  return out;
}

void check_briefly(const DatasetInfo& info, const std::vector<std::string>& names) {
  constexpr int64_t kSome = 24;
  DatasetInfo named = info;
  named.names = names;
  const Checkup checkup = examine_test_set(named, {.limit = kSome, .decode_images = false});
  if (checkup.good() && checkup.hints.empty()) {
    log::info("checked a sample of pairs of ", checkup.set, ": good; checksum of the list ",
              checkup.list);
    return;
  }
  for (const auto* list : {&checkup.problems, &checkup.hints}) {
    for (const std::string& text : *list)
      log::warn(checkup.set, ", in a sample of its pairs: ", text);
  }
  log::warn("`pixelclip doctor ", checkup.set, "` examines all of them");
}

}  // namespace pixelclip
