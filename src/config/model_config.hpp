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
  Finetune clip_finetune = Finetune::attention;

  void visit(config::Keys& key) {
    using namespace config;
    key("NAME", name, "accepted for old files", one_of({"PixelCLIPHead"}));
    key("IN_FEATURES", in_features, "accepted for old files, without effect");
    key("IGNORE_VALUE", ignore_value,
        "accepted for old files, without effect: each test set has its own");
    key("NUM_CLASSES", num_classes, "number K of learnable clusters", between(1, 65536));
    key("TRAIN_CLASS_JSON", train_class_json,
        "JSON list of the names of the training classes; may be empty");
    key("TEST_CLASS_JSON", test_class_json,
        "JSON list of the class names for scoring DATASETS.TEST");
    key("PROMPT_LENGTH", prompt_length, "learnable tokens of a cluster", between(0, 64));
    key("CLIP_PRETRAINED", clip_pretrained,
        "CLIP to start from: a name (ViT-B/16, convnext_base, convnext_large) or a weights file");
    key("CLIP_ACTIVATION", clip_activation,
        "activation of CLIP's blocks; auto: that of the JSON file beside the weights, of the "
        "published name or of the checkpoint",
        one_of({"auto", "gelu", "quick_gelu"}));
    key("CLIP_HEADS", clip_heads,
        "attention heads of the image encoder and of the text encoder, 0: detect; empty: detect "
        "both",
        between(0, 4096));
    key("CLIP_FINETUNE", clip_finetune,
        "parameters of the image encoder that train: attention and position parameters, all, names "
        "that contain `conv` or `prompt`, none");
  }
};

struct DenseConfig {
  DenseMethod method = DenseMethod::pixelclip;
  DenseForm form = DenseForm::automatic;
  double std = 5.0;
  double beta = 1.2;
  double gamma = 3.0;
  std::string helper_weights = "";

  void visit(config::Keys& key) {
    using namespace config;
    key("METHOD", method,
        "what the last block of a ViT does in scoring and inference (docs/methods.md); training "
        "always uses pixelclip");
    key("FORM", form,
        "what the last block keeps beside its attention: full: residual and MLP; reduced: nothing; "
        "class_token: as full, with the class token as residual; empty: as in the method's "
        "publication");
    key("STD", std, "standard deviation of naclip's Gaussian window, patches", more_than(0));
    key("BETA", beta, "proxyclip: similarities below BETA times their mean are ignored");
    key("GAMMA", gamma, "proxyclip: factor of the similarities before the softmax", more_than(0));
    key("HELPER_WEIGHTS", helper_weights,
        "proxyclip: DINO or DINOv2 weights, a file or a name such as dino_vitb8 "
        "(docs/methods.md)");
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
  KmeansStart dino_kmeans = KmeansStart::random;
  int64_t max_masks = 512;
  bool limit_masks = false;
  Size2 clip_resolution = {320, 320};
  Size2 mask_resolution = {256, 256};
  std::string prompt_ensemble_type = "single";
  std::string prompt_templates_file = "";
  double drop_path_rate = 0.1;
  bool teacher_drop_path = true;
  bool depthwise_channels_last = true;
  FloatType precision = FloatType::float32;
  FloatType text_precision = FloatType::float32;
  DenseConfig dense;
  SemSegHeadConfig sem_seg_head;

  void visit(config::Keys& key) {
    using namespace config;
    key("META_ARCHITECTURE", meta_architecture, "accepted for old files", one_of({"PixelCLIP"}));
    key("DEVICE", device, "cpu, cuda or cuda:N; without a GPU the CPU is used, with a warning");
    key("WEIGHTS", weights, "checkpoint to start from or to score; empty: only CLIP_PRETRAINED");
    key("PIXEL_MEAN", pixel_mean, "ImageNet mean, RGB in 0–255, for DINO", exactly(3));
    key("PIXEL_STD", pixel_std, "ImageNet standard deviation, RGB in 0–255, for DINO",
        more_than(0, 3));
    key("CLIP_PIXEL_MEAN", clip_pixel_mean, "CLIP's mean, RGB in 0–255", exactly(3));
    key("CLIP_PIXEL_STD", clip_pixel_std, "CLIP's standard deviation, RGB in 0–255",
        more_than(0, 3));
    key("EPS", eps, "factor of the cosines before the assignment's softmax", more_than(0));
    key("DINO", dino,
        "compute the training masks by k-means on DINO features; annotations are not read");
    key("DINO_WEIGHTS", dino_weights,
        "weights file of DINO ViT-S/16; empty: search weights/ and the folder of torch.hub");
    key("DINO_CLUSTERS", dino_clusters, "k-means masks of an image", between(1, 4096));
    key("DINO_KMEANS", dino_kmeans,
        "random: start at random patches and resize the image to whole patches, as the public "
        "code; plusplus: start by k-means++, refill empty clusters and crop the image");
    key("MAX_MASKS", max_masks,
        "largest number of masks of an image with LIMIT_MASKS; the largest masks are kept",
        at_least(1));
    key("LIMIT_MASKS", limit_masks,
        "keep only MAX_MASKS masks of an image; the public code defines this number without using "
        "it");
    key("CLIP_RESOLUTION", clip_resolution, "input size of the image encoder, pixels",
        between(1, 16384));
    key("MASK_RESOLUTION", mask_resolution, "size of masks, targets and logits, pixels",
        between(1, 16384));
    key("PROMPT_ENSEMBLE_TYPE", prompt_ensemble_type, "templates of class and cluster prompts",
        one_of({"single", "imagenet_select", "imagenet", "vild"}));
    key("PROMPT_TEMPLATES_FILE", prompt_templates_file,
        "text file with one template in each line, used instead of PROMPT_ENSEMBLE_TYPE");
    key("DROP_PATH_RATE", drop_path_rate,
        "stochastic depth of the last block of ConvNeXt in training", between(0, 0.999));
    key("TEACHER_DROP_PATH", teacher_drop_path,
        "use stochastic depth in the teacher too, as the public code");
    key("DEPTHWISE_CHANNELS_LAST", depthwise_channels_last,
        "memory layout of ConvNeXt's depthwise convolutions: channels last, else channel by "
        "channel");
    key("PRECISION", precision, "floating-point type of inference",
        one_of({"float32", "bfloat16"}));
    key("TEXT_PRECISION", text_precision,
        "floating-point type of the text encoder for class names; the public code uses float16 for "
        "a ViT on a GPU",
        one_of({"float32", "float16"}));
    key.section("DENSE", dense);
    key.section("SEM_SEG_HEAD", sem_seg_head);
  }
};

}  // namespace pixelclip
