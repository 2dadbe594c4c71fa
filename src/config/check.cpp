#include "config/check.hpp"

#include <algorithm>
#include <cmath>

#include "base/device_name.hpp"
#include "base/error.hpp"
#include "config/assign.hpp"
#include "config/class_names.hpp"
#include "config/per_set.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

void need_file(const char* key, const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) fail(key, ": ", path, " is a folder; expected a file");
  if (!fs::exists(path, ignored)) fail(ErrorKind::not_found, key, ": there is no file ", path);
}

void refuse_address(const char* key, const std::string& path) {
  if (path.find("://") == std::string::npos) return;
  const std::string file = path.substr(path.rfind('/') + 1);
  fail(key, " is the address ", path,
       ", but a run downloads nothing: run tools/download_weights.sh weights ", path,
       " and set it to weights/", file.substr(0, file.find('?')));
}

void need_class_names(const char* key, const std::string& path) {
  if (path.empty()) return;
  std::error_code ignored;
  if (!fs::exists(find_data_file(path), ignored)) {
    fail(ErrorKind::not_found, key, ": there is no file ", path, " in ",
         fs::current_path().string(), "; expected a JSON list of class names");
  }
  with_context(key, [&] { read_class_names(path); });
}

/// Whether CLIP_PRETRAINED means a file; names such as ViT-B/16 are looked up by clip/sources.
bool is_weights_path(const std::string& name) {
  const std::string suffix = fs::path(name).extension().string();
  return suffix == ".pt" || suffix == ".pth" || suffix == ".bin" || suffix == ".safetensors";
}

/// A file, or a folder as Hugging Face publishes models or a training leaves.
void need_weights(const char* key, const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return need_file(key, path);
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (is_weights_path(name) || name.ends_with(".index.json") || name == "last_checkpoint") return;
  }
  fail(key, ": ", path, " is a folder; expected a file, or a folder with weights in it");
}

void check_model(const ModelConfig& model, Purpose purpose) {
  if (!parse_device_name(model.device)) {
    fail("MODEL.DEVICE is \"", model.device, "\"; expected cpu, cuda or cuda:N");
  }
  refuse_address("MODEL.WEIGHTS", model.weights);
  if (!model.weights.empty()) need_weights("MODEL.WEIGHTS", model.weights);
  const auto& head = model.sem_seg_head;
  if (head.clip_pretrained.empty() && model.weights.empty()) {
    fail(
        "MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED and MODEL.WEIGHTS are both empty; set one to the CLIP "
        "to "
        "start from");
  }
  if (model.weights.empty())
    refuse_address("MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED", head.clip_pretrained);
  if (is_weights_path(head.clip_pretrained) && model.weights.empty()) {
    need_file("MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED", head.clip_pretrained);
  }
  if (!model.prompt_templates_file.empty()) {
    need_file("MODEL.PROMPT_TEMPLATES_FILE", model.prompt_templates_file);
  }
  need_class_names("MODEL.SEM_SEG_HEAD.TRAIN_CLASS_JSON", head.train_class_json);
  need_class_names("MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", head.test_class_json);
  if (model.dense.method == DenseMethod::proxyclip && model.dense.helper_weights.empty()) {
    fail(
        "MODEL.DENSE.METHOD is proxyclip, but MODEL.DENSE.HELPER_WEIGHTS is empty; name a file of ",
        "DINO or DINOv2, or dino_vitb8");
  }
  if (is_weights_path(model.dense.helper_weights))
    need_file("MODEL.DENSE.HELPER_WEIGHTS", model.dense.helper_weights);
  if (purpose == Purpose::train && model.dino && !model.dino_weights.empty()) {
    need_file("MODEL.DINO_WEIGHTS", model.dino_weights);
  }
}

void check_solver(const SolverConfig& solver, int world_size) {
  if (world_size < 1) fail("the number of ranks is ", world_size, "; expected at least 1");
  const bool divisible = solver.ims_per_batch % world_size == 0 &&
                         solver.ims_per_batch / world_size % solver.accumulate_steps == 0;
  if (!divisible) {
    fail("SOLVER.IMS_PER_BATCH is ", solver.ims_per_batch, "; expected a multiple of ", world_size,
         world_size == 1 ? " rank" : " ranks", " times SOLVER.ACCUMULATE_STEPS, which is ",
         solver.accumulate_steps);
  }
  if (!std::is_sorted(solver.steps.begin(), solver.steps.end())) {
    fail("SOLVER.STEPS must ascend");
  }
  if (solver.nesterov && solver.optimizer == OptimizerType::sgd && solver.momentum == 0) {
    fail("SOLVER.NESTEROV needs a SOLVER.MOMENTUM above 0");
  }
}

void check_crop(const CropConfig& crop) {
  if (!crop.enabled) return;
  const bool pixels = crop.type == CropType::absolute || crop.type == CropType::absolute_range;
  for (const double side : crop.size) {
    if (pixels && (side != std::floor(side) || side > 65536)) {
      fail("INPUT.CROP.SIZE holds ", side, "; INPUT.CROP.TYPE \"", crop.type,
           "\" needs whole pixels up to 65536");
    }
    if (!pixels && side > 1) {
      fail("INPUT.CROP.SIZE holds ", side, "; INPUT.CROP.TYPE \"", crop.type,
           "\" needs shares of the image, at most 1");
    }
  }
  if (crop.type == CropType::absolute_range && crop.size[0] > crop.size[1]) {
    fail("INPUT.CROP.SIZE must ascend when INPUT.CROP.TYPE is \"absolute_range\"");
  }
}

