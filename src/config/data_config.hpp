#pragma once

#include "config/keys.hpp"

namespace pixelclip {

struct CropConfig {
  bool enabled = false;
  std::string type = "relative_range";
  std::vector<double> size = {0.9, 0.9};
  double single_category_max_area = 1.0;

  void visit(config::Keys& key) {
    using namespace config;
    key("ENABLED", enabled, "cut a random window out of each training image");
    key("TYPE", type, "what SIZE means",
        one_of({"absolute", "absolute_range", "relative", "relative_range"}));
    key("SIZE", size, "height and width: pixels (absolute …) or share of the image (relative …)",
        more_than(0, 2));
    key("SINGLE_CATEGORY_MAX_AREA", single_category_max_area,
        "accepted for old files; 1.0 is the only value that means anything without labels",
        between(0, 1));
  }
};

struct InputConfig {
  std::vector<int64_t> min_size_train = {800};
  int64_t max_size_train = 1333;
  std::string min_size_train_sampling = "choice";
  int64_t min_size_test = 800;
  int64_t max_size_test = 1333;
  std::string random_flip = "horizontal";
  CropConfig crop;
  bool color_aug_ssd = false;
  bool strong_aug = false;
  int64_t size_divisibility = -1;
  bool pad_masks = true;
  std::string format = "BGR";
  std::string dataset_mapper_name = "mask_former_semantic";
  bool fast_decode = false;

  void visit(config::Keys& key) {
    using namespace config;
    key("MIN_SIZE_TRAIN", min_size_train, "short side of training images, pixels; one is drawn",
        at_least(1));
    key("MAX_SIZE_TRAIN", max_size_train, "longest long side in training, pixels", at_least(1));
    key("MIN_SIZE_TRAIN_SAMPLING", min_size_train_sampling,
        "draw one of MIN_SIZE_TRAIN, or a number between its two", one_of({"choice", "range"}));
    key("MIN_SIZE_TEST", min_size_test, "short side of test images, pixels; 0: not resized",
        at_least(0));
    key("MAX_SIZE_TEST", max_size_test, "longest long side of test images, pixels", at_least(1));
    key("RANDOM_FLIP", random_flip, "mirror training images with probability ½",
        one_of({"horizontal", "vertical", "none"}));
    key.section("CROP", crop);
    key("COLOR_AUG_SSD", color_aug_ssd, "SSD's colour jitter on the crop");
    key("STRONG_AUG", strong_aug,
        "the student sees a strongly augmented crop, the teacher the plain one");
    key("SIZE_DIVISIBILITY", size_divisibility,
        "accepted for old files, without effect as in the public code: crops of one batch that "
        "differ "
        "are padded to the largest of them");
    key("PAD_MASKS", pad_masks,
        "pad masks as their picture is padded; False stretches them over it as the public code "
        "does");
    key("FORMAT", format, "channel order; the public models are RGB", one_of({"RGB", "BGR"}));
    key("DATASET_MAPPER_NAME", dataset_mapper_name,
        "SamBaselineDatasetMapperJSON reads SA-1B's masks; mask_former_semantic, the default of "
        "old files, which reads "
        "labelled sets in the public code, means the same here",
        one_of({"SamBaselineDatasetMapperJSON", "mask_former_semantic"}));
    key("FAST_DECODE", fast_decode,
        "let libjpeg shrink large JPEGs while decoding; pixels differ a little");
  }
};

struct DatasetsConfig {
  std::vector<std::string> train = {};
  std::vector<std::string> test = {};
  std::string root = "";
  std::string sam_root = "";
  std::string shards = "";
  std::string crowd_regions = "auto";
  bool exif_orientation = true;
  std::vector<CustomDataset> custom = {};

  void visit(config::Keys& key) {
    using namespace config;
    key("TRAIN", train, "training sets by name");
    key("TEST", test, "sets that training scores now and then, by name");
    key("ROOT", root, "folder of the test sets; empty: $DETECTRON2_DATASETS, else `datasets`");
    key("SAM_ROOT", sam_root, "folder of SA-1B; empty: $SAM_DATASETS, else `datasets`");
    key("SHARDS", shards,
        "text file that names what of SA-1B to train on, one a line: tar files, compact shards or "
        "folders, relative to SAM_ROOT; empty: all that lies there");
    key("CROWD_REGIONS", crowd_regions,
        "annotations with iscrowd 1: use them as masks, leave_out, or auto: only COCO's own files "
        "leave "
        "them out",
        one_of({"auto", "use", "leave_out"}));
    key("EXIF_ORIENTATION", exif_orientation,
        "turn pictures as EXIF says, in training and scoring; False: as they are stored");
    key("CUSTOM", custom, "own sets: a list of maps, see below");
  }
};

struct DataloaderConfig {
  int64_t num_workers = 4;
  bool aspect_ratio_grouping = true;
  bool filter_empty_annotations = true;
  double max_bad_samples = 0.01;
  std::string sampler_train = "TrainingSampler";

  void visit(config::Keys& key) {
    using namespace config;
    key("NUM_WORKERS", num_workers, "loader threads a rank; 0: load in the training thread",
        between(0, 1024));
    key("ASPECT_RATIO_GROUPING", aspect_ratio_grouping,
        "each rank's batch holds either pictures wider than high or the others");
    key("FILTER_EMPTY_ANNOTATIONS", filter_empty_annotations,
        "leave out images without any mask; a crop without masks stays");
    key("SAMPLER_TRAIN", sampler_train,
        "how training draws its samples; only TrainingSampler, an endless shuffle, trains here");
    key("MAX_BAD_SAMPLES", max_bad_samples, "share of unreadable samples above which the run stops",
        between(0, 1));
  }
};

}  // namespace pixelclip
