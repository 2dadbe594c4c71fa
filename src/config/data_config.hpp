#pragma once

#include "config/keys.hpp"

namespace pixelclip {

struct CropConfig {
  bool enabled = false;
  CropType type = CropType::relative_range;
  std::vector<double> size = {0.9, 0.9};
  double single_category_max_area = 1.0;

  void visit(config::Keys& key) {
    using namespace config;
    key("ENABLED", enabled, "crop training images at random");
    key("TYPE", type, "meaning of SIZE");
    key("SIZE", size,
        "height and width: pixels (absolute …) or fractions of the image (relative …)",
        more_than(0, 2));
    key("SINGLE_CATEGORY_MAX_AREA", single_category_max_area,
        "accepted for old files; without labels only 1.0 has a meaning", between(0, 1));
  }
};

struct InputConfig {
  std::vector<int64_t> min_size_train = {800};
  int64_t max_size_train = 1333;
  SizeSampling min_size_train_sampling = SizeSampling::choice;
  int64_t min_size_test = 800;
  int64_t max_size_test = 1333;
  Flip random_flip = Flip::horizontal;
  CropConfig crop;
  bool color_aug_ssd = false;
  bool strong_aug = false;
  int64_t size_divisibility = -1;
  bool pad_masks = true;
  ChannelOrder format = ChannelOrder::bgr;
  std::string dataset_mapper_name = "mask_former_semantic";
  bool fast_decode = false;

  void visit(config::Keys& key) {
    using namespace config;
    key("MIN_SIZE_TRAIN", min_size_train, "short sides of training images, pixels; one is drawn",
        at_least(1));
    key("MAX_SIZE_TRAIN", max_size_train, "longest long side in training, pixels", at_least(1));
    key("MIN_SIZE_TRAIN_SAMPLING", min_size_train_sampling,
        "draw one of MIN_SIZE_TRAIN, or a number between its two values");
    key("MIN_SIZE_TEST", min_size_test, "short side of test images, pixels; 0: not resized",
        at_least(0));
    key("MAX_SIZE_TEST", max_size_test, "longest long side of test images, pixels", at_least(1));
    key("RANDOM_FLIP", random_flip, "flip training images with probability ½");
    key.section("CROP", crop);
    key("COLOR_AUG_SSD", color_aug_ssd, "apply SSD's color jitter to the crop");
    key("STRONG_AUG", strong_aug,
        "augment the student's crop strongly; the teacher's crop stays plain");
    key("SIZE_DIVISIBILITY", size_divisibility,
        "accepted for old files, without effect as in the public code: the crops of a batch are "
        "padded to the largest of them");
    key("PAD_MASKS", pad_masks,
        "pad masks as their image is padded; False stretches them over the padded image, as the "
        "public code");
    key("FORMAT", format, "channel order; the public models use RGB");
    key("DATASET_MAPPER_NAME", dataset_mapper_name,
        "SamBaselineDatasetMapperJSON reads SA-1B masks; mask_former_semantic, the default of old "
        "files, reads labeled sets in the public code and means the same here",
        one_of({"SamBaselineDatasetMapperJSON", "mask_former_semantic"}));
    key("FAST_DECODE", fast_decode,
        "let libjpeg downscale large JPEGs while decoding; pixels differ slightly");
  }
};

struct DatasetsConfig {
  std::vector<std::string> train = {};
  std::vector<std::string> test = {};
  std::string root = "";
  std::string sam_root = "";
  std::string shards = "";
  CrowdRegions crowd_regions = CrowdRegions::automatic;
  bool exif_orientation = true;
  std::vector<CustomDataset> custom = {};

  void visit(config::Keys& key) {
    using namespace config;
    key("TRAIN", train, "names of the training sets");
    key("TEST", test, "names of the sets that are scored during training");
    key("ROOT", root, "folder of the test sets; empty: $DETECTRON2_DATASETS, else `datasets`");
    key("SAM_ROOT", sam_root, "folder of SA-1B; empty: $SAM_DATASETS, else `datasets`");
    key("SHARDS", shards,
        "text file that lists the parts of SA-1B to train on, one in each line: tar files, compact "
        "shards or folders, relative to SAM_ROOT; empty: everything in SAM_ROOT");
    key("CROWD_REGIONS", crowd_regions,
        "annotations with iscrowd 1: use them as masks, leave_out, or auto: left out in COCO's own "
        "files only");
    key("EXIF_ORIENTATION", exif_orientation,
        "rotate images as EXIF says, in training and scoring; False: keep them as stored");
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
    key("NUM_WORKERS", num_workers, "loader threads of a rank; 0: load in the training thread",
        between(0, 1024));
    key("ASPECT_RATIO_GROUPING", aspect_ratio_grouping,
        "a batch of a rank holds either images wider than high or only others");
    key("FILTER_EMPTY_ANNOTATIONS", filter_empty_annotations,
        "leave out images without any mask; a crop without masks is kept");
    key("SAMPLER_TRAIN", sampler_train,
        "sampler of training; only TrainingSampler, an endless shuffle, is supported");
    key("MAX_BAD_SAMPLES", max_bad_samples,
        "fraction of unreadable samples above which the run stops", between(0, 1));
  }
};

}  // namespace pixelclip
