#include "data/prepare.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <mutex>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/progress.hpp"
#include "base/signal.hpp"
#include "data/sem_seg.hpp"
#include "image/codec.hpp"
#include "image/opencv_resize.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// The catalog's sets that a name on the command line stands for.
struct Preparable {
  std::string name;
  std::vector<std::string> sets;
  std::vector<std::string> more = {};  ///< Prepared as well; of all these, those that are there.
};

const std::vector<Preparable>& preparables() {
  static const std::vector<Preparable> table = {
      {"coco-stuff", {"coco_2017_test_stuff_all_sem_seg"}, {"coco_2017_train_stuff_all_sem_seg"}},
      {"ade20k", {"ade20k_150_test_sem_seg"}},
      {"context", {"context_59_test_sem_seg"}},
      {"cityscapes", {"cityscapes_fine_sem_seg_val"}},
      {"voc", {"voc_2012_test_sem_seg", "voc_2012_test_background_sem_seg"}},
      {"voc20", {"voc_2012_test_sem_seg"}},
      {"voc21", {"voc_2012_test_background_sem_seg"}},
      {"context59", {"context_59_test_sem_seg"}},
      {"context60", {"context_60_test_sem_seg"}},
      {"context459", {"context_459_test_sem_seg"}},
      {"coco-object", {"coco_2017_test_object_sem_seg"}},
      {"ade847", {"ade20k_full_sem_seg_freq_val_all"}}};
  return table;
}

/// Whether `path` is a PNG with its end; files are renamed into place, so only a crash of the
/// machine leaves another.
bool whole_png(const fs::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  constexpr std::array<char, 8> kEnd = {'I', 'E', 'N', 'D', '\xAE', 'B', '`', '\x82'};
  std::array<char, 8> tail{};
  if (!file || file.tellg() < 57) return false;
  file.seekg(-8, std::ios::end);
  file.read(tail.data(), tail.size());
  return file && tail == kEnd;
}

bool newer(const fs::path& a, const fs::path& b) {
  std::error_code error;
  const auto time_a = fs::last_write_time(a, error);
  if (error) return false;
  const auto time_b = fs::last_write_time(b, error);
  return !error && time_a > time_b;
}

/// Makes `link` lead to `target` unless something is there already.
void link_to(const fs::path& target, const fs::path& link) {
  std::error_code error;
  if (!fs::exists(target, error) || fs::exists(link, error)) return;
  fs::remove(link, error);  // a link that leads nowhere
  make_writable_folder(link.parent_path());
  fs::create_symlink(fs::absolute(target), link, error);
  if (error && !fs::exists(link)) {
    fail("cannot link ", link.string(), " to ", target.string(), ": ", error.message());
  }
}

/// How many leading parts two paths share.
int64_t shared_parts(const fs::path& a, const fs::path& b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return std::distance(a.begin(), end);
}

/// Where `prepare` can write the labels of a set.
std::vector<LabelSource> prepared_places(const DatasetInfo& info) {
  std::vector<LabelSource> places;
  for (const LabelSource& source : info.labels) {
    if (source.prepared && label_endings(source).front().ends_with(".png"))
      places.push_back(source);
  }
  return places;
}

bool can_be_prepared(const DatasetInfo& info) {
  const bool published = std::any_of(info.labels.begin(), info.labels.end(),
                                     [](const LabelSource& source) { return !source.prepared; });
  return info.kind == DatasetKind::sem_seg && published && !prepared_places(info).empty();
}

class Preparation {
 public:
  Preparation(const std::string& set, const PrepareOptions& options)
      : root_(DatasetRoots::find(options.root.string()).test),
        out_(options.out.empty() ? root_ : options.out),
        threads_(options.threads),
        info_(Catalog({root_, root_}).find(set)),
        classes_(info_.classes) {
    places_ = prepared_places(info_);
    prepared_ = places_.front();
    if (info_.prepared_side > 0) {  // the first folder of images is written here
      prepared_images_ = out_ / info_.images.front().lexically_relative(root_);
      info_.images.erase(info_.images.begin());
    }
    std::erase_if(info_.labels, [](const LabelSource& source) { return source.prepared; });
  }

  /// Whether there is something to prepare; else `why` says what was looked for.
  bool is_there(std::string& why) const { return on_disk(info_, &why); }

  void run(PrepareReport& report) {
    if (published_in_that_form(report)) return;
    const SemSegSet set(info_);
    log::info(set.report().summary(info_.name, set.items().size()));
    if (set.items().empty()) {
      fail("data set ", info_.name, ": there is no pair of image and labels to prepare");
    }
    choose_place(set.report());
    const fs::path folder = out_ / prepared_.path.lexically_relative(root_);
    make_writable_folder(folder);
    if (info_.prepared_side > 0) {
      make_writable_folder(prepared_images_);
    } else {
      link_images(set.report().images);
    }
    const auto total = static_cast<int64_t>(set.items().size());
    Progress progress(info_.name, "label files", total);
    parallel_for(total, threads_, [&](int64_t i) {
      if (signals::stop_requested()) {
        std::lock_guard lock(mutex_);
        report.complete = false;
        return;
      }
      one(set, set.items()[i], folder, report);
      progress.add();
    });
    log::info(info_.name, ": labels in ", folder.string());
  }

 private:
  bool is_cityscapes() const { return info_.name.starts_with("cityscapes_fine_"); }

