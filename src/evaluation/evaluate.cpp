#include "evaluation/evaluate.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"
#include "base/stopwatch.hpp"
#include "evaluation/examples.hpp"
#include "evaluation/fingerprint.hpp"
#include "evaluation/image_worker.hpp"
#include "evaluation/progress_file.hpp"
#include "inference/pipeline.hpp"
#include "nn/torch_threads.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
namespace {

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

ScoreRule rule_of(const SemSegSet& set, const EvaluateOptions& options) {
  return options.rule == TestRule::mmseg ? ScoreRule::mmseg : set.info().rule;
}

/// The counts of one way of scoring a set, and the file that keeps them.
class Tally {
 public:
  Tally(const SemSegSet& set, int64_t listed, const EvaluateOptions& options)
      : set_(set),
        listed_(listed),
        options_(options),
        names_(options.names.empty() ? class_names(set.info()) : options.names),
        evaluator_(shown_names(names_), rule_of(set, options), set.info().ignore),
        fingerprint_(fingerprint()),
        // Predictions with other ids must not be merged with these.
        file_(options.predictions,
              fingerprint_ + (set.info().prediction_ids.empty() ? "" : " own ids"), options.rank,
              options.world_size) {
    const DatasetInfo& info = set.info();
    if (info.classes > 0 && static_cast<int>(names_.size()) != info.classes) {
      fail("the class list has ", names_.size(), " names, but the labels of ", info.name, " have ",
           info.classes, " classes; give the class list of this set");
    }
  }

  const std::vector<std::string>& names() const { return names_; }

  /// Takes over what an earlier call has scored; says for each image of this rank whether it is
  /// still to be scored.
  std::vector<bool> recall() {
    open_.resize(listed_);
    int64_t known = 0;
    for (int64_t i = options_.rank; i < listed_; i += options_.world_size) open_[i] = true;
    file_.recall([&](ImageRecord&& record) {
      if (record.index >= listed_ || !open_[record.index]) return;
      open_[record.index] = false;
      ++known;
      count(record);
    });
    if (known > 0)
      log::info(set_.info().name, ": going on after ", known, " images that are already scored");
    return open_;
  }

  bool lacks(int64_t index) const { return open_[index]; }

  void add(const ImageRecord& record) {
    count(record);
    file_.add(record);
  }

  /// The outcome over all ranks, with examples. `seconds` is what the evaluation has taken.
  SetResult finish(bool complete, double seconds) {
    file_.finish();
    SetResult result = sum_up(complete);
    result.fingerprint = fingerprint_;
    ExamplePicker picker(set_, names_, rule_of(set_, options_), options_.examples);
    file_.join([&](ImageRecord&& record) {
      if (record.index >= listed_) return;
      if (record.state == ImageRecord::State::unreadable) result.unreadable.push_back(record.text);
      picker.consider(record);
    });
    if (options_.predictions.empty()) result.unreadable = unreadable_;
    result.examples = picker.pick(file_);
    result.seconds = seconds;
    return result;
  }

  /// After finish(), on rank 0: the predictions of an image; none where it was not scored.
  std::string predictions(int64_t index) const {
    if (!file_.holds(index)) return "";
    ImageRecord record = file_.read(index);
    return record.state == ImageRecord::State::scored ? std::move(record.text) : "";
  }

  void forget_if(bool complete) const {
    if (options_.rank == 0 && complete && !options_.keep_progress)
      ProgressFile::remove(options_.predictions);
  }

