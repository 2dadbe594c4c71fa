#include "engine/comparison.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "base/error.hpp"
#include "base/log.hpp"
#include "clip/shared_trunk.hpp"
#include "data/catalog.hpp"
#include "engine/model_factory.hpp"
#include "engine/protocol.hpp"
#include "engine/scoring.hpp"
#include "evaluation/published.hpp"
#include "modeling/dense_recipe.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// A model and the checksum of its weights.
struct Loaded {
  LoadedModel loaded;
  std::string checksum;
};

/// One way, with what it needs to score any set.
struct Way {
  ComparedWay shown;
  Config config;
  ScoringPlan plan;
  Loaded* model = nullptr;
  DenseRecipe recipe;
};

std::string stem(const std::string& path) { return fs::path(path).stem().string(); }

/// A name without what no folder can have.
std::string folder_name(std::string name) {
  for (char& c : name) {
    if (c == '/' || c == '\\' || c == ' ') c = '_';
  }
  return name;
}

class Comparer {
 public:
  Comparer(const Config& config, const ComparisonPlan& plan, Comm& comm)
      : config_(config), plan_(plan), comm_(comm) {
    make_ways();
    share_trunks();
  }

  ComparisonReport run(const std::function<void(const ComparisonReport&)>& after_each) {
    ComparisonReport report;
    for (const Way& way : ways_) report.ways.push_back(way.shown);
    const Catalog catalog(config_.datasets);
    std::string missing;
    for (const std::string& set : config_.test.protocol) {
      const DatasetInfo& info = catalog.find(set);
      if (!on_disk(info, &missing)) {
        log::warn("leaving out ", set, ": ", missing);
        continue;
      }
      report.sets.push_back(score(info));
      const auto& results = report.sets.back().comparison.results;
      if (comm_.is_main() && after_each) after_each(report);
      if (!results.front().complete) break;  // on every rank alike
    }
    if (report.sets.empty()) fail("none of the sets can be scored: ", missing);
    return report;
  }

 private:
  void make_ways() {
    const std::vector<std::string> one = {""};
    for (const auto& protocol : plan_.protocols.empty() ? one : plan_.protocols) {
      for (const auto& method : plan_.methods.empty() ? one : plan_.methods) {
        for (const auto& weights : plan_.weights.empty() ? one : plan_.weights)
          ways_.push_back(make_way(protocol, method, weights));
      }
    }
    for (size_t i = 0; i < ways_.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (ways_[i].shown.name == ways_[j].shown.name)
          fail("two ways are called ", ways_[i].shown.name, ": each must be named once");
      }
    }
  }

  Way make_way(const std::string& protocol, const std::string& method, const std::string& weights) {
    Way way;
    if (protocol.empty()) {
      way.config = config_;
    } else {
      way.config = load_config(protocol, plan_.overrides);
      way.config.output_dir = config_.output_dir;
      way.config.datasets = config_.datasets;
      way.config.model.weights = config_.model.weights;
      way.config.model.sem_seg_head = config_.model.sem_seg_head;
    }
    if (!method.empty()) way.config.model.dense.method = dense_method(method);
    if (!weights.empty()) way.config.model.weights = weights;
    way.plan = protocol_plan(way.config);
    way.plan.examples = 0;
    way.model = &model_of(way.config.model);
    way.recipe = dense_recipe(way.config.model, way.model->loaded.model->device());
    ComparedWay& shown = way.shown;
    shown.method = to_string(way.config.model.dense.method);
    shown.weights = way.model->loaded.source.string();
    shown.protocol = protocol.empty() ? "" : stem(protocol);
    shown.name = shown.method;
    if (!shown.protocol.empty() && (plan_.protocols.size() > 1 || plan_.methods.empty()) &&
        shown.protocol != shown.method)
      shown.name += ", protocol " + shown.protocol;
    if (plan_.weights.size() > 1) shown.name += ", " + stem(shown.weights);
    shown.published = published_method_rows(way.model->loaded.architecture, shown.method);
    return way;
  }

  Loaded& model_of(const ModelConfig& config) {
    auto& slot = models_[config.weights];
    if (!slot) {
      slot = std::make_unique<Loaded>();
      slot->loaded = load_model(config, comm_.device());
      slot->loaded.model->eval();
      slot->checksum = weights_checksum(slot->loaded.model);
    }
    return *slot;
  }

  /// Ways of one model and protocol that differ in MODEL.DENSE alone share the blocks before the
  /// last.
  void share_trunks() {
    std::map<std::pair<const Loaded*, std::string>, std::vector<Way*>> groups;
    for (Way& way : ways_) {
      Config plain = way.config;
      plain.model.dense = DenseConfig();
      std::string views = protocol_text(plain, way.plan.templates);
      for (const auto& entry : plain.test.per_set) views += '\n' + entry;
      groups[{way.model, views}].push_back(&way);
    }
    for (auto& [key, members] : groups) {
      std::vector<DenseOptions> methods;
      for (const Way* way : members) methods.push_back(way->recipe.options);
      const auto trunk = std::make_shared<SharedTrunk>(methods);
      std::shared_ptr<const DenseHelper> helper;
      for (const Way* way : members) {
        if (way->recipe.helper) helper = way->recipe.helper;
      }
      for (size_t m = 0; m < members.size() && members.size() > 1; ++m)
        members[m]->recipe = {methods[m], helper, trunk, m};
    }
  }

  ComparedSet score(const DatasetInfo& info) {
    std::vector<EvaluateOptions> options;
    std::vector<BatchScoreFunction> scores;
    for (Way& way : ways_) {
      auto scoring = prepare_scoring(way.model->loaded.model, way.config, way.plan, info, comm_,
                                     way.recipe, way.model->checksum);
      scoring.options.predictions = fs::path(config_.output_dir) / "ways" /
                                    folder_name(way.shown.name) / "inference" / info.name;
      scoring.options.keep_progress = true;
      options.push_back(std::move(scoring.options));
      scores.push_back([views = std::move(scoring.views), score = std::move(scoring.score)](
                           const std::vector<Image>& images) { return score(views(images)); });
    }
    ComparedSet set{.set = info.name};
    const bool gpu = comm_.device().is_cuda();
    const WaysScoreFunction all = [&](const std::vector<Image>& images,
                                      const std::vector<size_t>& wanted) {
      std::unique_lock lock(gpu_, std::defer_lock);
      if (gpu) lock.lock();
      std::vector<std::vector<torch::Tensor>> result;
      for (const size_t way : wanted) result.push_back(scores[way](images));
      return result;
    };
    set.comparison = evaluate_ways(info, all, options, plan_.contested);
    set.class_names = set.comparison.results.front().names;
    return set;
  }

  const Config& config_;
  const ComparisonPlan& plan_;
  Comm& comm_;
  std::map<std::string, std::unique_ptr<Loaded>> models_;
  std::vector<Way> ways_;
  std::mutex gpu_;
};

}  // namespace

ComparisonReport compare(const Config& config, const ComparisonPlan& plan, Comm& comm,
                         const std::function<void(const ComparisonReport&)>& after_each) {
  return Comparer(config, plan, comm).run(after_each);
}

}  // namespace pixelclip
