#include "pixelclip/data/prepare.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/file.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/parallel.hpp"
#include "pixelclip/base/signal.hpp"
#include "pixelclip/data/sem_seg.hpp"
#include "pixelclip/image/codec.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// The catalog's sets that a name on the command line stands for.
struct Preparable {
  std::string name;
  std::vector<std::string> sets;
};

const std::vector<Preparable>& preparables() {
  static const std::vector<Preparable> table = {
      {"coco-stuff", {"coco_2017_test_stuff_all_sem_seg"}},
      {"ade20k", {"ade20k_150_test_sem_seg"}},
      {"context", {"context_59_test_sem_seg"}},
      {"cityscapes", {"cityscapes_fine_sem_seg_val"}},
      {"voc", {"voc_2012_test_sem_seg", "voc_2012_test_background_sem_seg"}}};
  return table;
}

/// Whether `path` is a PNG with its end; files are renamed into place, so only a crash of the
/// machine leaves another.
bool whole_png(const fs::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  constexpr std::array<char, 8> end = {'I', 'E', 'N', 'D', '\xAE', 'B', '`', '\x82'};
  std::array<char, 8> tail{};
  if (!file || file.tellg() < 57) return false;
  file.seekg(-8, std::ios::end);
  file.read(tail.data(), tail.size());
  return file && tail == end;
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

class Preparation {
 public:
  Preparation(const std::string& set, const PrepareOptions& options)
      : root_(DatasetRoots::find(options.root.string()).test),
        out_(options.out.empty() ? root_ : options.out),
        threads_(options.threads),
        info_(Catalog({root_, root_}).find(set)),
        classes_(info_.classes) {
    for (const LabelSource& source : info_.labels) {
      if (source.prepared) prepared_ = source;
    }
    std::erase_if(info_.labels, [](const LabelSource& source) { return source.prepared; });
  }

  void run(PrepareReport& report) {
    if (published_in_that_form(report)) return;
    const SemSegSet set(info_);
    log::info(set.report().summary(info_.name, set.items().size()));
    if (set.items().empty()) {
      fail("data set ", info_.name, ": there is no pair of picture and labels to prepare");
    }
    const fs::path folder = out_ / prepared_.path.lexically_relative(root_);
    make_writable_folder(folder);
    link_pictures(set.report().images);
    const auto total = static_cast<int64_t>(set.items().size());
    parallel_for(total, threads_, [&](int64_t i) {
      if (signals::stop_requested()) {
        std::lock_guard lock(mutex_);
        report.complete = false;
        return;
      }
      one(set, set.items()[i], folder, report);
      show(total);
    });
    log::progress("");
    log::info(info_.name, ": labels in ", folder.string());
  }

 private:
  /// Cityscapes' train-id files come with some downloads: then nothing needs to be written.
  bool published_in_that_form(PrepareReport& report) {
    if (info_.name != "cityscapes_fine_sem_seg_val") return false;
    DatasetInfo ready = info_;
    ready.labels = {prepared_};
    if (!on_disk(ready)) return false;
    const SemSegSet made(ready);
    if (made.items().empty() || !made.report().images_without_labels.empty()) return false;
    report.kept += static_cast<int64_t>(made.items().size());
    if (out_ != root_) {
      link_pictures(made.report().images);
      link_to(prepared_.path, out_ / prepared_.path.lexically_relative(root_));
    }
    return true;
  }

  /// So that a test set can be read from `out` alone.
  void link_pictures(const fs::path& images) {
    if (fs::absolute(out_).lexically_normal() == fs::absolute(root_).lexically_normal()) return;
    link_to(images, out_ / info_.images.front().lexically_relative(root_));
    if (!info_.list.empty()) link_to(info_.list, out_ / info_.list.lexically_relative(root_));
  }

  void one(const SemSegSet& set, const SemSegItem& item, const fs::path& folder,
           PrepareReport& report) {
    // Cityscapes has a folder a city; the other sets are flat.
    fs::path to = folder / (item.stem + prepared_.suffix);
    if (info_.name == "cityscapes_fine_sem_seg_val") {
      const fs::path city = item.label.parent_path().lexically_relative(set.report().labels);
      fs::create_directories(folder / city);
      to = folder / city / (item.stem + prepared_.suffix);
    }
    if (whole_png(to) && !newer(item.label, to)) {
      std::lock_guard lock(mutex_);
      ++report.kept;
      return;
    }
    try {
      const LabelMap labels = set.labels(item, classes_);
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

  void show(int64_t total) {
    const int64_t done = ++done_;
    if (done % 16 == 0 || done == total) {
      log::progress(str(info_.name, ": ", done, " of ", total, " label files"));
    }
  }

  const fs::path root_, out_;
  const int threads_;
  DatasetInfo info_;
  const int classes_;
  LabelSource prepared_;
  std::mutex mutex_;
  std::atomic<int64_t> done_{0};
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
  for (const auto& [name, sets] : preparables()) {
    if (name != set) continue;
    PrepareReport report;
    for (const std::string& one : sets) Preparation(one, options).run(report);
    std::sort(report.failed.begin(), report.failed.end());
    return report;
  }
  fail("cannot prepare '", set, "'", did_you_mean(set, preparable_sets()),
       ": known are coco-stuff, ade20k, context, cityscapes, voc and sa1b");
}

}  // namespace pixelclip
