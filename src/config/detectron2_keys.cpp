#include "config/detectron2_keys.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"

namespace pixelclip::config {
namespace {

/// A section and the names in it, without its prefix on each.
struct Group {
  const char* section;
  std::vector<const char*> names;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> table = {
      {"DATALOADER", {"REPEAT_SQRT", "REPEAT_THRESHOLD"}},
      {"DATASETS",
       {"PRECOMPUTED_PROPOSAL_TOPK_TEST", "PRECOMPUTED_PROPOSAL_TOPK_TRAIN", "PROPOSAL_FILES_TEST",
        "PROPOSAL_FILES_TRAIN", "VAL_ALL"}},
      {"GLOBAL", {"HACK"}},
      {"INPUT", {"MASK_FORMAT"}},
      {"MODEL", {"KEYPOINT_ON", "LOAD_PROPOSALS", "MASK_ON"}},
      {"MODEL.ANCHOR_GENERATOR", {"ANGLES", "ASPECT_RATIOS", "NAME", "OFFSET", "SIZES"}},
      {"MODEL.BACKBONE", {"FREEZE_AT", "NAME"}},
      {"MODEL.FPN", {"FUSE_TYPE", "IN_FEATURES", "NORM", "OUT_CHANNELS"}},
      {"MODEL.PANOPTIC_FPN", {"INSTANCE_LOSS_WEIGHT"}},
      {"MODEL.PANOPTIC_FPN.COMBINE",
       {"ENABLED", "INSTANCES_CONFIDENCE_THRESH", "OVERLAP_THRESH", "STUFF_AREA_LIMIT"}},
      {"MODEL.PROPOSAL_GENERATOR", {"MIN_SIZE", "NAME"}},
      {"MODEL.RESNETS",
       {"DEFORM_MODULATED", "DEFORM_NUM_GROUPS", "DEFORM_ON_PER_STAGE", "DEPTH", "NORM",
        "NUM_GROUPS", "OUT_FEATURES", "RES2_OUT_CHANNELS", "RES4_DILATION", "RES5_DILATION",
        "RES5_MULTI_GRID", "STEM_OUT_CHANNELS", "STEM_TYPE", "STRIDE_IN_1X1", "WIDTH_PER_GROUP"}},
      {"MODEL.RETINANET",
       {"BBOX_REG_LOSS_TYPE", "BBOX_REG_WEIGHTS", "FOCAL_LOSS_ALPHA", "FOCAL_LOSS_GAMMA",
        "IN_FEATURES", "IOU_LABELS", "IOU_THRESHOLDS", "NMS_THRESH_TEST", "NORM", "NUM_CLASSES",
        "NUM_CONVS", "PRIOR_PROB", "SCORE_THRESH_TEST", "SMOOTH_L1_LOSS_BETA",
        "TOPK_CANDIDATES_TEST"}},
      {"MODEL.ROI_BOX_CASCADE_HEAD", {"BBOX_REG_WEIGHTS", "IOUS"}},
      {"MODEL.ROI_BOX_HEAD",
       {"BBOX_REG_LOSS_TYPE", "BBOX_REG_LOSS_WEIGHT", "BBOX_REG_WEIGHTS", "CLS_AGNOSTIC_BBOX_REG",
        "CONV_DIM", "FC_DIM", "FED_LOSS_FREQ_WEIGHT_POWER", "FED_LOSS_NUM_CLASSES", "NAME", "NORM",
        "NUM_CONV", "NUM_FC", "POOLER_RESOLUTION", "POOLER_SAMPLING_RATIO", "POOLER_TYPE",
        "SMOOTH_L1_BETA", "TRAIN_ON_PRED_BOXES", "USE_FED_LOSS", "USE_SIGMOID_CE"}},
      {"MODEL.ROI_HEADS",
       {"BATCH_SIZE_PER_IMAGE", "IN_FEATURES", "IOU_LABELS", "IOU_THRESHOLDS", "NAME",
        "NMS_THRESH_TEST", "NUM_CLASSES", "POSITIVE_FRACTION", "PROPOSAL_APPEND_GT",
        "SCORE_THRESH_TEST"}},
      {"MODEL.ROI_KEYPOINT_HEAD",
       {"CONV_DIMS", "LOSS_WEIGHT", "MIN_KEYPOINTS_PER_IMAGE", "NAME",
        "NORMALIZE_LOSS_BY_VISIBLE_KEYPOINTS", "NUM_KEYPOINTS", "POOLER_RESOLUTION",
        "POOLER_SAMPLING_RATIO", "POOLER_TYPE"}},
      {"MODEL.ROI_MASK_HEAD",
       {"CLS_AGNOSTIC_MASK", "CONV_DIM", "NAME", "NORM", "NUM_CONV", "POOLER_RESOLUTION",
        "POOLER_SAMPLING_RATIO", "POOLER_TYPE"}},
      {"MODEL.RPN",
       {"BATCH_SIZE_PER_IMAGE", "BBOX_REG_LOSS_TYPE", "BBOX_REG_LOSS_WEIGHT", "BBOX_REG_WEIGHTS",
        "BOUNDARY_THRESH", "CONV_DIMS", "HEAD_NAME", "IN_FEATURES", "IOU_LABELS", "IOU_THRESHOLDS",
        "LOSS_WEIGHT", "NMS_THRESH", "POSITIVE_FRACTION", "POST_NMS_TOPK_TEST",
        "POST_NMS_TOPK_TRAIN", "PRE_NMS_TOPK_TEST", "PRE_NMS_TOPK_TRAIN", "SMOOTH_L1_BETA"}},
      {"MODEL.SEM_SEG_HEAD",
       {"ASPP_CHANNELS", "ASPP_DILATIONS", "ASPP_DROPOUT", "COMMON_STRIDE", "CONVS_DIM",
        "LOSS_TYPE", "LOSS_WEIGHT", "NORM", "PROJECT_CHANNELS", "PROJECT_FEATURES",
        "USE_DEPTHWISE_SEPARABLE_CONV"}},
      {"SOLVER", {"BIAS_LR_FACTOR", "WEIGHT_DECAY_BIAS"}},
      {"TEST", {"DETECTIONS_PER_IMAGE", "EXPECTED_RESULTS", "KEYPOINT_OKS_SIGMAS"}},
      {"TEST.PRECISE_BN", {"ENABLED", "NUM_ITER"}}};
  return table;
}

constexpr std::array kOpenSections = {"GLOBAL", "MODEL.BACKBONE", "TEST.PRECISE_BN"};

/// Keys that detectron2's own programs read, though PixelCLIP's trainer does not: whoever sets one
/// should know.
struct Unread {
  const char* name;
  bool (*is_default)(const RawValue&);
  const char* why;
};

bool is_number(const RawValue& value, double number) {
  using Kind = RawValue::Kind;
  return (value.kind == Kind::integer || value.kind == Kind::real) && value.real == number;
}
bool is_empty_list(const RawValue& value) {
  return value.kind == RawValue::Kind::none ||
         (value.kind == RawValue::Kind::list && value.list.empty());
}

constexpr std::array<Unread, 4> kUnread = {{
    {"SOLVER.BIAS_LR_FACTOR", [](const RawValue& v) { return is_number(v, 1); },
     "PixelCLIP's trainer gives biases the rate of the other parameters, and so does this program"},
    {"SOLVER.WEIGHT_DECAY_BIAS", [](const RawValue& v) { return v.kind == RawValue::Kind::none; },
     "PixelCLIP's trainer gives biases the decay of the other parameters, and so does this "
     "program"},
    {"TEST.EXPECTED_RESULTS", is_empty_list, "this program compares no scores with expected ones"},
    {"TEST.PRECISE_BN.ENABLED",
     [](const RawValue& v) { return v.kind == RawValue::Kind::boolean && !v.boolean; },
     "PixelCLIP has no batch normalisation"},
}};

bool begins_with_section(const std::string& name, const std::string& section) {
  return name.size() > section.size() && name.starts_with(section) && name[section.size()] == '.';
}

}  // namespace

const std::vector<std::string>& passed_over_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> list;
    for (const auto& [section, names] : groups()) {
      for (const char* name : names) list.push_back(str(section, ".", name));
    }
    return list;
  }();
  return keys;
}

bool is_passed_over(const std::string& name) {
  const auto& keys = passed_over_keys();
  return std::find(keys.begin(), keys.end(), name) != keys.end() ||
         std::any_of(kOpenSections.begin(), kOpenSections.end(), [&](const char* section) {
           return name == section || begins_with_section(name, section);
         });
}

bool is_passed_over_section(const std::string& name) {
  const auto& keys = passed_over_keys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return begins_with_section(key, name); });
}

void PassedOver::add(const std::string& name, const RawValue& value) {
  if (value.kind == RawValue::Kind::map) {
    for (const auto& [key, member] : value.map) add(name + "." + key.text, member);
    return;
  }
  if (std::find(keys.begin(), keys.end(), name) == keys.end()) keys.push_back(name);
  for (const Unread& unread : kUnread) {
    if (name != unread.name || unread.is_default(value)) continue;
    remarks.push_back(str(value.place, ": ", name, " is ", value.describe(),
                          ", which has no effect: ", unread.why));
  }
}

}  // namespace pixelclip::config
