#include "engine/scoring.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/log.hpp"
#include "config/class_names.hpp"
#include "config/per_set.hpp"
#include "data/catalog.hpp"
#include "data/doctor.hpp"
#include "engine/protocol.hpp"
#include "engine/text_cache.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"
#include "modeling/dense_recipe.hpp"
#include "nn/device_thread.hpp"
#include "text/clean.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// The class list of a set: the one of `own`, which is `test` with the keys of TEST.PER_SET, where
/// they differ; else the plan's, else the set's.
std::vector<std::string> names_for(const ScoringPlan& plan, const TestConfig& test,
                                   const TestConfig& own, const DatasetInfo& info) {
  const auto& file = own.class_json != test.class_json ? own.class_json : plan.class_json;
  if (file.empty()) return class_names(info);
  auto names = read_class_names(file);
  if (info.classes > 0 && static_cast<int>(names.size()) != info.classes) {
    fail(file, " holds ", names.size(), " names, but the labels of ", info.name, " have ",
         info.classes, " classes: set MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON to ",
         info.class_json.string());
  }
  return names;
}

/// The templates of a set: those that TEST.PER_SET names for it in `own`, else the plan's.
std::vector<std::string> templates_for(const ScoringPlan& plan, const TestConfig& test,
                                       const TestConfig& own) {
  const auto& type = own.prompt_ensemble_type;
  return type == test.prompt_ensemble_type ? plan.templates : templates(type);
}

std::vector<ComparedRow> compared_in(const TestConfig& test) {
  return test.compare.empty() ? std::vector<ComparedRow>() : read_compared(test.compare);
}

/// Two classes of one name have equal scores, so the first always wins.
void warn_of_doubles(const std::vector<std::string>& names, const std::string& set) {
  std::map<std::string, size_t> seen;
  for (size_t c = 0; c < names.size(); ++c) {
    const auto [first, fresh] = seen.emplace(clean_text(names[c]), c);
    if (!fresh) {
      log::warn(set, ": the class list names \"", shown_name(names[c]), "\" twice, as classes ",
                first->second, " and ", c, ": no pixel is ever given to the second");
    }
  }
}

/// What all sets of a call share.
EvaluateOptions common_options(PixelCLIP& model, int64_t batch_size, Comm& comm) {
  const bool gpu = model->device().is_cuda();
  EvaluateOptions options;
  options.threads = at::get_num_threads();  // this rank's share of the cores
  options.batch = static_cast<int>(batch_size > 0 ? batch_size : gpu ? 8 : 1);
  options.keep_progress = true;
  options.rank = comm.rank();
  options.world_size = comm.world_size();
  options.all_reduce = [&comm](torch::Tensor& counts) {
    comm.all_reduce(counts, "the scores' counts");
  };
  return options;
}

/// The scores under detectron2's names, as its evaluator saves them.
Dict to_dict(const Results& scores) {
  Dict dict;
  for (const auto& [name, value] : scores) dict.set(name, value);
  return dict;
}

}  // namespace

ScoringPlan test_plan(const Config& config) {
  return {.sets = config.datasets.test,
          .class_json = config.model.sem_seg_head.test_class_json,
          .templates = class_templates(config.model),
          .compared = compared_in(config.test)};
}

ScoringPlan protocol_plan(const Config& config) {
  if (config.test.protocol.empty()) fail("TEST.PROTOCOL is empty: name the sets to score");
  const auto& file = config.model.prompt_templates_file;
  return {.sets = config.test.protocol,
          .class_json = config.test.class_json,
          .templates = templates(file.empty() ? config.test.prompt_ensemble_type : file),
          .examples = static_cast<int>(config.test.report_pictures),
          .compared = compared_in(config.test)};
}

std::vector<std::string> check_plan(const Config& config, const ScoringPlan& plan) {
  const Catalog catalog(config.datasets);
  std::vector<std::string> first;
  std::string unfit;
  for (const auto& set : plan.sets) {
    const auto& info = catalog.find(set);
    std::string why;
    if (!on_disk(info, &why)) continue;
    try {
      const auto names = names_for(plan, config.test, config_for_set(config, set).test, info);
      if (first.empty()) first = names;
    } catch (const Error& e) {
      if (plan.sets.size() == 1) throw;
      unfit = e.what();
    }
  }
  if (first.empty() && !unfit.empty()) fail("none of the sets can be scored: ", unfit);
  return first;
}

