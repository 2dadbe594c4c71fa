#include "config/config.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/log.hpp"
#include "config/lookup.hpp"
#include "config/per_set.hpp"
#include "config/yaml_reader.hpp"

namespace pixelclip {

Config load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  Config config;
  config::Keys collector;
  config.visit(collector);
  const auto keys = collector.take();
  if (!path.empty()) {
    for (const config::RawValue& file : config::read_yaml_chain(path)) {
      config::assign_all(keys, file, config.passed_over);
    }
  }
  return with_overrides(std::move(config), overrides);
}

Config with_overrides(Config config, const std::vector<std::string>& overrides) {
  config::Keys collector;
  config.visit(collector);
  config::assign_overrides(collector.take(), overrides, config.passed_over);
  const auto is_key = [&](const std::string& name) {
    for (size_t i = 0; i < overrides.size(); i += 2) {
      if (overrides[i] == name) return true;
    }
    return false;
  };
  if (is_key("TEST.PER_SET")) return config;
  for (size_t i = 0; i < overrides.size(); i += 2) remove_from_per_set(config, overrides[i]);
  return config;
}

void log_passed_over(const Config& config) {
  const auto& [keys, remarks] = config.passed_over;
  for (const auto& remark : remarks) log::warn(remark);
  if (const auto& crop = config.input.crop; crop.enabled && crop.single_category_max_area < 1) {
    log::warn("INPUT.CROP.SINGLE_CATEGORY_MAX_AREA is ", crop.single_category_max_area,
              ", which has no effect: masks without names have no categories");
  }
  if (keys.empty()) return;
  log::info(keys.size(), keys.size() == 1 ? " key" : " keys",
            " of detectron2 without meaning here ignored (PIXELCLIP_LOG=debug lists them)");
  std::string list;
  for (const auto& key : keys) list += (list.empty() ? "" : ", ") + key;
  log::debug("ignored: ", list);
}

void apply_to_protocol(Config& config, const std::vector<std::string>& overrides) {
  const auto given = [&](const char* key) {
    for (size_t i = 0; i < overrides.size(); i += 2) {
      if (overrides[i] == key) return true;
    }
    return false;
  };
  auto& test = config.test;
  if (given("DATASETS.TEST") && !given("TEST.PROTOCOL") && !config.datasets.test.empty()) {
    test.protocol = config.datasets.test;
  }
  if (given("MODEL.PROMPT_ENSEMBLE_TYPE") && !given("TEST.PROMPT_ENSEMBLE_TYPE")) {
    test.prompt_ensemble_type = config.model.prompt_ensemble_type;
    if (!given("MODEL.PROMPT_TEMPLATES_FILE")) config.model.prompt_templates_file.clear();
  }
  if (given("MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON") && !given("TEST.CLASS_JSON")) {
    test.class_json = config.model.sem_seg_head.test_class_json;
    if (!given("TEST.PER_SET")) remove_from_per_set(config, "TEST.CLASS_JSON");
  }
}

bool scale_to_world(Config& config, int world_size) {
  SolverConfig& solver = config.solver;
  const int64_t reference = solver.reference_world_size;
  if (reference == 0 || reference == world_size) return false;
  if (solver.ims_per_batch % reference != 0) {
    fail("SOLVER.IMS_PER_BATCH is ", solver.ims_per_batch,
         "; expected a multiple of SOLVER.REFERENCE_WORLD_SIZE, which is ", reference);
  }
  const double scale = static_cast<double>(world_size) / static_cast<double>(reference);
  const auto divide = [scale](int64_t& count) {  // ties to even, as Python's round()
    count = static_cast<int64_t>(std::nearbyint(static_cast<double>(count) / scale));
  };
  solver.ims_per_batch = solver.ims_per_batch / reference * world_size;
  solver.base_lr *= scale;
  divide(solver.max_iter);
  divide(solver.warmup_iters);
  divide(config.test.eval_period);
  divide(solver.checkpoint_period);
  std::for_each(solver.steps.begin(), solver.steps.end(), divide);
  solver.reference_world_size = world_size;
  return true;
}

}  // namespace pixelclip
