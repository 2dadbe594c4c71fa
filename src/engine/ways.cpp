#include "engine/ways.hpp"

#include <torch/utils.h>

#include "base/error.hpp"
#include "clip/shared_trunk.hpp"
#include "engine/protocol.hpp"
#include "engine/scoring.hpp"
#include "modeling/dense_recipe.hpp"
#include "nn/device_thread.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// A name without what no folder can have.
std::string folder_name(std::string name) {
  for (char& c : name) {
    if (c == '/' || c == '\\' || c == ' ') c = '_';
  }
  return name;
}

/// What ways have in common that share the blocks before the last: model, views and precision.
std::string trunk_of(const Way& way, const ScoringPlan& plan) {
  Config plain = way.config;
  plain.model.dense = DenseConfig();
  std::string text = plain.model.weights + '\n' + protocol_text(plain, plan.templates);
  for (const auto& entry : plain.test.per_set) text += '\n' + entry;
  return text;
}

/// Lets recipes with equal `keys` share a trunk, where there are several.
void share_trunks(std::vector<DenseRecipe>& recipes, const std::vector<std::string>& keys) {
  std::map<std::string, std::vector<size_t>> groups;
  for (size_t i = 0; i < keys.size(); ++i) groups[keys[i]].push_back(i);
  for (const auto& [key, members] : groups) {
    if (members.size() < 2) continue;
    std::vector<DenseOptions> methods;
    std::shared_ptr<const DenseHelper> helper;
    for (const size_t i : members) {
      methods.push_back(recipes[i].options);
      if (recipes[i].helper) helper = recipes[i].helper;
    }
    const auto trunk = std::make_shared<SharedTrunk>(methods);
    for (size_t m = 0; m < members.size(); ++m)
      recipes[members[m]] = {methods[m], helper, trunk, m};
  }
}

/// Tells the trunks on this thread which of their members are scored next.
void want_members(const std::vector<DenseRecipe>& recipes, const std::vector<size_t>& wanted) {
  std::map<std::shared_ptr<SharedTrunk>, std::vector<size_t>> members;
  for (const size_t way : wanted) {
    if (recipes[way].trunk) members[recipes[way].trunk].push_back(recipes[way].member);
  }
  for (const auto& [trunk, of_trunk] : members) trunk->want(of_trunk);
}

}  // namespace

ModelPool::Entry& ModelPool::model(const ModelConfig& config) {
  auto& slot = models_[config.weights];
  if (!slot) {
    auto entry = std::make_unique<Entry>();
    entry->loaded = load_model(config, device_);
    entry->loaded.model->eval();
    entry->checksum = weights_checksum(entry->loaded.model);
    slot = std::move(entry);
  }
  return *slot;
}

DenseRecipe ModelPool::recipe(const ModelConfig& config) {
  const auto options = dense_options(config);
  if (!needs_helper(options)) return {options, nullptr};
  std::string key = config.dense.helper_weights;
  for (const auto* values : {&config.clip_pixel_mean, &config.clip_pixel_std}) {
    for (const double value : *values) key += str(' ', value);
  }
  auto& helper = helpers_[key];
  if (!helper) helper = read_dense_helper(config, device_);
  return {options, helper};
}

Comparison score_ways(const DatasetInfo& info, const std::vector<Way>& ways, ModelPool& pool,
                      Comm& comm, const WaysOptions& options) {
  std::vector<ScoringPlan> plans;
  std::vector<DenseRecipe> recipes;
  std::vector<std::string> trunks;
  for (const Way& way : ways) {
    plans.push_back(protocol_plan(way.config));
    recipes.push_back(pool.recipe(way.config.model));
    trunks.push_back(trunk_of(way, plans.back()));
  }
  share_trunks(recipes, trunks);
  std::vector<EvaluateOptions> evaluations;
  std::vector<BatchScoreFunction> scores;
  for (size_t w = 0; w < ways.size(); ++w) {
    auto& [loaded, checksum] = pool.model(ways[w].config.model);
    auto scoring =
        prepare_scoring(loaded.model, ways[w].config, plans[w], info, comm, recipes[w], checksum);
    auto& evaluation = scoring.options;
    evaluation.predictions = options.folder / folder_name(ways[w].name) / "inference" / info.name;
    evaluation.examples = 0;
    evaluation.limit = options.limit;
    evaluation.among = options.among;
    evaluations.push_back(std::move(evaluation));
    scores.push_back([views = std::move(scoring.views), score = std::move(scoring.score)](
                         const std::vector<Image>& images) { return score(views(images)); });
  }
  DeviceThread device(comm.device());
  const WaysScoreFunction all = [&](const std::vector<Image>& images,
                                    const std::vector<size_t>& wanted) {
    std::vector<std::vector<torch::Tensor>> result;
    device.run([&] {
      want_members(recipes, wanted);
      for (const size_t way : wanted) result.push_back(scores[way](images));
    });
    return result;
  };
  return evaluate_ways(info, all, evaluations, options.contested);
}

}  // namespace pixelclip