SetScoring prepare_scoring(PixelCLIP& model, const Config& config, const ScoringPlan& plan,
                           const DatasetInfo& info, Comm& comm, const DenseRecipe& recipe,
                           const std::string& weights) {
  const Config own = config_for_set(config, info.name);
  SetScoring scoring{.options = common_options(model, config.test.batch_size, comm)};
  scoring.options.weights = weights;
  scoring.options.examples = plan.examples;
  scoring.options.rule = own.test.rule;
  const auto own_templates = templates_for(plan, config.test, own.test);
  scoring.options.protocol = protocol_text(own, own_templates, recipe.helper.get());
  scoring.options.names = names_for(plan, config.test, own.test, info);
  const auto embed = [&](const std::vector<std::string>& names) {
    return cached_class_embeddings(model, names, own_templates,
                                   fs::path(config.output_dir) / "class_embeddings",
                                   comm.is_main());
  };
  scoring.views = [own, device = model->device()](const std::vector<Image>& images) {
    return views_of(images, own.input, own.test, own.model.clip_resolution, device);
  };
  scoring.score = [bank = class_bank(scoring.options.names, own.test, embed),
                   scorer = std::make_shared<ClassScorer>(model, own.model, own.test, recipe)](
                      ViewBatch views) {
    return (*scorer)(upload(std::move(views), bank.embeddings.device()), bank);
  };
  return scoring;
}

std::vector<SetResult> score_sets(PixelCLIP& model, const Config& config, const ScoringPlan& plan,
                                  Comm& comm, const fs::path& output, bool folder_per_set,
                                  const ResultsFunction& after_each) {
  if (plan.sets.empty()) return {};
  if (plan.plain_clip && comm.is_main()) log::info("scoring CLIP before training");
  const bool was_training = model->is_training();
  model->eval();
  const Catalog catalog(config.datasets);
  for (const auto& set : sets_with_own_keys(config)) catalog.find(set);  // refuses unknown names
  const auto recipe = dense_recipe(config.model, model->device());
  const auto weights = weights_checksum(model);
  DeviceThread device(model->device());
  std::vector<SetResult> results;
  std::vector<fs::path> folders;
  std::string unfit;
  for (const auto& set : plan.sets) {
    const auto& info = catalog.find(set);
    std::string why;
    if (!on_disk(info, &why)) {
      log::warn("skipping ", set, ": ", why);
      unfit = why;
      continue;
    }
    SetScoring scoring;
    try {
      scoring = prepare_scoring(model, config, plan, info, comm, recipe, weights);
    } catch (const Error& e) {
      if (plan.sets.size() == 1) throw;  // of several sets, those that the list fits are scored
      log::warn("skipping ", set, ": ", e.what());
      unfit = e.what();
      continue;
    }
    EvaluateOptions& options = scoring.options;
    if (comm.is_main()) {
      warn_of_doubles(options.names, set);
      check_briefly(info, options.names);
    }
    options.predictions = folder_per_set ? output / "inference" / set : output / "inference";
    const BatchScoreFunction scores = [&](const std::vector<Image>& images) {
      auto views = scoring.views(images);
      std::vector<torch::Tensor> scored;
      device.run([&] { scored = scoring.score(std::move(views)); });
      return scored;
    };
    results.push_back(evaluate(info, scores, options));
    results.back().plain_clip = plan.plain_clip;
    if (("; " + config.test.tuned_on).find("; " + set + ":") != std::string::npos) {
      results.back().note = "images of this set chose the configuration";
      if (comm.is_main()) log::warn(set, ": ", results.back().note, " (TEST.TUNED_ON)");
    }
    folders.push_back(options.predictions);
    if (comm.is_main()) {
      write_confusion(options.predictions / "confusion.csv", results.back());
      write_torch_file(options.predictions / "sem_seg_evaluation.pth",
                       to_dict(results.back().scores));
      log::info(copypaste_lines(results.back()));
      if (after_each) after_each(results);
    }
    if (!results.back().complete) break;  // the same on every rank
  }
  model->train(was_training);
  if (results.empty()) fail("none of the sets can be scored: ", unfit);
  if (comm.is_main()) {
    log::info("results\n", results_table(results, plan.compared));
  }
  if (comm.is_main() && results.back().complete)
    std::for_each(folders.begin(), folders.end(), forget_progress);
  return results;
}

}  // namespace pixelclip
