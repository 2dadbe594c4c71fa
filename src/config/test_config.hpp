#pragma once

#include "config/keys.hpp"

namespace pixelclip {

struct TestAugConfig {
  bool enabled = false;
  std::vector<int64_t> min_sizes = {400, 500, 600, 700, 800, 900, 1000, 1100, 1200};
  int64_t max_size = 4000;
  bool flip = true;

  void visit(config::Keys& key) {
    using namespace config;
    key("ENABLED", enabled, "average over sizes and mirror images");
    key("MIN_SIZES", min_sizes,
        "short sides, pixels; the encoder's input grows by their ratio to MIN_SIZE_TEST",
        at_least(1));
    key("MAX_SIZE", max_size, "longest long side, pixels", at_least(1));
    key("FLIP", flip, "also the mirror image of each size");
  }
};

struct SlidingWindowConfig {
  bool enabled = false;
  Size2 size = {320, 320};
  Size2 stride = {160, 160};
  std::string average = "logits";

  void visit(config::Keys& key) {
    using namespace config;
    key("ENABLED", enabled, "encode overlapping windows of the resized image");
    key("SIZE", size, "of a window, pixels of the resized image", between(1, 16384));
    key("STRIDE", stride, "between windows, pixels", between(1, 16384));
    key("AVERAGE", average, "what is averaged where windows overlap",
        one_of({"logits", "features"}));
  }
};

struct BackgroundConfig {
  std::string mode = "";
  double threshold = 0.1;
  double scale = 100.0;
  std::string words = "datasets/background.json";

  void visit(config::Keys& key) {
    using namespace config;
    key("MODE", mode,
        "how a class called `background` is found: by its name like the others, by the probability "
        "that no other "
        "class reaches, or as the best of many words",
        one_of({"", "threshold", "words"}));
    key("THRESHOLD", threshold, "probability below which a pixel is background", between(0, 1));
    key("SCALE", scale, "factor of the cosines before that softmax", more_than(0));
    key("WORDS", words, "JSON list of what counts as background in mode words");
  }
};

struct PamrConfig {
  int64_t iterations = 10;
  std::vector<int64_t> dilations = {1, 2, 4, 8, 12, 24};

  void visit(config::Keys& key) {
    using namespace config;
    key("ITERATIONS", iterations, "of the refinement", at_least(1));
    key("DILATIONS", dilations, "distances of the eight neighbours, pixels of the encoder's input",
        at_least(1));
  }
};

struct TestConfig {
  int64_t eval_period = 0;
  bool eval_start = false;
  std::string best_metric = "";
  std::vector<std::string> protocol = {"coco_2017_test_stuff_all_sem_seg",
                                       "ade20k_150_test_sem_seg", "context_59_test_sem_seg",
                                       "cityscapes_fine_sem_seg_val", "voc_2012_test_sem_seg"};
  std::string prompt_ensemble_type = "imagenet_select";
  std::string class_json = "";
  std::string rule = "pixelclip";
  bool keep_aspect = false;
  int64_t short_side = 0;
  SlidingWindowConfig sliding_window;
  TestAugConfig aug;
  BackgroundConfig background;
  std::string synonyms = "mean";
  std::string refine = "";
  PamrConfig pamr;
  int64_t batch_size = 0;
  int64_t report_pictures = 3;
  std::string compare = "";
  int64_t vis_images = 0;

  void visit(config::Keys& key) {
    using namespace config;
    key("EVAL_PERIOD", eval_period,
        "iterations between evaluations of DATASETS.TEST; 0: only after the last", at_least(0));
    key("EVAL_START", eval_start, "score the weights before the first step too");
    key("BEST_METRIC", best_metric,
        "keep the checkpoint that is best in this score, for example mIoU");
    key("PROTOCOL", protocol,
        "sets that eval.sh scores; a DATASETS.TEST on its command line replaces them");
    key("PROMPT_ENSEMBLE_TYPE", prompt_ensemble_type,
        "templates that eval.sh scores with; a MODEL.PROMPT_ENSEMBLE_TYPE on its command line "
        "replaces them",
        one_of({"single", "imagenet_select", "imagenet", "vild"}));
    key("CLASS_JSON", class_json,
        "JSON list of names that eval.sh scores every set with; empty: each set's own, or "
        "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON of its command line");
    key("RULE", rule, "how sizes and absent classes are treated", one_of({"pixelclip", "mmseg"}));
    key("KEEP_ASPECT", keep_aspect,
        "encode the image in its own shape instead of CLIP_RESOLUTION's");
    key("SHORT_SIDE", short_side,
        "short side of what the encoder or its windows see, pixels; 0: CLIP_RESOLUTION's with "
        "KEEP_ASPECT, "
        "MIN_SIZE_TEST with SLIDING_WINDOW",
        at_least(0));
    key.section("SLIDING_WINDOW", sliding_window);
    key.section("AUG", aug);
    key.section("BACKGROUND", background);
    key("SYNONYMS", synonyms,
        "score of a class with several names: of their mean embedding, or the best of them",
        one_of({"mean", "max"}));
    key("REFINE", refine, "refine the logits by pixel-adaptive refinement", one_of({"", "pamr"}));
    key.section("PAMR", pamr);
    key("BATCH_SIZE", batch_size, "pictures encoded at once; 0: 1 on a CPU, 8 on a GPU",
        between(0, 1024));
    key("REPORT_PICTURES", report_pictures,
        "best, worst and random pictures of each set that report.html shows; 0: none",
        between(0, 100));
    key("COMPARE", compare,
        "JSON file of results to set beside ours: [{name, source, scores: {set: mIoU}}]");
    key("VIS_IMAGES", vis_images, "validation pictures drawn into a sheet of before and after",
        at_least(0));
  }
};

}  // namespace pixelclip
