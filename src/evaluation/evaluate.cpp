#include "evaluation/evaluate.hpp"

#include <torch/utils.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"
#include "evaluation/examples.hpp"
#include "evaluation/fingerprint.hpp"
#include "evaluation/image_worker.hpp"
#include "evaluation/ordered_queue.hpp"
#include "evaluation/progress_file.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return str(whole / 3600, ":", whole / 60 % 60 / 10, whole / 60 % 10, ":", whole % 60 / 10,
             whole % 10);
}

/// LibTorch's threads inside one operation, for a scope.
class TorchThreads {
 public:
  explicit TorchThreads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~TorchThreads() { at::set_num_threads(before_); }
  TorchThreads(const TorchThreads&) = delete;
  TorchThreads& operator=(const TorchThreads&) = delete;

 private:
  int before_;
};

void add_counts(Confusion& confusion, const SparseCounts& sparse) {
  auto& counts = confusion.counts();
  for (const auto& [place, pixels] : sparse) {
    if (place >= static_cast<int64_t>(counts.size()))
      fail("the evaluation's progress file is damaged: remove it");
    counts[place] += pixels;
  }
}

std::vector<std::string> shown_names(std::vector<std::string> names) {
  for (std::string& name : names) name = shown_name(name);
  return names;
}

class Evaluation {
 public:
  Evaluation(const DatasetInfo& info, const EvaluateOptions& options)
      : options_(options),
        set_(info),
        names_(options.names.empty() ? class_names(info) : options.names),
        evaluator_(shown_names(names_), rule(), info.ignore) {
    if (info.classes > 0 && static_cast<int>(names_.size()) != info.classes) {
      fail("the class list has ", names_.size(), " names, but the labels of ", info.name, " have ",
           info.classes, " classes; give the class list of this set");
    }
    if (options.world_size > 1 && !options.all_reduce) {
      fail("an evaluation on ", options.world_size, " ranks needs a way to add their counts");
    }
    const auto& all = set_.items();
    listed_ = options.limit > 0 ? std::min<size_t>(options.limit, all.size()) : all.size();
    if (listed_ == 0) {
      fail("data set ", info.name,
           " has no pair of image and labels: ", set_.report().summary(info.name, 0),
           "; names must agree but for the extension");
    }
  }

  SetResult run(const BatchScoreFunction& scores) {
    log::info(set_.report().summary(set_.info().name, set_.items().size()));
    const auto start = Clock::now();
    const std::string fingerprint = this->fingerprint();
    // Predictions with other ids must not be joined with these.
    const char* ids = set_.info().prediction_ids.empty() ? "" : " own ids";
    ProgressFile file(options_.predictions, fingerprint + ids, options_.rank, options_.world_size);
    recall(file);
    work(scores, file);
    file.finish();
    SetResult result = sum_up();
    result.fingerprint = fingerprint;
    ExamplePicker picker(set_, names_, rule(), options_.examples);
    file.join([&](ImageRecord&& record) {
      if (record.index >= listed_) return;
      if (record.state == ImageRecord::State::unreadable) result.unreadable.push_back(record.text);
      picker.consider(record);
    });
    if (options_.predictions.empty()) result.unreadable = unreadable_;
    result.examples = picker.pick(file);
    if (options_.rank == 0 && result.complete && !options_.keep_progress)
      ProgressFile::remove(options_.predictions);
    result.seconds = seconds_since(start);
    log::info(result.set, ": scored ", result.scored, " of ", result.listed, " images in ",
              duration(result.seconds),
              result.unlabelled ? str(", ", result.unlabelled, " have nothing to score") : "",
              result.failed ? str(", ", result.failed, " could not be read") : "");
    if (const auto warning = coverage_remark(result); !warning.empty())
      log::warn(result.set, ": ", warning);
    return result;
  }

 private:
  ScoreRule rule() const { return options_.rule == "mmseg" ? ScoreRule::mmseg : set_.info().rule; }

  /// Of everything that the numbers depend on, the content of images and label files apart.
  std::string fingerprint() const {
    Fingerprint print;
    print.add(options_.protocol)
        .add(set_.info().name)
        .add(str(static_cast<int>(rule()), ' ', set_.info().ignore));
    for (const auto& name : names_) print.add(name);
    const auto& sources = set_.sources();
    for (const LabelSource& source : sources) {
      print.add(str(source.map.rest_ignored));
      for (const int32_t id : source.map.classes) print.add(str(id));
    }
    for (int64_t i = 0; i < listed_; ++i) {
      print.add(set_.items()[i].stem);
      if (sources.size() > 1) print.add(str(set_.items()[i].source));
    }
    return print.hex() + (options_.weights.empty() ? "" : "-" + options_.weights);
  }

  void recall(ProgressFile& file) {
    std::vector<bool> known(listed_);
    int64_t count = 0;
    file.recall([&](ImageRecord&& record) {
      if (record.index >= listed_ || record.index % options_.world_size != options_.rank) return;
      known[record.index] = true;
      ++count;
      tally(record);
    });
    for (int64_t i = options_.rank; i < listed_; i += options_.world_size) {
      if (!known[i]) open_.push_back(i);
    }
    if (count > 0)
      log::info(set_.info().name, ": going on after ", count, " images that are already scored");
  }

