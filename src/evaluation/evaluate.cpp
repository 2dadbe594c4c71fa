#include "pixelclip/evaluation/evaluate.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "picture_queue.hpp"
#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/parallel.hpp"
#include "pixelclip/base/signal.hpp"
#include "pixelclip/evaluation/segment.hpp"
#include "pixelclip/image/codec.hpp"
#include "prediction_writer.hpp"

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

/// A picture on its way: decoded, then with scores. `reason` is set when it could not be read.
struct Picture {
  const SemSegItem* item = nullptr;
  Image image;
  LabelMap truth;
  torch::Tensor scores;
  std::string reason;
  bool unlabelled = false;
};

/// Stops and joins its threads at the end of a scope, however that is left.
struct Threads {
  OrderedQueue<Picture>&decoded, &scored;
  std::vector<std::jthread> all;

  ~Threads() {
    decoded.close();
    scored.close();
    all.clear();
  }
};

/// What the last stage counts.
struct Tally {
  int64_t scored = 0, unlabelled = 0;
  std::vector<std::string> unreadable;
};

class Evaluation {
 public:
  Evaluation(const DatasetInfo& info, const EvaluateOptions& options)
      : options_(options),
        set_(info),
        names_(options.names.empty() ? class_names(info) : options.names),
        evaluator_(names_, options.rule == "mmseg" ? ScoreRule::mmseg : info.rule, info.ignore),
        writer_(options.predictions, options.rank, options.world_size) {
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
           " has no pair of picture and labels: ", set_.report().summary(info.name, 0),
           "; names must agree but for the extension");
    }
    for (int64_t i = options.rank; i < listed_; i += options.world_size) items_.push_back(&all[i]);
  }

  SetResult run(const ScoreFunction& scores) {
    log::info(set_.report().summary(set_.info().name, set_.items().size()));
    const auto start = Clock::now();
    work(scores);
    writer_.finish();
    SetResult result = sum_up();
    writer_.join();
    result.seconds = seconds_since(start);
    log::info(result.set, ": scored ", result.scored, " of ", result.listed, " pictures in ",
              duration(result.seconds),
              result.unlabelled ? str(", ", result.unlabelled, " have nothing to score") : "",
              result.failed ? str(", ", result.failed, " could not be read") : "");
    return result;
  }

 private:
  /// Readers decode ahead, this thread asks for scores, one more segments and counts.
  void work(const ScoreFunction& scores) {
    const auto count = static_cast<int64_t>(items_.size());
    OrderedQueue<Picture> decoded(std::max(1, options_.prefetch)), scored(2);
    std::atomic<int64_t> next{0};
    std::exception_ptr reader_error, counter_error;
    std::mutex mutex;
    const auto read_all = [&] {
      try {
        for (int64_t i = next++; i < count; i = next++) {
          if (!decoded.push(i, read(*items_[i]))) return;
        }
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!reader_error) reader_error = std::current_exception();
        decoded.close();
      }
    };
    const auto count_all = [&] {
      try {
        for (int64_t i = 0; i < count; ++i) {
          std::optional<Picture> picture = scored.pop();
          if (!picture) return;
          take(*picture);
          show_progress(i + 1, count);
        }
      } catch (...) {
        counter_error = std::current_exception();
        scored.close();
      }
    };
    {
      Threads threads{decoded, scored, {}};
      const int cores = options_.threads > 0 ? options_.threads : available_cores();
      for (int t = 0; t < std::clamp(cores / 2, 1, 4); ++t) threads.all.emplace_back(read_all);
      threads.all.emplace_back(count_all);
      for (int64_t i = 0; i < count; ++i) {
        if (signals::stop_requested()) {
          complete_ = false;
          break;
        }
        std::optional<Picture> picture = decoded.pop();
        if (!picture) break;
        if (picture->reason.empty() && !picture->unlabelled) {
          picture->scores = checked(scores(picture->image), *picture->item);
        }
        if (!scored.push(i, std::move(*picture))) break;
      }
    }
    log::progress("");
    if (reader_error) std::rethrow_exception(reader_error);
    if (counter_error) std::rethrow_exception(counter_error);
  }

  /// A file that cannot be read leaves the picture out; an id without meaning ends the evaluation,
  /// because then the class list or the set is the wrong one.
  Picture read(const SemSegItem& item) const {
    Picture picture;
    picture.item = &item;
    try {
      picture.image = read_rgb(item.image);
      picture.truth = set_.stored_ids(item);
      const Image& image = picture.image;
      const LabelMap& truth = picture.truth;
      if (image.height != truth.height || image.width != truth.width) {
        fail(item.image.string(), ": the picture is ", image.width, "×", image.height,
             ", but its labels ", item.label.string(), " are ", truth.width, "×", truth.height);
      }
    } catch (const Error& e) {
      picture.reason = e.what();
      return picture;
    }
    const int ignore = set_.info().ignore;
    apply_ids(picture.truth, set_.id_map(), static_cast<int>(names_.size()), ignore,
              item.label.string());
    picture.unlabelled = set_.info().skip_unlabelled &&
                         std::all_of(picture.truth.ids.begin(), picture.truth.ids.end(),
                                     [ignore](int32_t id) { return id == ignore; });
    return picture;
  }

  torch::Tensor checked(torch::Tensor scores, const SemSegItem& item) const {
    TORCH_CHECK(scores.dim() == 3 && scores.size(0) == static_cast<int64_t>(names_.size()),
                "the scores of ", item.image.string(), " have shape ", scores.sizes(),
                ", expected [", names_.size(), ", h, w]");
    return scores.to(torch::kCPU, torch::kFloat32).contiguous();
  }

  void take(Picture& picture) {
    const SemSegItem& item = *picture.item;
    if (!picture.reason.empty()) {
      log::warn("left out: ", picture.reason);
      tally_.unreadable.push_back(picture.reason);
      return writer_.add("");
    }
    if (picture.unlabelled) {
      ++tally_.unlabelled;
      return writer_.add("");
    }
    LabelMap prediction;
    try {
      prediction = argmax_upsampled(
          picture.scores.const_data_ptr<float>(), static_cast<int>(picture.scores.size(0)),
          static_cast<int>(picture.scores.size(1)), static_cast<int>(picture.scores.size(2)),
          picture.truth.height, picture.truth.width, options_.threads);
    } catch (const Error& e) {
      fail(item.image.string(), ": ", e.what());
    }
    evaluator_.process(item.image.string(), prediction, picture.truth);
    if (!options_.predictions.empty()) {
      writer_.add(predictions_json(item.image.string(), prediction));
    }
    ++tally_.scored;
    if (options_.on_picture) options_.on_picture(item, picture.image, prediction, picture.truth);
  }

  void show_progress(int64_t done, int64_t count) {
    const double seconds = seconds_since(start_);
    const double left = seconds / static_cast<double>(done) * static_cast<double>(count - done);
    const std::string text =
        str(set_.info().name, ": ", done, " of ", count, " pictures, ",
            std::round(10.0 * static_cast<double>(done) / std::max(seconds, 1e-9)) / 10,
            " a second, ", duration(left), " left");
    log::progress(text);
    if (seconds - last_log_ < 10 || done == count) return;
    last_log_ = seconds;
    log::info(text);
  }

  /// Adds the counts of all ranks: matrices and four numbers travel.
  SetResult sum_up() {
    auto& confusion = evaluator_.confusion().counts();
    auto& boundary = evaluator_.boundary().counts();
    int64_t numbers[] = {tally_.scored, tally_.unlabelled,
                         static_cast<int64_t>(tally_.unreadable.size()), complete_ ? 0 : 1};
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
      fail("data set ", set_.info().name, ": none of its ", listed_, " pictures could be scored",
           tally_.unreadable.empty() ? "" : "; the first: " + tally_.unreadable.front());
    }
    return {.set = set_.info().name,
            .scores = evaluator_.finish(),
            .names = names_,
            .confusion = evaluator_.confusion(),
            .scored = scored,
            .listed = listed_,
            .unlabelled = unlabelled,
            .failed = failed,
            .unreadable = tally_.unreadable,
            .complete = stopped == 0};
  }

  const EvaluateOptions& options_;
  SemSegSet set_;
  std::vector<std::string> names_;
  SemSegEvaluator evaluator_;
  PredictionWriter writer_;
  std::vector<const SemSegItem*> items_;
  int64_t listed_ = 0;
  Tally tally_;
  bool complete_ = true;
  Clock::time_point start_ = Clock::now();
  double last_log_ = 0;
};

}  // namespace

SetResult evaluate(const DatasetInfo& info, const ScoreFunction& scores,
                   const EvaluateOptions& options) {
  return Evaluation(info, options).run(scores);
}

}  // namespace pixelclip