 private:
  /// Checksum of everything that the scores depend on, except the content of image and label files.
  std::string fingerprint() const {
    Fingerprint print;
    print.add(options_.protocol)
        .add(set_.info().name)
        .add(str(static_cast<int>(rule_of(set_, options_)), ' ', set_.info().ignore));
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

  void count(const ImageRecord& record) {
    scored_ += record.state == ImageRecord::State::scored;
    unlabelled_ += record.state == ImageRecord::State::unlabelled;
    if (record.state == ImageRecord::State::unreadable) unreadable_.push_back(record.text);
    add_counts(evaluator_.confusion(), record.confusion);
    add_counts(evaluator_.boundary(), record.boundary);
  }

  /// Adds the counts of all ranks: matrices and four numbers are exchanged.
  SetResult sum_up(bool complete) {
    auto& confusion = evaluator_.confusion().counts();
    auto& boundary = evaluator_.boundary().counts();
    int64_t numbers[] = {scored_, unlabelled_, static_cast<int64_t>(unreadable_.size()),
                         complete ? 0 : 1};
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

  const SemSegSet& set_;
  const int64_t listed_;
  const EvaluateOptions& options_;
  const std::vector<std::string> names_;
  SemSegEvaluator evaluator_;
  const std::string fingerprint_;
  ProgressFile file_;
  std::vector<bool> open_;  ///< images of this rank still to be scored
  int64_t scored_ = 0, unlabelled_ = 0;
  std::vector<std::string> unreadable_;
};

/// Scores a set in several ways at once.
class Evaluation {
 public:
  Evaluation(const DatasetInfo& info, const std::vector<EvaluateOptions>& ways)
      : options_(ways.front()), set_(info) {
    if (options_.world_size > 1 && !options_.all_reduce) {
      fail("an evaluation on ", options_.world_size, " ranks needs all_reduce to add their counts");
    }
    set_.keep(options_.limit, options_.among);
    listed_ = static_cast<int64_t>(set_.items().size());
    if (listed_ == 0) {
      fail("data set ", info.name,
           " has no pair of image and labels: ", set_.report().summary(info.name, 0),
           "; names must agree but for the extension");
    }
    for (const EvaluateOptions& way : ways) {
      tallies_.push_back(std::make_unique<Tally>(set_, listed_, way));
      workers_.push_back({tallies_.back()->names(), rule_of(set_, way), !way.predictions.empty()});
    }
  }

  Comparison run(const WaysScoreFunction& scores, int contested) {
    log::info(set_.report().summary(set_.info().name, set_.items().size()));
    const Stopwatch watch;
    std::vector<bool> open(listed_);
    for (const auto& tally : tallies_) {
      const auto lacking = tally->recall();
      for (int64_t i = 0; i < listed_; ++i) open[i] = open[i] || lacking[i];
    }
    for (int64_t i = 0; i < listed_; ++i) {
      if (open[i]) open_.push_back(i);
    }
    work(scores);
    Comparison comparison;
    for (const auto& tally : tallies_)
      comparison.results.push_back(tally->finish(complete_, watch.seconds()));
    if (options_.rank == 0 && contested > 0) comparison.contested = contested_images(contested);
    for (size_t w = 0; w < tallies_.size(); ++w)
      tallies_[w]->forget_if(comparison.results[w].complete);
    const SetResult& result = comparison.results.front();
    log::info(result.set, ": scored ", result.scored, " of ", result.listed, " images in ",
              format_duration(result.seconds),
              result.unlabelled ? str(", ", result.unlabelled, " have nothing to score") : "",
              result.failed ? str(", ", result.failed, " could not be read") : "");
    if (const auto warning = coverage_remark(result); !warning.empty())
      log::warn(result.set, ": ", warning);
    return comparison;
  }

 private:
  /// Worker threads read, score and segment images; this thread counts them in order.
  void work(const WaysScoreFunction& scores) {
    const auto count = static_cast<int64_t>(open_.size());
    const int64_t batch = std::max(1, options_.batch), chunks = (count + batch - 1) / batch;
    const int wanted = options_.threads > 0 ? options_.threads : available_cores();
    const auto threads = static_cast<int>(std::clamp<int64_t>(chunks, 1, wanted));
    const TorchThreads torch_threads(1);
    std::vector<ImageWorker> workers(threads, ImageWorker(set_, workers_));
    int64_t given = 0, taken = 0;
    watch_ = {};
    const auto next = [&]() -> std::optional<std::vector<int64_t>> {
      if (given == count) return std::nullopt;
      const auto first = open_.begin() + given;
      given = std::min(count, given + batch);
      return std::vector<int64_t>(first, open_.begin() + given);
    };
    const auto score = [&](const std::vector<int64_t>& indices, int worker) {
      return workers[worker](indices, lacking(indices), scores);
    };
    run_pipeline(threads, next, score, [&](const std::vector<std::vector<ImageRecord>>& records) {
      for (const std::vector<ImageRecord>& of_ways : records) {
        const ImageRecord& any = of_ways.front();
        if (any.state == ImageRecord::State::unreadable) log::warn("left out: ", any.text);
        for (size_t w = 0; w < tallies_.size(); ++w) {
          if (tallies_[w]->lacks(any.index)) tallies_[w]->add(of_ways[w]);
        }
        show_progress(++taken, count);
      }
    });
    log::progress("");
    complete_ = taken == count;
  }

  /// The ways that have not scored all of these images.
  std::vector<size_t> lacking(const std::vector<int64_t>& indices) const {
    std::vector<size_t> ways;
    for (size_t w = 0; w < tallies_.size(); ++w) {
      if (std::any_of(indices.begin(), indices.end(),
                      [&](int64_t index) { return tallies_[w]->lacks(index); }))
        ways.push_back(w);
    }
    return ways;
  }

  /// The images on which the ways' predictions differ most.
  std::vector<ContestedImage> contested_images(int count) const {
    std::vector<std::pair<double, int64_t>> shares(listed_);
    parallel_for(listed_, options_.threads, [&](int64_t i) {
      shares[i] = {-disagreement(predictions(i)), i};
    });
    std::stable_sort(shares.begin(), shares.end());
    std::vector<ContestedImage> images;
    for (const auto& [share, index] : shares) {
      if (static_cast<int>(images.size()) == count || share >= 0) break;
      images.push_back(contested_image(set_, tallies_.front()->names(), index, predictions(index)));
      images.back().share = -100 * share;
    }
    return images;
  }

  /// Of each way; empty where not all of them have scored the image.
  std::vector<std::string> predictions(int64_t index) const {
    std::vector<std::string> texts;
    for (const auto& tally : tallies_) {
      texts.push_back(tally->predictions(index));
      if (texts.back().empty()) return {};
    }
    return texts;
  }

  void show_progress(int64_t done, int64_t count) {
    const double seconds = watch_.seconds();
    const double left = seconds / static_cast<double>(done) * static_cast<double>(count - done);
    const std::string text = str(
        set_.info().name, ": ", done, " of ", count, " images, ",
        std::round(10.0 * static_cast<double>(done) / std::max(seconds, 1e-9)) / 10, " a second, ",
        format_duration(left), " left", options_.world_size > 1 ? " (this process' share)" : "");
    log::progress(text);
    if (seconds - last_log_ < 10 || done == count) return;
    last_log_ = seconds;
    log::info(text);
  }

  const EvaluateOptions& options_;  ///< what all ways share
  SemSegSet set_;
  std::vector<std::unique_ptr<Tally>> tallies_;
  std::vector<ScoredAs> workers_;
  std::vector<int64_t> open_;  ///< images of this rank that some way lacks
  int64_t listed_ = 0;
  bool complete_ = true;
  Stopwatch watch_;
  double last_log_ = 0;
};

}  // namespace

SetResult evaluate(const DatasetInfo& info, const BatchScoreFunction& scores,
                   const EvaluateOptions& options) {
  const WaysScoreFunction only = [&](const std::vector<Image>& images, const auto&) {
    return std::vector<std::vector<torch::Tensor>>{scores(images)};
  };
  return evaluate_ways(info, only, {options}).results.front();
}

Comparison evaluate_ways(const DatasetInfo& info, const WaysScoreFunction& scores,
                         const std::vector<EvaluateOptions>& ways, int contested) {
  TORCH_CHECK(!ways.empty(), "an evaluation needs a way of scoring");
  const signals::Doing scoring("scoring " + info.name);
  return Evaluation(info, ways).run(scores, contested);
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
