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

/// The configuration of a run, with the defaults. MODEL.EPS of the YAML files is `model.eps`.
struct Config {
  ModelConfig model;
  SolverConfig solver;
  InputConfig input;
  DatasetsConfig datasets;
  DataloaderConfig dataloader;
  TestConfig test;
  int64_t seed = -1;
  bool cudnn_benchmark = false;
  bool deterministic = false;
  std::string output_dir = "./output";
  int64_t version = 2;
  int64_t vis_period = 0;
  double dist_timeout = 1800;
  MatmulPrecision float32_precision = MatmulPrecision::unset;
  config::PassedOver passed_over =
      {};  ///< detectron2 keys of the file without meaning here; not a key itself

  void visit(config::Keys& key) {
    using namespace config;
    key.section("MODEL", model);
    key.section("SOLVER", solver);
    key.section("INPUT", input);
    key.section("DATASETS", datasets);
    key.section("DATALOADER", dataloader);
    key.section("TEST", test);
    key("SEED", seed, "seed of all random draws; -1: a new one for each run", at_least(-1));
    key("CUDNN_BENCHMARK", cudnn_benchmark, "let cuDNN measure and choose its algorithms");
    key("DETERMINISTIC", deterministic,
        "let a GPU use deterministic algorithms alone, so that a run repeats bit for bit; slower");
    key("FLOAT32_PRECISION", float32_precision,
        "precision of float32 matrix products on a GPU; highest is exact, the others use "
        "TensorFloat-32; empty: high");
    key("OUTPUT_DIR", output_dir, "folder for checkpoints, logs and scores");
    key("VERSION", version, "version of the file format", between(2, 2));
    key("VIS_PERIOD", vis_period, "iterations between images in the TensorBoard files; 0: none",
        at_least(0));
    key("DIST_TIMEOUT", dist_timeout, "seconds after which a collective operation stops the run",
        more_than(0));
  }
};

/// The defaults, then the `_BASE_` chain and the file at `path`, then `overrides` (KEY VALUE KEY
/// VALUE …, values in YAML or Python form). An empty path: defaults and overrides alone. Errors:
/// unknown key, wrong type, value out of range, broken YAML; each names file, line and column.
Config load_config(const std::filesystem::path& path,
                   const std::vector<std::string>& overrides = {});

/// `config` with overrides applied as load_config applies them to a file. TEST.PER_SET does not
/// change keys that they set, unless they set it too.
Config with_overrides(Config config, const std::vector<std::string>& overrides);

/// Logs the number of ignored detectron2 keys in one line, lists them at debug level, and warns of
/// those that are set to have an effect although neither this program nor the public PixelCLIP
/// reads them.
void log_passed_over(const Config& config);

/// Applies the overrides (KEY VALUE …, as given to load_config) of DATASETS.TEST,
/// MODEL.PROMPT_ENSEMBLE_TYPE and MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON to TEST.PROTOCOL,
/// TEST.PROMPT_ENSEMBLE_TYPE and TEST.CLASS_JSON, as arguments at the end of the public eval.sh
/// replace its own. An override of the TEST key has precedence; an empty DATASETS.TEST has no
/// effect.
void apply_to_protocol(Config& config, const std::vector<std::string>& overrides);

/// If SOLVER.REFERENCE_WORLD_SIZE is not 0, multiplies batch size and learning rate by `world_size`
/// / REFERENCE_WORLD_SIZE and divides MAX_ITER, WARMUP_ITERS, STEPS, TEST.EVAL_PERIOD and
/// CHECKPOINT_PERIOD by it, as detectron2's DefaultTrainer.auto_scale_workers. Returns whether
/// anything was scaled. Errors: REFERENCE_WORLD_SIZE does not divide the batch size.
bool scale_to_world(Config& config, int world_size);

}  // namespace pixelclip
