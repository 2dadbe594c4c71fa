#include "data/prepare_sa1b.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"
#include "base/stopwatch.hpp"
#include "data/catalog.hpp"
#include "data/sample_check.hpp"
#include "data/shard.hpp"
#include "data/train_set.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kBlock = 64;  // samples in memory at a time
constexpr const char* kRecord = "sa1b_verified.json";

/// Samples [begin, end) of the index, stored in one tar file, compact shard or folder.
struct Unit {
  fs::path path;
  int64_t begin = 0, end = 0;
  ArchiveSource source;
};

/// Thrown to stop within a shard after a signal.
struct Stopped {};

class Verification {
 public:
  explicit Verification(const PrepareSa1bOptions& options)
      : options_(options),
        root_(DatasetRoots::find("", options.root.string()).sa1b),
        out_(options.out.empty() ? root_ : options.out) {
    DatasetsConfig datasets;
    datasets.train = {"sam_resized"};
    datasets.sam_root = root_.string();
    datasets.shards = options.list.string();
    index_ = open_training_set(datasets);
  }

  PrepareReport run() {
    if (options_.compact) make_writable_folder(out_);
    read_record();
    const auto units = units_of_index();
    for (const Unit& unit : units) {
      if (options_.compact && is_shard(unit.path)) continue;
      one(unit);
      if (!report_.complete) break;
    }
    log::progress("");
    if (unusable_ > 0) {
      log::warn(unusable_,
                " annotations without a usable mask were left out alone; `pixelclip doctor` "
                "examines them");
    }
    std::sort(report_.failed.begin(), report_.failed.end());
    return std::move(report_);
  }

 private:
  std::vector<Unit> units_of_index() {
    std::vector<Unit> units;
    for (int64_t i = 0; i < index_.size(); ++i) {
      const Sa1bSample sample = index_[i];
      const fs::path path =
          sample.archive.empty() ? fs::path(sample.image).parent_path() : fs::path(sample.archive);
      if (units.empty() || units.back().path != path) units.push_back({path, i, i, {}});
      units.back().end = i + 1;
    }
    std::map<fs::path, fs::path> shards;
    for (Unit& unit : units) {
      unit.source = source_of(unit.path);
      if (fs::is_directory(unit.path)) {
        const fs::path masks = fs::path(index_[unit.begin].annotation).parent_path();
        unit.source.size = static_cast<uint64_t>(unit.end - unit.begin);
        unit.source.time = std::max(unit.source.time, source_of(masks).time);
      }
      const auto [at, fresh] = shards.emplace(shard_of(unit), unit.path);
      if (options_.compact && !fresh) {
        fail(at->second.string(), " and ", unit.path.string(), " would become one compact shard ",
             at->first.string(), "; name them one at a time in DATASETS.SHARDS (--shards)");
      }
    }
    return units;
  }

  fs::path shard_of(const Unit& unit) const {
    return out_ / (unit.path.filename().replace_extension().string() + ".shard");
  }

  /// {"tar files and folders": {PATH: {size, time, samples, skipped, failed: [reason]}}}
  void read_record() {
    std::error_code ignored;
    if (!options_.again && fs::exists(out_ / kRecord, ignored)) record_ = read_json(out_ / kRecord);
    if (!record_.is_object()) record_ = nlohmann::json::object();
  }

  bool done_before(const Unit& unit) const {
    const auto known = record_.find(fs::absolute(unit.path).string());
    if (known == record_.end() || !known->is_object()) return false;
    if (known->value("size", uint64_t{0}) != unit.source.size ||
        known->value("time", int64_t{0}) != unit.source.time) {
      return false;
    }
    return !options_.compact || shard_source(shard_of(unit)) == unit.source;
  }

  void one(const Unit& unit) {
    const int64_t samples = unit.end - unit.begin;
    if (done_before(unit)) {
      const auto& known = record_.at(fs::absolute(unit.path).string());
      const auto failed = known.value("failed", std::vector<std::string>());
      report_.failed.insert(report_.failed.end(), failed.begin(), failed.end());
      report_.kept += samples - static_cast<int64_t>(failed.size());
      passed_ += samples;
      return;
    }
    skipped_ = 0;
    failed_.clear();
    try {
      if (options_.compact) {
        write_shard(shard_of(unit), unit.source,
                    [&](ShardWriter& writer) { read_all(unit, &writer); });
      } else {
        read_all(unit, nullptr);
      }
    } catch (const Stopped&) {
      report_.complete = false;
      return;
    }
    report_.written += samples - static_cast<int64_t>(failed_.size());
    report_.skipped += skipped_;
    report_.failed.insert(report_.failed.end(), failed_.begin(), failed_.end());
    record_[fs::absolute(unit.path).string()] = {{"size", unit.source.size},
                                                 {"time", unit.source.time},
                                                 {"samples", samples},
                                                 {"failed", failed_}};
    try {
      write_json(out_ / kRecord, record_);
    } catch (const Error& e) {
      if (!warned_)
        log::warn("the record of verified files cannot be written, so a second call starts over: ",
                  e.what());
      warned_ = true;
    }
  }

  /// Per block, all cores read samples, which are then written to the shard in order.
  void read_all(const Unit& unit, ShardWriter* writer) {
    struct Slot {
      SampleCheck check;
      std::string name, reason;
    };
    std::vector<Slot> slots(kBlock);
    for (int64_t begin = unit.begin; begin < unit.end; begin += kBlock) {
      const int64_t count = std::min(kBlock, unit.end - begin);
      parallel_for(count, options_.threads, [&](int64_t i) {
        if (signals::stop_requested()) throw Stopped();
        const Sa1bSample sample = index_[begin + i];
        Slot& slot = slots[i];
        slot.name = fs::path(sample.image).filename().string();
        if (!sample.archive.empty()) slot.name = sample.image.substr(sample.archive.size() + 1);
        slot.reason.clear();
        try {
          slot.check.read(sample, true);
        } catch (const Error& e) {
          slot.reason = e.what();
        }
      });
      for (int64_t i = 0; i < count; ++i) {
        const Slot& slot = slots[i];
        if (!slot.reason.empty()) {
          log::warn("cannot be used: ", slot.reason);
          failed_.push_back(slot.reason);
          continue;
        }
        const MaskRuns::LeftOut& left_out = slot.check.masks.left_out;
        if (left_out.unusable > 0 && unusable_ == 0) log::warn("left out: ", left_out.first);
        unusable_ += left_out.unusable;
        if (slot.check.masks.masks.empty()) ++skipped_;
        if (writer) writer->add(slot.name, slot.check.file, slot.check.masks);
      }
      show(count);
    }
  }

  void show(int64_t count) {
    passed_ += count;
    read_ += count;
    const double seconds = watch_.seconds();
    const double left =
        seconds / static_cast<double>(read_) * static_cast<double>(index_.size() - passed_);
    log::progress(str("sa1b: ", passed_, " of ", index_.size(), " samples, ",
                      report_.failed.size() + failed_.size(), " not usable, ", std::lround(left),
                      " s left"));
  }

  const PrepareSa1bOptions& options_;
  const fs::path root_, out_;
  Sa1bIndex index_;
  nlohmann::json record_;
  PrepareReport report_;
  std::vector<std::string> failed_;
  int64_t skipped_ = 0, passed_ = 0, read_ = 0;
  int64_t unusable_ = 0;  ///< annotations without a usable mask
  bool warned_ = false;
  const Stopwatch watch_;
};

}  // namespace

PrepareReport prepare_sa1b(const PrepareSa1bOptions& options) {
  return Verification(options).run();
}

}  // namespace pixelclip
