#include "pixelclip/engine/scoring.hpp"

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/signal.hpp"
#include "pixelclip/data/catalog.hpp"
#include "pixelclip/image/resize.hpp"
#include "pixelclip/text/prompts.hpp"

namespace pixelclip {
namespace {

std::vector<std::string> names_for(const ScoringPlan& plan, const DatasetInfo& info) {
  if (plan.class_json.empty()) return class_names(info);
  auto names = read_class_names(plan.class_json);
  if (info.classes > 0 && static_cast<int>(names.size()) != info.classes) {
    fail(plan.class_json, " holds ", names.size(), " names, but the labels of ", info.name, " have ",
         info.classes, " classes: set MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON to ", info.class_json.string());
  }
  return names;
}

}  // namespace

ScoringPlan test_plan(const Config& config) {
  return {config.datasets.test, config.model.sem_seg_head.test_class_json, class_templates(config.model)};
}

ScoringPlan protocol_plan(const Config& config) {
  const auto& file = config.model.prompt_templates_file;
  return {config.test.protocol, "", templates(file.empty() ? config.test.prompt_ensemble_type : file)};
}

torch::Tensor to_tensor(const Image& rgb, const std::string& format) {
  const auto pixels = torch::from_blob(const_cast<uint8_t*>(rgb.pixels.data()),
                                       {rgb.height, rgb.width, rgb.channels}, torch::kUInt8);
  return (format == "BGR" ? pixels.flip(2) : pixels).permute({2, 0, 1}).contiguous();
}

ScoreFunction score_function(PixelCLIP& model, const Config& config, const torch::Tensor& classes) {
  return [model, config, classes](const Image& rgb) mutable {
    auto image = to_tensor(rgb, config.input.format);
    if (config.input.min_size_test > 0) {
      const auto [height, width] = shortest_edge_size(rgb.height, rgb.width, config.input.min_size_test,
                                                      config.input.max_size_test);
      image = to_tensor(resize_bilinear(rgb, height, width), config.input.format);
    }
    return model->class_scores(image, classes).to(torch::kCPU);
  };
}

std::vector<SetResult> score_sets(PixelCLIP& model, const Config& config, const ScoringPlan& plan, Comm& comm,
                                  const std::filesystem::path& output, bool folder_per_set) {
  const bool was_training = model->is_training();
  model->eval();
  const Catalog catalog(config.datasets);
  std::vector<SetResult> results;
  std::string absent;
  for (const auto& set : plan.sets) {
    const auto& info = catalog.find(set);
    std::string why;
    if (!on_disk(info, &why)) {
      log::warn("leaving out ", set, ": ", why);
      absent = why;
      continue;
    }
    EvaluateOptions options;
    options.names = names_for(plan, info);
    options.predictions = folder_per_set ? output / "inference" / set : output / "inference";
    options.rule = config.test.rule;
    options.rank = comm.rank();
    options.world_size = comm.world_size();
    options.all_reduce = [&comm](torch::Tensor& counts) { comm.all_reduce(counts, "the scores' counts"); };
    const auto classes = model->class_embeddings(options.names, plan.templates);
    results.push_back(evaluate(info, score_function(model, config, classes), options));
    if (comm.is_main()) log::info(copypaste_lines(results.back()));
    if (signals::stop_requested()) break;
  }
  model->train(was_training);
  if (results.empty()) fail("none of the sets to score is on disk: ", absent);
  if (comm.is_main()) log::info("results\n", results_table(results));
  return results;
}

}  // namespace pixelclip
