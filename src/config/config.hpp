#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/data_config.hpp"
#include "config/detectron2_keys.hpp"
#include "config/model_config.hpp"
#include "config/solver_config.hpp"
#include "config/test_config.hpp"

namespace pixelclip {

/// Everything a run can be told, with the defaults. MODEL.EPS of the YAML files is `model.eps`.
struct Config {
  ModelConfig model;
  SolverConfig solver;
  InputConfig input;
  DatasetsConfig datasets;
  DataloaderConfig dataloader;
  TestConfig test;
  int64_t seed = -1;
  bool cudnn_benchmark = false;
  std::string output_dir = "./output";
  int64_t version = 2;
  int64_t vis_period = 0;
  double dist_timeout = 1800;
  std::string float32_precision = "";
  config::PassedOver passed_over =
      {};  ///< Keys of detectron2 in the file that have no meaning here; no key itself.

  void visit(config::Keys& key) {
    using namespace config;
    key.section("MODEL", model);
    key.section("SOLVER", solver);
    key.section("INPUT", input);
    key.section("DATASETS", datasets);
    key.section("DATALOADER", dataloader);
    key.section("TEST", test);
    key("SEED", seed, "of every random draw; -1: a new one each run", at_least(-1));
    key("CUDNN_BENCHMARK", cudnn_benchmark, "let cuDNN time its algorithms");
    key("FLOAT32_PRECISION", float32_precision,
        "of float32 products on a GPU: highest is exact, the others use TensorFloat-32; empty: "
        "high",
        one_of({"", "highest", "high", "medium"}));
    key("OUTPUT_DIR", output_dir, "folder for checkpoints, logs and scores");
    key("VERSION", version, "of the file format", between(2, 2));
    key("VIS_PERIOD", vis_period, "iterations between pictures in the TensorBoard files; 0: none",
        at_least(0));
    key("DIST_TIMEOUT", dist_timeout,
        "seconds that one operation among the processes may last before the run stops",
        more_than(0));
  }
};

/// The defaults, then the `_BASE_` chain and the file at `path`, then `overrides` (KEY VALUE KEY
/// VALUE …, values in YAML or Python form). An empty path: defaults and overrides alone. Errors:
/// unknown key, wrong type, value out of range, broken YAML; each names file, line and column.
Config load_config(const std::filesystem::path& path,
                   const std::vector<std::string>& overrides = {});

/// Says in one line how many keys of detectron2 were passed over, lists them at debug level, and
/// warns of those that were set to act though nothing here or in the public PixelCLIP reads them.
void log_passed_over(const Config& config);

/// Lets what `overrides` (KEY VALUE …, as given to load_config) say of DATASETS.TEST,
/// MODEL.PROMPT_ENSEMBLE_TYPE and MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON hold for TEST.PROTOCOL,
/// TEST.PROMPT_ENSEMBLE_TYPE and TEST.CLASS_JSON, as arguments at the end of the public eval.sh
/// replace its own. A key of TEST that is overridden too wins; an empty DATASETS.TEST changes
/// nothing.
void apply_to_protocol(Config& config, const std::vector<std::string>& overrides);

/// When SOLVER.REFERENCE_WORLD_SIZE is not 0: scales batch and learning rate by `world_size` /
/// REFERENCE_WORLD_SIZE and divides MAX_ITER, WARMUP_ITERS, STEPS, TEST.EVAL_PERIOD and
/// CHECKPOINT_PERIOD by it, as detectron2's DefaultTrainer.auto_scale_workers. Returns whether it
/// did. Errors: the batch does not divide by REFERENCE_WORLD_SIZE.
bool scale_to_world(Config& config, int world_size);

/// Every key with its value; load_config of that text gives the same Config.
std::string to_yaml(const Config& config);

/// What a run is about to do: train, score DATASETS.TEST, or score TEST.PROTOCOL. Scoring alone
/// needs neither the batch nor the training masks' source.
enum class Purpose { train, evaluate, protocol };

/// The data sets that a run uses.
std::vector<std::string> sets_of(const Config& config, Purpose purpose);

/// Checks what one key alone does not show, before data or model are touched: files exist, class
/// lists parse, the batch divides by world_size × ACCUMULATE_STEPS … Errors name the key.
void check(const Config& config, int world_size = 1, Purpose purpose = Purpose::train);

/// Markdown of every key: default, what it accepts, meaning.
std::string config_reference();

/// The names in a JSON list ["wall", …] or map {"0": "wall", …} with the keys 0 … n − 1; a list in
/// place of a name holds synonyms, which come back joined by ", ". A relative path that does not
/// exist is looked for in the source tree as well. Errors: missing, not such a list, empty names.
std::vector<std::string> read_class_names(const std::filesystem::path& path);

/// The path itself, or its place in the source tree when only that exists.
std::filesystem::path find_data_file(const std::filesystem::path& path);

}  // namespace pixelclip
