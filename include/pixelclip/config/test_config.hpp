#pragma once

#include "pixelclip/config/keys.hpp"

namespace pixelclip {

struct TestAugConfig {
  bool enabled = false;
  std::vector<int64_t> min_sizes = {400, 500, 600, 700, 800, 900, 1000, 1100, 1200};
  int64_t max_size = 4000;
  bool flip = true;

  void visit(config::Keys& key) {
    using namespace config;
    key("ENABLED", enabled, "average over sizes and mirror images");
    key("MIN_SIZES", min_sizes, "short sides, pixels", at_least(1));
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

struct TestConfig {
  int64_t eval_period = 0;
  bool eval_start = false;
  std::string best_metric = "";
  std::vector<std::string> protocol = {"coco_2017_test_stuff_all_sem_seg",
                                       "ade20k_150_test_sem_seg", "context_59_test_sem_seg",
                                       "cityscapes_fine_sem_seg_val", "voc_2012_test_sem_seg"};
  std::string prompt_ensemble_type = "imagenet_select";
  std::string rule = "pixelclip";
  bool keep_aspect = false;
  SlidingWindowConfig sliding_window;
  TestAugConfig aug;
  std::string refine = "";
  int64_t vis_images = 0;

  void visit(config::Keys& key) {
    using namespace config;
    key("EVAL_PERIOD", eval_period, "iterations between evaluations of DATASETS.TEST; 0: none",
        at_least(0));
    key("EVAL_START", eval_start, "score the weights before the first step too");
    key("BEST_METRIC", best_metric,
        "keep the checkpoint that is best in this score, for example mIoU");
    key("PROTOCOL", protocol, "sets that eval.sh scores");
    key("PROMPT_ENSEMBLE_TYPE", prompt_ensemble_type, "templates that eval.sh scores with",
        one_of({"single", "imagenet_select", "imagenet", "vild"}));
    key("RULE", rule, "how sizes and absent classes are treated", one_of({"pixelclip", "mmseg"}));
    key("KEEP_ASPECT", keep_aspect,
        "encode the image in its own shape instead of CLIP_RESOLUTION's");
    key.section("SLIDING_WINDOW", sliding_window);
    key.section("AUG", aug);
    key("REFINE", refine, "refine the logits by pixel-adaptive refinement", one_of({"", "pamr"}));
    key("VIS_IMAGES", vis_images, "validation pictures drawn into a sheet of before and after",
        at_least(0));
  }
};

}  // namespace pixelclip
