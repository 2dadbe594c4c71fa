#pragma once

#include "config/keys.hpp"

namespace pixelclip {

struct SemSegHeadConfig {
  std::string name = "PixelCLIPHead";
  std::vector<std::string> in_features = {};
  int64_t ignore_value = 255;
  int64_t num_classes = 64;
  std::string train_class_json = "datasets/coco.json";
  std::string test_class_json = "datasets/ade150.json";
  int64_t prompt_length = 0;
  std::string clip_pretrained = "ViT-B/16";
  std::string clip_activation = "auto";
  std::vector<int64_t> clip_heads = {};
  std::string clip_finetune = "attention";

  void visit(config::Keys& key) {
    using namespace config;
    key("NAME", name, "kept for old files", one_of({"PixelCLIPHead"}));
    key("IN_FEATURES", in_features, "accepted for old files, unused");
    key("IGNORE_VALUE", ignore_value, "accepted for old files, unused: each test set has its own");
    key("NUM_CLASSES", num_classes, "learnable clusters K", between(1, 65536));
    key("TRAIN_CLASS_JSON", train_class_json,
        "JSON list of the training classes' names; may be empty");
    key("TEST_CLASS_JSON", test_class_json,
        "JSON list of the names that DATASETS.TEST is scored with");
    key("PROMPT_LENGTH", prompt_length, "learnable tokens a cluster", between(0, 64));
    key("CLIP_PRETRAINED", clip_pretrained,
        "CLIP to start from: a name (ViT-B/16, convnext_base, convnext_large) or a weights file");
    key("CLIP_ACTIVATION", clip_activation,
        "of the CLIP's blocks; auto: as the JSON beside the weights, a published name or the "
        "checkpoint says",
        one_of({"auto", "gelu", "quick_gelu"}));
    key("CLIP_HEADS", clip_heads,
        "attention heads of the image encoder and of the text tower, 0: find out; empty: find out "
        "both",
        between(0, 4096));
    key("CLIP_FINETUNE", clip_finetune,
        "what trains of the image encoder: attention and position parameters, all, names that hold "
        "`conv` or `prompt`, nothing",
        one_of({"attention", "full", "conv", "prompt", "none"}));
  }
};

struct ModelConfig {
  std::string meta_architecture = "PixelCLIP";
  std::string device = "cuda";
  std::string weights = "";
  std::vector<double> pixel_mean = {123.675, 116.280, 103.530};
  std::vector<double> pixel_std = {58.395, 57.120, 57.375};
  std::vector<double> clip_pixel_mean = {122.7709383, 116.7460125, 104.09373615};
  std::vector<double> clip_pixel_std = {68.5005327, 66.6321579, 70.3231630};
  double eps = 100.0;
  bool dino = false;
  std::string dino_weights = "";
  int64_t dino_clusters = 16;
  std::string dino_kmeans = "random";
  int64_t max_masks = 512;
  bool limit_masks = false;
  Size2 clip_resolution = {320, 320};
  Size2 mask_resolution = {256, 256};
  std::string prompt_ensemble_type = "single";
  std::string prompt_templates_file = "";
  double drop_path_rate = 0.1;
  bool teacher_drop_path = true;
  std::string precision = "float32";
  std::string text_precision = "float32";
  SemSegHeadConfig sem_seg_head;

  void visit(config::Keys& key) {
    using namespace config;
    key("META_ARCHITECTURE", meta_architecture, "kept for old files", one_of({"PixelCLIP"}));
    key("DEVICE", device, "cpu, cuda or cuda:N; without a GPU the CPU is used, with a warning");
    key("WEIGHTS", weights, "checkpoint to start from or to score; empty: CLIP_PRETRAINED alone");
    key("PIXEL_MEAN", pixel_mean, "ImageNet mean, RGB in 0–255; DINO's input", exactly(3));
    key("PIXEL_STD", pixel_std, "ImageNet deviation, RGB in 0–255", more_than(0, 3));
    key("CLIP_PIXEL_MEAN", clip_pixel_mean, "CLIP's mean, RGB in 0–255", exactly(3));
    key("CLIP_PIXEL_STD", clip_pixel_std, "CLIP's deviation, RGB in 0–255", more_than(0, 3));
    key("EPS", eps, "factor of the cosines before the assignment's softmax", more_than(0));
    key("DINO", dino,
        "make the training masks by k-means on DINO's features; no annotations are read");
    key("DINO_WEIGHTS", dino_weights,
        "DINO ViT-S/16 weights file; empty: looked for in weights/ and where torch.hub keeps it");
    key("DINO_CLUSTERS", dino_clusters, "masks an image made by k-means", between(1, 4096));
    key("DINO_KMEANS", dino_kmeans,
        "random: as the public code, which starts at random patches and resizes the picture to "
        "whole "
        "patches; plusplus: starts by k-means++, fills emptied clusters anew and cuts the picture",
        one_of({"random", "plusplus"}));
    key("MAX_MASKS", max_masks, "masks of one image, the largest first, where LIMIT_MASKS is on",
        at_least(1));
    key("LIMIT_MASKS", limit_masks,
        "keep only MAX_MASKS masks of an image; the public code has that number and never uses it");
    key("CLIP_RESOLUTION", clip_resolution, "input of the image encoder, pixels",
        between(1, 16384));
    key("MASK_RESOLUTION", mask_resolution, "grid of masks, targets and logits, pixels",
        between(1, 16384));
    key("PROMPT_ENSEMBLE_TYPE", prompt_ensemble_type,
        "templates that class and cluster prompts use",
        one_of({"single", "imagenet_select", "imagenet", "vild"}));
    key("PROMPT_TEMPLATES_FILE", prompt_templates_file,
        "file with one template a line, used instead of PROMPT_ENSEMBLE_TYPE");
    key("DROP_PATH_RATE", drop_path_rate, "stochastic depth of ConvNeXt's last block in training",
        between(0, 0.999));
    key("TEACHER_DROP_PATH", teacher_drop_path,
        "stochastic depth acts in the teacher too, as in the public code");
    key("PRECISION", precision, "of inference", one_of({"float32", "bfloat16"}));
    key("TEXT_PRECISION", text_precision,
        "of the text encoder for class names; the public code has float16 for a ViT on a GPU",
        one_of({"float32", "float16"}));
    key.section("SEM_SEG_HEAD", sem_seg_head);
  }
};

}  // namespace pixelclip