void check_training_input(const Config& config) {
  const InputConfig& input = config.input;
  check_crop(input.crop);
  if (input.min_size_train.empty()) fail("INPUT.MIN_SIZE_TRAIN is empty; expected such as (1024,)");
  const bool range = input.min_size_train_sampling == SizeSampling::range;
  if (range &&
      (input.min_size_train.size() != 2 || input.min_size_train[0] > input.min_size_train[1])) {
    fail(
        "INPUT.MIN_SIZE_TRAIN must be two ascending sizes when INPUT.MIN_SIZE_TRAIN_SAMPLING is "
        "\"range\"");
  }
  if (const auto& sampler = config.dataloader.sampler_train; sampler != "TrainingSampler") {
    fail("DATALOADER.SAMPLER_TRAIN is ", sampler,
         ", which draws other samples; only TrainingSampler is supported",
         did_you_mean(sampler, {"TrainingSampler"}));
  }
  if (config.datasets.train.empty()) {
    fail("DATASETS.TRAIN is empty; name the sets to train on, for example (\"sam_resized\",)");
  }
}

/// What only TEST.SCORES pixels does, and what it does not.
void check_scores(const TestConfig& test) {
  if (test.scores == ScoreGrid::pixels) {
    if (test.aug.enabled)
      fail("TEST.AUG is on, but with TEST.SCORES pixels every image is scored once");
    if (test.background.mode == BackgroundMode::threshold)
      fail("TEST.BACKGROUND.MODE is threshold; with TEST.SCORES pixels expected reject");
    return;
  }
  if (test.background.mode == BackgroundMode::reject || test.background.area > 0 ||
      test.sliding_window.pad > 0) {
    fail("TEST.BACKGROUND.MODE reject, TEST.BACKGROUND.AREA and TEST.SLIDING_WINDOW.PAD need ",
         "TEST.SCORES pixels");
  }
}

void check_test(const Config& config) {
  const TestConfig& test = config.test;
  check_scores(test);
  if (test.aug.enabled && test.aug.min_sizes.empty()) fail("TEST.AUG.MIN_SIZES is empty");
  if (test.background.mode == BackgroundMode::words ||
      test.background.mode == BackgroundMode::reject)
    need_class_names("TEST.BACKGROUND.WORDS", test.background.words);
  need_class_names("TEST.CLASS_JSON", test.class_json);
  if (!test.compare.empty()) need_file("TEST.COMPARE", test.compare);
  const auto& metric = test.best_metric;
  const auto known = {"", "mIoU", "fwIoU", "mACC", "pACC", "IoU"};
  if (std::find(known.begin(), known.end(), metric) == known.end() &&
      metric.find('-') == metric.npos) {
    fail("TEST.BEST_METRIC is ", metric,
         "; expected mIoU, fwIoU, mACC, pACC, or IoU-CLASS and ACC-CLASS of one class");
  }
  const auto& window = test.sliding_window;
  if (window.enabled &&
      (window.stride.height > window.size.height || window.stride.width > window.size.width)) {
    fail(
        "TEST.SLIDING_WINDOW.STRIDE is larger than TEST.SLIDING_WINDOW.SIZE, so that parts of the "
        "image would be left out");
  }
}

/// Files of a set must exist only if `used` names the set.
void check_custom(const std::vector<CustomDataset>& sets, const std::vector<std::string>& used) {
  std::vector<std::string> seen;
  for (const CustomDataset& set : sets) {
    if (std::find(seen.begin(), seen.end(), set.name) != seen.end()) {
      fail("DATASETS.CUSTOM declares the set ", set.name, " twice");
    }
    seen.push_back(set.name);
    if (std::find(used.begin(), used.end(), set.name) == used.end()) continue;
    const std::string key = str("DATASETS.CUSTOM: the set ", set.name);
    std::error_code ignored;
    for (const auto* path : {&set.images, &set.masks, &set.labels}) {
      if (!path->empty() && !fs::exists(*path, ignored))
        fail(ErrorKind::not_found, key, ": there is no ", *path);
    }
    if (!set.names_file.empty()) need_class_names(key.c_str(), set.names_file);
  }
}

}  // namespace

std::vector<std::string> sets_of(const Config& config, Purpose purpose) {
  auto sets = purpose == Purpose::protocol ? config.test.protocol : config.datasets.test;
  if (purpose == Purpose::train)
    sets.insert(sets.end(), config.datasets.train.begin(), config.datasets.train.end());
  return sets;
}

void check(const Config& config, int world_size, Purpose purpose) {
  Config copy = config;
  config::Keys collector;
  copy.visit(collector);
  for (const config::Key& key : collector.take()) config::check_rule(key, "");

  if (config.output_dir.empty()) fail("OUTPUT_DIR is empty; name a folder");
  check_custom(config.datasets.custom, sets_of(config, purpose));
  check_model(config.model, purpose);
  check_test(config);
  for (const auto& set : sets_with_own_keys(config)) check_test(config_for_set(config, set));
  if (purpose == Purpose::train) {
    check_solver(config.solver, world_size);
    check_training_input(config);
  }
}

}  // namespace pixelclip