  /// The place nearest to the published labels, then to the images.
  void choose_place(const PairReport& found) {
    const auto nearness = [&](const LabelSource& place) {
      return std::pair(shared_parts(place.path, found.labels),
                       shared_parts(place.path, found.images));
    };
    prepared_ =
        *std::max_element(places_.begin(), places_.end(),
                          [&](const auto& a, const auto& b) { return nearness(a) < nearness(b); });
  }

  /// Cityscapes' train-id files come with some downloads: then nothing needs to be written.
  bool published_in_that_form(PrepareReport& report) {
    if (!is_cityscapes()) return false;
    DatasetInfo ready = info_;
    ready.labels = {prepared_};
    if (!on_disk(ready)) return false;
    const SemSegSet made(ready);
    if (made.items().empty() || !made.report().images_without_labels.empty()) return false;
    report.kept += static_cast<int64_t>(made.items().size());
    if (out_ != root_) {
      link_images(made.report().images);
      link_to(prepared_.path, out_ / prepared_.path.lexically_relative(root_));
    }
    return true;
  }

  /// So that a test set can be read from `out` alone.
  void link_images(const fs::path& images) {
    if (fs::absolute(out_).lexically_normal() == fs::absolute(root_).lexically_normal()) return;
    link_to(images, out_ / info_.images.front().lexically_relative(root_));
    if (!info_.list.empty()) link_to(info_.list, out_ / info_.list.lexically_relative(root_));
  }

  void one(const SemSegSet& set, const SemSegItem& item, const fs::path& folder,
           PrepareReport& report) {
    // Cityscapes has a folder a city; the other sets are flat.
    const std::string name = item.stem + label_endings(prepared_).front();
    fs::path to = folder / name;
    if (is_cityscapes()) {
      const fs::path city = item.label.parent_path().lexically_relative(set.report().labels);
      fs::create_directories(folder / city);
      to = folder / city / name;
    }
    if (whole_png(to) && !newer(item.label, to)) {
      std::lock_guard lock(mutex_);
      ++report.kept;
      return;
    }
    try {
      LabelMap labels = set.labels(item, classes_);
      if (info_.prepared_side > 0) write_shrunk(set.read_image(item, labels), item.stem, labels);
      const bool nothing_left =
          info_.skip_unlabelled && std::all_of(labels.ids.begin(), labels.ids.end(),
                                               [this](int32_t id) { return id == info_.ignore; });
      if (!nothing_left) write_label_png(to, labels);
      std::lock_guard lock(mutex_);
      ++(nothing_left ? report.skipped : report.written);
    } catch (const Error& e) {
      log::warn("not prepared: ", e.what());
      std::lock_guard lock(mutex_);
      report.failed.push_back(e.what());
    }
  }

  /// Writes the image with its short side at most `prepared_side` and shrinks the labels alike. The
  /// labels' file, which marks a sample as done, is written after it.
  void write_shrunk(const Image& image, const std::string& stem, LabelMap& labels) const {
    const int64_t least = std::min(image.height, image.width), side = info_.prepared_side;
    const fs::path to = prepared_images_ / (stem + ".jpg");
    constexpr int kQuality = 75;  // Pillow's default
    if (least <= side) return write_jpeg(to, image, kQuality);
    const auto shrunk = [&](int64_t length) {
      return std::llrint(static_cast<double>(length) / static_cast<double>(least) *
                         static_cast<double>(side));
    };
    const int64_t height = shrunk(image.height), width = shrunk(image.width);
    write_jpeg(to, resize_linear(image, height, width), kQuality);
    labels = resize_nearest(labels, height, width);
  }

  const fs::path root_, out_;
  const int threads_;
  DatasetInfo info_;
  const int classes_;
  std::vector<LabelSource> places_;
  LabelSource prepared_;
  fs::path prepared_images_;  ///< Where shrunk images go.
  std::mutex mutex_;
};

}  // namespace

const std::vector<std::string>& preparable_sets() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& preparable : preparables()) list.push_back(preparable.name);
    return list;
  }();
  return names;
}

std::vector<std::string> sets_called(const std::string& name) {
  for (const auto& preparable : preparables()) {
    if (preparable.name == name) return preparable.sets;
  }
  return {name == "sa1b" ? "sam_resized" : name};
}

PrepareReport prepare_sem_seg(const std::string& set, const PrepareOptions& options) {
  Preparable wanted{.name = set, .sets = sets_called(set)};
  for (const auto& preparable : preparables()) {
    if (preparable.name == set) wanted = preparable;
  }
  const Catalog catalog(DatasetRoots::find(options.root.string()));
  std::string known;
  for (const std::string& name : preparable_sets()) known += (known.empty() ? "" : ", ") + name;
  for (const std::string& name : wanted.sets) {
    if (!catalog.knows(name) || !can_be_prepared(catalog.find(name))) {
      fail("cannot prepare '", set, "'", did_you_mean(set, preparable_sets()), ": known are ",
           known, " and sa1b, and the test sets' names");
    }
  }
  const bool choose = !wanted.more.empty();
  auto sets = wanted.sets;
  sets.insert(sets.end(), wanted.more.begin(), wanted.more.end());
  PrepareReport report;
  std::string missing;
  size_t left_out = 0;
  for (const std::string& name : sets) {
    Preparation preparation(name, options);
    if (std::string why; choose && !preparation.is_there(why)) {
      log::info("leaving out ", name, ": ", why);
      if (left_out++ == 0) missing = why;
      continue;
    }
    preparation.run(report);
    if (!report.complete) break;
  }
  if (left_out == sets.size()) fail(missing);
  std::sort(report.failed.begin(), report.failed.end());
  return report;
}

}  // namespace pixelclip
