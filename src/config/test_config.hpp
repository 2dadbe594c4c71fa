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
        "short sides, pixels; the input of the encoder grows by their ratio to MIN_SIZE_TEST",
        at_least(1));
    key("MAX_SIZE", max_size, "longest long side, pixels", at_least(1));
    key("FLIP", flip, "also average over the mirror image of each size");
  }
};

struct SlidingWindowConfig {
  bool enabled = false;
  Size2 size = {320, 320};
  Size2 stride = {160, 160};
  WindowAverage average = WindowAverage::logits;
  int64_t pad = 0;

  void visit(config::Keys& key) {
    using namespace config;
    key("ENABLED", enabled, "encode overlapping windows of the resized image");
    key("SIZE", size, "size of a window, pixels of the resized image", between(1, 16384));
    key("STRIDE", stride, "distance between windows, pixels", between(1, 16384));
    key("AVERAGE", average, "what is averaged where windows overlap");
    key("PAD", pad,
        "pad each window with the mean color to a multiple of this, pixels, half on each side; 0: "
        "no padding; only with SCORES pixels",
        between(0, 4096));
  }
};

struct BackgroundConfig {
  BackgroundMode mode = BackgroundMode::by_name;
  double threshold = 0.1;
  double scale = 100.0;
  double area = 0.0;
  std::string words = "datasets/background.json";

  void visit(config::Keys& key) {
    using namespace config;
    key("MODE", mode,
        "how the class `background` is found; empty: by its name, as the others; threshold: where "
        "the probability of every other class is below THRESHOLD; words: by the best of the words "
        "in WORDS; reject (only with SCORES pixels): both");
    key("THRESHOLD", threshold, "probability below which a pixel is background", between(0, 1));
    key("SCALE", scale, "factor of the cosines before that softmax", more_than(0));
    key("AREA", area,
        "omit classes that win at most this share of the pixels that are not background; 0: none; "
        "only with SCORES pixels",
        between(0, 1));
    key("WORDS", words,
        "JSON list of the names that count as background in the modes words and reject; empty: "
        "only its own name");
  }
};

/// Whether WORDS stand for the class `background`.
inline bool has_background_words(const BackgroundConfig& background) {
  return background.mode == BackgroundMode::words ||
         (background.mode == BackgroundMode::reject && !background.words.empty());
}

struct PamrConfig {
  int64_t iterations = 10;
  std::vector<int64_t> dilations = {1, 2, 4, 8, 12, 24};

  void visit(config::Keys& key) {
    using namespace config;
    key("ITERATIONS", iterations, "iterations of the refinement", at_least(1));
    key("DILATIONS", dilations, "distances of the eight neighbors, pixels of the encoder's input",
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
  TestRule rule = TestRule::pixelclip;
  ScoreGrid scores = ScoreGrid::cells;
  ImageResize resize = ImageResize::pillow;
  bool keep_aspect = false;
  int64_t short_side = 0;
  SlidingWindowConfig sliding_window;
  TestAugConfig aug;
  BackgroundConfig background;
  SynonymScore synonyms = SynonymScore::mean;
  Refinement refine = Refinement::none;
  PamrConfig pamr;
  int64_t batch_size = 0;
  int64_t report_pictures = 3;
  std::string compare = "";
  int64_t vis_images = 0;
  std::vector<std::string> per_set = {};
  std::string tuned_on = "";

  void visit(config::Keys& key) {
    using namespace config;
    key("EVAL_PERIOD", eval_period,
        "iterations between evaluations of DATASETS.TEST; 0: only after the last iteration",
        at_least(0));
    key("EVAL_START", eval_start, "also evaluate the weights before the first iteration");
    key("BEST_METRIC", best_metric,
        "keep the checkpoint with the best value of this score, for example mIoU");
    key("PROTOCOL", protocol,
        "sets that eval.sh scores; DATASETS.TEST on its command line replaces them");
    key("PROMPT_ENSEMBLE_TYPE", prompt_ensemble_type,
        "templates that eval.sh scores with; MODEL.PROMPT_ENSEMBLE_TYPE on its command line "
        "replaces them",
        one_of({"single", "imagenet_select", "imagenet", "vild"}));
    key("CLASS_JSON", class_json,
        "JSON list of class names that eval.sh uses for every set; empty: the list of each set, or "
        "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON of its command line");
    key("RULE", rule, "rules for image sizes and absent classes");
    key("SCORES", scores,
        "where classes are compared; cells: on 64 cells a side, which the argmax interpolates; "
        "pixels: the cosines of each window are enlarged to its size, averaged, and resized to the "
        "image, as in MMSegmentation");
    key("RESIZE", resize,
        "how images are resized; pillow: with antialiasing; opencv: INTER_LINEAR, without");
    key("KEEP_ASPECT", keep_aspect,
        "keep the aspect ratio of the image instead of that of CLIP_RESOLUTION");
    key("SHORT_SIDE", short_side,
        "short side of the input of the encoder, or of the image that windows are cut from, "
        "pixels; 0: that of CLIP_RESOLUTION with KEEP_ASPECT, MIN_SIZE_TEST with SLIDING_WINDOW",
        at_least(0));
    key.section("SLIDING_WINDOW", sliding_window);
    key.section("AUG", aug);
    key.section("BACKGROUND", background);
    key("SYNONYMS", synonyms,
        "score of a class with several names: that of their mean embedding, or the best of their "
        "scores");
    key("REFINE", refine, "refine the logits by pixel-adaptive refinement (PAMR)");
    key.section("PAMR", pamr);
    key("BATCH_SIZE", batch_size, "images encoded at once; 0: 1 on a CPU, 8 on a GPU",
        between(0, 1024));
    key("REPORT_PICTURES", report_pictures,
        "numbers of best, worst and random images of each set in report.html; 0: none",
        between(0, 100));
    key("COMPARE", compare,
        "JSON file of results to compare with: [{name, source, scores: {set: mIoU}}]");
    key("PER_SET", per_set,
        "keys of TEST that differ for a set, such as \"cityscapes_fine_sem_seg_val TEST.SHORT_SIDE "
        "560\": its name, then KEY VALUE …; the same keys on the command line win");
    key("TUNED_ON", tuned_on,
        "\"SET: …\", the images that chose this configuration, written by `pixelclip tune`; enters "
        "the fingerprint, and scores of that set are marked");
    key("VIS_IMAGES", vis_images, "validation images to draw before and after training",
        at_least(0));
  }
};

}  // namespace pixelclip
