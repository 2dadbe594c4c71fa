#include "engine/tuning.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "base/log.hpp"
#include "config/check.hpp"
#include "config/per_set.hpp"
#include "data/catalog.hpp"
#include "engine/protocol.hpp"
#include "engine/scoring.hpp"
#include "engine/tuning_axes.hpp"
#include "engine/tuning_report.hpp"
#include "engine/ways.hpp"
#include "evaluation/fingerprint.hpp"
#include "evaluation/html.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

std::string joined_words(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += str(text.empty() ? "" : " ", word.empty() ? "''" : word);
  return text;
}

/// The images of the plan in their two parts.
struct Halves {
  int64_t searched = 0, held_out = 0;
  std::string print;  ///< checksum of the names of those searched

  Halves(const DatasetInfo& info, const TuningPlan& plan) {
    SemSegSet set(info);
    set.keep(plan.images, {});
    Fingerprint names;
    for (const SemSegItem& item : set.items()) {
      const bool in = is_searched(item.stem);
      ++(in ? searched : held_out);
      if (in) names.add(item.stem);
    }
    print = names.hex();
    if (searched > 0 && held_out > 0) return;
    fail(plan.set, ": of its ", set.items().size(), " images ", searched, " belong to the search ",
         "and ", held_out, " to the rest, which their names decide; both need some: use more ",
         "images");
  }
};

class Tuner {
 public:
  Tuner(const Config& config, const TuningPlan& plan, Comm& comm)
      : plan_(plan),
        comm_(comm),
        catalog_(config.datasets),
        info_(catalog_.find(plan.set)),
        pool_(comm.device()),
        start_(config) {
    std::string why;
    if (!on_disk(info_, &why)) fail(plan.set, ": ", why);
    start_.test.protocol = {plan.set};
    const auto names = check_plan(start_, protocol_plan(start_));
    const auto& architecture = pool_.model(start_.model).loaded.architecture;
    axes_ = tuning_axes(config_for_set(start_, plan.set), architecture, names, plan.keys);
  }

  TuningResult run() {
    const Halves halves(info_, plan_);
    result_.set = plan_.set;
    result_.searched = halves.searched, result_.held_out = halves.held_out;
    result_.tuned = start_;
    if (comm_.is_main())
      log::info(plan_.set, ": searching on ", halves.searched, " images, ", halves.held_out,
                " are held out");
    result_.complete = score({start_});
    TuningTrial first{.round = 0, .axis = "start", .chosen = true};
    std::tie(first.score, first.fingerprint) = known_[text_of(start_)];
    result_.search_before = result_.search_after = first.score;
    result_.trials.push_back(std::move(first));
    for (int round = 1; round <= plan_.rounds && result_.complete; ++round) {
      if (!search_all(round)) break;
    }
    if (!result_.complete) return std::move(result_);
    auto& tuned_on = result_.tuned.test.tuned_on;
    if (changed())
      tuned_on =
          str(plan_.set, ": ", halves.searched, " of ", halves.searched + halves.held_out,
              " images (", halves.print, ") chose among ", known_.size(), " configurations by ",
              names_of_axes(), tuned_on.empty() ? "" : "; " + tuned_on);
    report_rest();
    return std::move(result_);
  }

 private:
  /// What the scores of the set depend on.
  std::string text_of(const Config& config) const {
    const Config own = config_for_set(config, plan_.set);
    return protocol_text(own, protocol_plan(own).templates);
  }

  bool changed() const { return text_of(result_.tuned) != text_of(start_); }

  std::string names_of_axes() const {
    std::string names;
    for (const TuningAxis& axis : axes_) names += (names.empty() ? "" : ", ") + axis.name;
    return names;
  }

  /// Scores configurations on the images of the search; false after a signal.
  bool score(const std::vector<Config>& configs) {
    std::vector<Way> ways;
    for (const Config& config : configs)
      ways.push_back({Fingerprint().add(text_of(config)).hex(), config});
    const auto comparison =
        score_ways(info_, ways, pool_, comm_,
                   {.folder = fs::path(start_.output_dir) / "search",
                    .limit = plan_.images,
                    .among = [](const SemSegItem& item) { return is_searched(item.stem); }});
    for (size_t i = 0; i < configs.size(); ++i) {
      const SetResult& result = comparison.results[i];
      if (!result.complete) return false;
      known_[text_of(configs[i])] = {headline(result), result.fingerprint};
    }
    return true;
  }