  /// Threads take images from the list, read, score and segment them; this one counts in order.
  void work(const BatchScoreFunction& scores, ProgressFile& file) {
    const auto count = static_cast<int64_t>(open_.size());
    const int64_t batch = std::max(1, options_.batch), chunks = (count + batch - 1) / batch;
    const int wanted = options_.threads > 0 ? options_.threads : available_cores();
    const auto threads = static_cast<int>(std::clamp<int64_t>(chunks, 1, wanted));
    const TorchThreads torch_threads(1);
    OrderedQueue<std::vector<ImageRecord>> done(2 * threads);
    std::atomic<int64_t> next{0};
    std::atomic<int> active{threads};
    std::exception_ptr error;
    std::mutex error_mutex;
    const auto body = [&] {
      try {
        at::init_num_threads();  // this thread's share of TorchThreads
        ImageWorker worker(set_, names_, rule(), !options_.predictions.empty());
        while (!signals::stop_requested()) {
          const int64_t chunk = next++;
          if (chunk >= chunks) break;
          const auto first = open_.begin() + chunk * batch;
          const auto last = open_.begin() + std::min(count, (chunk + 1) * batch);
          if (!done.push(chunk, worker({first, last}, scores))) break;
        }
      } catch (...) {
        std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
        next = chunks;
      }
      if (--active == 0) done.close();
    };
    start_ = Clock::now();
    int64_t taken = 0;
    {
      std::vector<std::jthread> pool;
      // Whatever ends this scope, the threads must not wait for room.
      const std::shared_ptr<void> closer(nullptr, [&](void*) { done.close(); });
      for (int t = 0; t < threads; ++t) pool.emplace_back(body);
      while (auto records = done.pop()) {
        for (const ImageRecord& record : *records) {
          if (record.state == ImageRecord::State::unreadable) log::warn("left out: ", record.text);
          tally(record);
          file.add(record);
          show_progress(++taken, count);
        }
      }
    }
    log::progress("");
    if (error) std::rethrow_exception(error);
    complete_ = taken == count;
  }

  void tally(const ImageRecord& record) {
    scored_ += record.state == ImageRecord::State::scored;
    unlabelled_ += record.state == ImageRecord::State::unlabelled;
    if (record.state == ImageRecord::State::unreadable) unreadable_.push_back(record.text);
    add_counts(evaluator_.confusion(), record.confusion);
    add_counts(evaluator_.boundary(), record.boundary);
  }

  void show_progress(int64_t done, int64_t count) {
    const double seconds = seconds_since(start_);
    const double left = seconds / static_cast<double>(done) * static_cast<double>(count - done);
    const std::string text = str(
        set_.info().name, ": ", done, " of ", count, " images, ",
        std::round(10.0 * static_cast<double>(done) / std::max(seconds, 1e-9)) / 10, " a second, ",
        duration(left), " left", options_.world_size > 1 ? " (this process' share)" : "");
    log::progress(text);
    if (seconds - last_log_ < 10 || done == count) return;
    last_log_ = seconds;
    log::info(text);
  }

  /// Adds the counts of all ranks: matrices and four numbers travel.
  SetResult sum_up() {
    auto& confusion = evaluator_.confusion().counts();
    auto& boundary = evaluator_.boundary().counts();
    int64_t numbers[] = {scored_, unlabelled_, static_cast<int64_t>(unreadable_.size()),
                         complete_ ? 0 : 1};
    if (options_.world_size > 1) {
      std::vector<int64_t> all(confusion);
      all.insert(all.end(), boundary.begin(), boundary.end());
      all.insert(all.end(), std::begin(numbers), std::end(numbers));
      torch::Tensor counts = torch::tensor(all, torch::kInt64);
      options_.all_reduce(counts);
      const torch::Tensor sums = counts.to(torch::kCPU).contiguous();
      const auto* from = sums.const_data_ptr<int64_t>();
      const auto read = [&](auto begin, auto end) {
        std::copy_n(from, end - begin, begin);
        from += end - begin;
      };
      read(confusion.begin(), confusion.end());
      read(boundary.begin(), boundary.end());
      read(std::begin(numbers), std::end(numbers));
    }
    const auto [scored, unlabelled, failed, stopped] = numbers;
    if (scored == 0 && stopped == 0) {
      fail("data set ", set_.info().name, ": none of its ", listed_, " images could be scored",
           unreadable_.empty() ? "" : "; the first: " + unreadable_.front());
    }
    SetResult result;
    result.set = set_.info().name;
    result.scores = evaluator_.finish();
    result.names = unique_names(shown_names(names_));
    result.confusion = evaluator_.confusion();
    result.scored = scored;
    result.listed = listed_;
    const auto count = [](const auto& stems) { return static_cast<int64_t>(stems.size()); };
    const PairReport& pairs = set_.report();
    result.expected = pairs.expected;
    result.unpaired = count(pairs.images_without_labels) + count(pairs.labels_without_image) +
                      count(pairs.ambiguous);
    result.unlabelled = unlabelled;
    result.failed = failed;
    result.complete = stopped == 0;
    return result;
  }

  const EvaluateOptions& options_;
  SemSegSet set_;
  std::vector<std::string> names_;
  SemSegEvaluator evaluator_;
  std::vector<int64_t> open_;  ///< items of this rank still to be scored
  int64_t listed_ = 0, scored_ = 0, unlabelled_ = 0;
  std::vector<std::string> unreadable_;
  bool complete_ = true;
  Clock::time_point start_ = Clock::now();
  double last_log_ = 0;
};

}  // namespace

SetResult evaluate(const DatasetInfo& info, const BatchScoreFunction& scores,
                   const EvaluateOptions& options) {
  const signals::Doing scoring("scoring " + info.name);
  return Evaluation(info, options).run(scores);
}

SetResult evaluate(const DatasetInfo& info, const ScoreFunction& scores, EvaluateOptions options) {
  options.batch = 1;
  const BatchScoreFunction one =
      [&](const std::vector<Image>& images) -> std::vector<torch::Tensor> {
    return {scores(images.front())};
  };
  return evaluate(info, one, options);
}

void forget_progress(const std::filesystem::path& predictions) {
  ProgressFile::remove(predictions);
}

}  // namespace pixelclip