  /// Why a configuration cannot be scored; empty: it can.
  std::string refusal(const Config& config) {
    try {
      check(config, 1, Purpose::protocol);
      const Config own = config_for_set(config, plan_.set);
      ClassScorer(pool_.model(own.model).loaded.model, own.model, own.test,
                  pool_.recipe(own.model));
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  /// One pass over the axes; whether it found something better.
  bool search_all(int round) {
    const double before = result_.search_after;
    for (const TuningAxis& axis : axes_) {
      result_.complete = search(axis, round);
      if (!result_.complete) return false;
    }
    return result_.search_after > before;
  }

  /// The best choice of an axis becomes part of the outcome if it gains; false after a signal.
  bool search(const TuningAxis& axis, int round) {
    std::vector<std::pair<Config, TuningTrial>> candidates;
    std::vector<Config> unknown;
    std::vector<std::string> texts = {text_of(result_.tuned)};
    for (const auto& choice : axis.choices) {
      Config config = with_overrides(result_.tuned, choice);
      const auto text = text_of(config);
      if (std::find(texts.begin(), texts.end(), text) != texts.end()) continue;  // changes nothing
      texts.push_back(text);
      if (known_.contains(text)) continue;  // was not better than the best so far
      TuningTrial trial{.round = round,
                        .axis = axis.name,
                        .keys = joined_words(choice),
                        .refusal = refusal(config)};
      if (trial.refusal.empty()) unknown.push_back(config);
      candidates.emplace_back(std::move(config), std::move(trial));
    }
    if (!unknown.empty() && !score(unknown)) return false;
    const Config* best = nullptr;
    TuningTrial* best_trial = nullptr;
    for (auto& [config, trial] : candidates) {
      if (!trial.refusal.empty()) continue;
      std::tie(trial.score, trial.fingerprint) = known_.at(text_of(config));
      if (!(trial.score > result_.search_after)) continue;
      result_.search_after = trial.score;
      best = &config, best_trial = &trial;
    }
    if (best) {
      result_.tuned = *best;
      best_trial->chosen = true;
    }
    for (auto& [config, trial] : candidates) result_.trials.push_back(std::move(trial));
    if (comm_.is_main())
      log::info("round ", round, ", ", axis.name, ": ", unknown.size(), " tried, ",
                best ? "better: " : "none better: ", shown(result_.search_after, 2), " mIoU");
    return true;
  }

  /// Start and outcome on the images that took no part.
  void report_rest() {
    std::vector<Way> ways = {{"start", start_}};
    if (changed()) ways.push_back({"tuned", result_.tuned});
    ComparedSet set{.set = plan_.set};
    set.comparison =
        score_ways(info_, ways, pool_, comm_,
                   {.folder = fs::path(start_.output_dir) / "rest",
                    .contested = 6,
                    .limit = plan_.images,
                    .among = [](const SemSegItem& item) { return !is_searched(item.stem); }});
    set.class_names = set.comparison.results.front().names;
    result_.complete = set.comparison.results.front().complete;
    for (const Way& way : ways)
      result_.rest.ways.push_back({.name = way.name,
                                   .weights = pool_.model(way.config.model).loaded.source.string(),
                                   .method = to_string(way.config.model.dense.method)});
    result_.rest.sets.push_back(std::move(set));
    result_.rest.title = "Keys found by search";
    result_.rest.subject = outcome(result_);
  }

  const TuningPlan& plan_;
  Comm& comm_;
  const Catalog catalog_;
  const DatasetInfo& info_;
  ModelPool pool_;
  Config start_;
  std::vector<TuningAxis> axes_;
  /// Scores on the images of the search and fingerprints, by text_of.
  std::map<std::string, std::pair<double, std::string>> known_;
  TuningResult result_;
};

}  // namespace

bool is_searched(const std::string& stem) { return Fingerprint().add(stem).hex().back() % 2 == 0; }

TuningResult tune(const Config& config, const TuningPlan& plan, Comm& comm) {
  if (plan.rounds < 1) fail("--rounds starts at 1");
  return Tuner(config, plan, comm).run();
}

}  // namespace pixelclip
