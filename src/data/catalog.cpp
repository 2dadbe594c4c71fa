#include "data/catalog.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/error.hpp"
#include "base/listing.hpp"
#include "config/class_names.hpp"
#include "data/file_names.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

fs::path first_named(const std::string& named, const char* variable) {
  if (!named.empty()) return named;
  const char* value = std::getenv(variable);
  return value && *value ? value : "datasets";
}

/// COCO-Stuff as the public code reads it (coco/), as its preparation script and others lay it out
/// (coco-stuff/), or as the published archives unpack (stuffthingmaps_trainval2017).
DatasetInfo coco_stuff(const fs::path& root, const std::string& name, const std::string& split) {
  DatasetInfo info{
      .name = name,
      .published_images = split == "val2017" ? 5000 : 118287,
      .class_json = "datasets/coco.json",
      .classes = 171,
      .prediction_ids = coco_category_ids(),
      .how_to_get = "download " + split +
                    " and stuffthingmaps_trainval2017 of COCO-Stuff and unpack them there"};
  for (const char* place :
       {"coco-stuff/images", "coco", "coco/images", "coco-stuff", "coco_stuff164k/images"}) {
    info.images.push_back(root / place / split);
  }
  for (const char* place : {"coco-stuff/annotations_detectron2", "coco/annotations_detectron2"}) {
    info.labels.push_back({.path = root / place / split, .prepared = true});
  }
  info.labels.push_back({.path = root / "coco_stuff164k/annotations" / split,
                         .suffix = "_labelTrainIds.png",
                         .prepared = true});
  for (const char* place :
       {"coco-stuff/annotations", "coco-stuff/stuffthingmaps", "coco/stuffthingmaps",
        "coco/annotations", "coco-stuff/stuffthingmaps_trainval2017",
        "coco/stuffthingmaps_trainval2017", "stuffthingmaps_trainval2017", "stuffthingmaps",
        "coco_stuff164k/annotations"}) {
    info.labels.push_back({.path = root / place / split, .map = coco_stuff_ids()});
  }
  return info;
}

/// The 80 things of COCO-Stuff's labels and a background of all else, as GroupViT defined it.
DatasetInfo coco_object(const fs::path& root) {
  DatasetInfo info = coco_stuff(root, "coco_2017_test_object_sem_seg", "val2017");
  info.class_json = "datasets/coco_object.json";
  info.classes = 81;
  info.prediction_ids.clear();
  std::vector<LabelSource> published = std::move(info.labels);
  std::erase_if(published, [](const LabelSource& source) { return source.prepared; });
  info.labels.clear();
  for (const char* place : {"coco-stuff/annotations_object", "coco/annotations_object"}) {
    info.labels.push_back({.path = root / place / "val2017", .prepared = true});
  }
  info.labels.push_back({.path = root / "coco_stuff164k/annotations/val2017",
                         .suffix = "_instanceTrainIds.png",
                         .prepared = true});
  for (LabelSource& source : published) {
    source.map = coco_object_ids();
    info.labels.push_back(std::move(source));
  }
  return info;
}

/// Label maps of other origin on COCO's validation images, in classes.
DatasetInfo coco_stuff_semi(const fs::path& root) {
  DatasetInfo info = coco_stuff(root, "coco_2017_semi_stuff_all_sem_seg", "val2017");
  info.published_images = 0;
  info.labels = {{.path = root / "coco/annotations_detectron2/masks", .prepared = true},
                 {.path = root / "coco-stuff/annotations_detectron2/masks", .prepared = true}};
  info.how_to_get = "put its label PNGs, which hold classes, there";
  return info;
}

DatasetInfo ade20k(const fs::path& root, const std::string& name, const std::string& split) {
  const fs::path base = root / "ADEChallengeData2016", other = root / "ade/ADEChallengeData2016";
  return {.name = name,
          .images = {base / "images" / split, other / "images" / split},
          .labels = {{.path = base / "annotations_detectron2" / split, .prepared = true},
                     {.path = base / "annotations" / split, .map = ade20k_ids()},
                     {.path = other / "annotations" / split, .map = ade20k_ids()}},
          .published_images = split == "validation" ? 2000 : 20210,
          .class_json = "datasets/ade150.json",
          .classes = 150,
          .how_to_get = "download ADEChallengeData2016.zip and unpack it there"};
}

/// The full ADE20K (2021_17_01) with its 847 most frequent classes, as MaskFormer defined it.
DatasetInfo ade20k_full(const fs::path& root, const std::string& name, const std::string& split) {
  const fs::path base = root / "ADE20K_2021_17_01", published = base / "images/ADE" / split;
  return {.name = name,
          .images = {base / "images_detectron2" / split, published},
          .labels = {{.path = base / "annotations_detectron2" / split, .prepared = true},
                     {.path = published,
                      .suffix = "_seg.png",
                      .map = ade20k_full_ids(),
                      .coding = LabelCoding::ade20k_full}},
          .published_images = split == "validation" ? 2000 : 25574,
          .images_hold_more = true,
          .class_json = "datasets/ade847.json",
          .classes = 847,
          .ignore = 65535,
          .prepared_side = 512,
          .how_to_get = "request ADE20K_2021_17_01 from its authors and unpack it there"};
}

DatasetInfo context(const fs::path& root, const std::string& name, int classes, const char* phase) {
  const fs::path base = root / "VOCdevkit/VOC2010", merged = base / "trainval_merged.json";
  const fs::path prepared = base / "annotations_detectron2" / str("pc", classes, "_", phase);
  DatasetInfo info{
      .name = name,
      .images = {base / "JPEGImages"},
      .published_images =
          std::string(phase) == "val" ? 5104 : 4996,  // one or two more in some releases
      .images_hold_more = true,
      .class_json = str("datasets/pc", classes, ".json"),
      .classes = classes,
      .how_to_get =
          "download PASCAL VOC 2010 and PASCAL-Context's trainval_merged.json and put them there"};
  if (classes == 459) {
    info.ignore = classes;
    for (const char* suffix : {".tif", ".png"}) {
      info.labels.push_back(
          {.path = prepared, .suffix = suffix, .map = context_459_ids(true), .prepared = true});
    }
    info.labels.push_back({.path = merged, .map = context_459_ids(false), .phase = phase});
  } else {
    info.labels = {{.path = prepared, .prepared = true},
                   {.path = merged, .map = context_ids(classes == 60), .phase = phase},
                   {.path = base / "SegmentationClassContext",
                    .map = context_class_ids(classes == 60),
                    .list = base / "ImageSets/SegmentationContext" / str(phase, ".txt")}};
  }
  return info;
}

DatasetInfo cityscapes(const fs::path& root, const std::string& split) {
  const fs::path labels = root / "cityscapes/gtFine" / split;
  return {.name = "cityscapes_fine_sem_seg_" + split,
          .images = {root / "cityscapes/leftImg8bit" / split},
          .labels = {{.path = labels, .suffix = "_gtFine_labelTrainIds.png", .prepared = true},
                     {.path = labels, .suffix = "_gtFine_labelIds.png", .map = cityscapes_ids()}},
          .image_suffix = "_leftImg8bit",
          .published_images = split == "val"    ? 500
                              : split == "test" ? 1525
                                                : 2975,
          .class_json = "datasets/cityscapes.json",
          .classes = 19,
          .rule = ScoreRule::cityscapes,
          .how_to_get = "download leftImg8bit and gtFine of Cityscapes and unpack them there"};
}

DatasetInfo voc(const fs::path& root, bool background) {
  const fs::path base = root / "VOCdevkit/VOC2012";
  const fs::path prepared = background ? "annotations_detectron2_bg" : "annotations_detectron2";
  const IdMap map = voc_ids(background);
  return {
      .name = background ? "voc_2012_test_background_sem_seg" : "voc_2012_test_sem_seg",
      .images = {base / "JPEGImages"},
      .labels = {{.path = base / prepared / "val", .prepared = true},
                 {.path = base / "SegmentationClassAug", .map = map},
                 {.path = base / "SegmentationClass", .map = map}},
      .list = base / "ImageSets/Segmentation/val.txt",
      .published_images = 1449,
      .images_hold_more = true,
      .skip_unlabelled = true,
      .class_json = background ? "datasets/voc20b.json" : "datasets/voc20.json",
      .classes = background ? 21 : 20,
      .how_to_get = "download PASCAL VOC 2012 (VOCtrainval_11-May-2012.tar) and unpack it there"};
}

DatasetInfo demo_validation(const fs::path& root) {
  return {.name = "demo_val",
          .images = {root / "demo/images/validation"},
          .labels = {{.path = root / "demo/annotations/validation"}},
          .class_json = "datasets/demo.json",
          .classes = 12,
          .how_to_get = "run `pixelclip demo`, which creates it"};
}

DatasetInfo sa1b(const std::string& name, const fs::path& root, bool resized_first) {
  DatasetInfo info{.name = name,
                   .kind = DatasetKind::sa1b,
                   .images = {root / "resized_images", root / "images"},
                   .labels = {{.path = root / "resized_annotations", .suffix = ".json"},
                              {.path = root / "annotations", .suffix = ".json"}},
                   .how_to_get = "download tar files of SA-1B and unpack them there"};
  if (!resized_first) {
    std::reverse(info.images.begin(), info.images.end());
    std::reverse(info.labels.begin(), info.labels.end());
  }
  return info;
}

/// The public code's training set of COCO's images with masks by SAM, one JSON file an image in
/// $COCO_SAM.
DatasetInfo coco_sam(const DatasetRoots& roots) {
  const char* named = std::getenv("COCO_SAM");
  const fs::path masks = named && *named ? roots.sa1b / named : roots.test / "coco/sam_mask";
  return {.name = "coco_sam_train_stuff_all_sem_seg",
          .kind = DatasetKind::sa1b,
          .images = {roots.test / "coco/train2017"},
          .labels = {{.path = masks, .suffix = ".json"}},
          .how_to_get =
              "download COCO's train2017 and name the folder of SAM's JSON files in COCO_SAM"};
}

DatasetInfo demo_training(const fs::path& root) {
  return {.name = "demo_train",
          .kind = DatasetKind::sa1b,
          .images = {root / "demo/images/sa_000000"},
          .labels = {{.path = root / "demo/annotations/sa_000000", .suffix = ".json"}},
          .how_to_get = "run `pixelclip demo`, which creates it"};
}

bool holds_labels(const LabelSource& source) {
  std::error_code ignored;
  if (!source.list.empty() && !fs::is_regular_file(source.list, ignored)) return false;
  if (!fs::is_directory(source.path, ignored)) return fs::is_regular_file(source.path, ignored);
  return any_file_below(source.path, [endings = label_endings(source)](const fs::path& path) {
    return !stem_before(path.filename().string(), endings).empty();
  });
}

/// Describes the files of a source, for messages.
std::string wanted(const LabelSource& source) {
  std::error_code ignored;
  if (!fs::is_directory(source.path, ignored)) return source.path.string();
  std::string endings;
  for (const std::string& ending : label_endings(source)) {
    endings += (endings.empty() ? "*" : ", *") + ending;
  }
  const std::string list = source.list.empty() ? "" : str(", listed in ", source.list.string());
  return str(source.path.string(), " (files ", endings, list, ")");
}

/// 16-bit labels use 65535 for ignored pixels, because 255 is a class.
int ignored_label(const CustomDataset& custom) {
  if (custom.ignore >= 0) return static_cast<int>(custom.ignore);
  size_t classes = custom.names.size();
  if (classes == 0) {
    try {
      classes = read_class_names(custom.names_file).size();
    } catch (const Error&) {  // reported when the set is used
    }
  }
  return classes > 255 ? 65535 : 255;
}

std::string alternatives(const std::vector<std::string>& paths) {
  std::string text;
  for (size_t i = 0; i < paths.size(); ++i) text += (i ? " or " : "") + paths[i];
  return text;
}

[[noreturn]] void not_there(const DatasetInfo& info, const char* what,
                            const std::vector<std::string>& paths) {
  fail("data set ", info.name, ": its ", what, " are not in ", alternatives(paths), ": ",
       info.how_to_get,
       info.kind == DatasetKind::sa1b
           ? ", or point SAM_DATASETS (DATASETS.SAM_ROOT) at the folder that holds it"
           : ", or point DETECTRON2_DATASETS (DATASETS.ROOT) at the folder that holds it");
}

}  // namespace

DatasetRoots DatasetRoots::find(const std::string& test, const std::string& sa1b) {
  return {first_named(test, "DETECTRON2_DATASETS"), first_named(sa1b, "SAM_DATASETS")};
}

Catalog::Catalog(const DatasetRoots& roots)
    : sets_{coco_stuff(roots.test, "coco_2017_test_stuff_all_sem_seg", "val2017"),
            coco_stuff(roots.test, "coco_2017_train_stuff_all_sem_seg", "train2017"),
            coco_stuff_semi(roots.test),
            coco_object(roots.test),
            ade20k(roots.test, "ade20k_150_test_sem_seg", "validation"),
            ade20k(roots.test, "ade20k_sem_seg_val", "validation"),
            ade20k(roots.test, "ade20k_sem_seg_train", "training"),
            ade20k_full(roots.test, "ade20k_full_sem_seg_freq_val_all", "validation"),
            ade20k_full(roots.test, "ade20k_full_sem_seg_val", "validation"),
            ade20k_full(roots.test, "ade20k_full_sem_seg_train", "training"),
            context(roots.test, "context_59_test_sem_seg", 59, "val"),
            context(roots.test, "context_59_train_sem_seg", 59, "train"),
            context(roots.test, "context_60_test_sem_seg", 60, "val"),
            context(roots.test, "context_459_test_sem_seg", 459, "val"),
            cityscapes(roots.test, "val"),
            cityscapes(roots.test, "train"),
            cityscapes(roots.test, "test"),
            voc(roots.test, false),
            voc(roots.test, true),
            coco_sam(roots),
            demo_validation(roots.test),
            demo_training(roots.test),
            sa1b("sam_resized", roots.sa1b, true),
            sa1b("sam", roots.sa1b, false)} {}

Catalog::Catalog(const DatasetsConfig& config)
    : Catalog(DatasetRoots::find(config.root, config.sam_root)) {
  for (const CustomDataset& custom : config.custom) add(custom_dataset(custom));
  for (DatasetInfo& set : sets_) set.exif_orientation = config.exif_orientation;
}

bool Catalog::knows(const std::string& name) const {
  return std::any_of(sets_.begin(), sets_.end(), [&](const auto& set) { return set.name == name; });
}

const DatasetInfo& Catalog::find(const std::string& name) const {
  for (const DatasetInfo& set : sets_) {
    if (set.name == name) return set;
  }
  std::string known;
  for (const DatasetInfo& set : sets_) known += (known.empty() ? "" : ", ") + set.name;
  fail(ErrorKind::not_found, "unknown data set '", name, "'", did_you_mean(name, names()),
       ": known are ", known, "; others are declared under DATASETS.CUSTOM");
}

std::vector<std::string> Catalog::names() const {
  std::vector<std::string> names;
  for (const DatasetInfo& set : sets_) names.push_back(set.name);
  return names;
}

void Catalog::add(DatasetInfo info) {
  for (DatasetInfo& set : sets_) {
    if (set.name == info.name) {
      set = std::move(info);
      return;
    }
  }
  sets_.push_back(std::move(info));
}

DatasetInfo custom_dataset(const CustomDataset& custom) {
  DatasetInfo info{.name = custom.name};
  info.images = {custom.images};
  info.how_to_get = "give the right folder in DATASETS.CUSTOM";
  const bool test = custom.kind == CustomKind::sem_seg ||
                    (custom.kind == CustomKind::automatic && !custom.labels.empty());
  if (!test) {
    info.kind = DatasetKind::sa1b;
    info.masks_kind = custom.kind;
    if (custom.ignore >= 0) info.ignore = static_cast<int>(custom.ignore);
    info.labels = {{.path = custom.masks, .suffix = ".json"}};
    return info;
  }
  info.ignore = ignored_label(custom);
  info.names = custom.names;
  info.class_json = custom.names_file;
  info.image_suffix = custom.image_suffix;
  info.list = custom.list;
  info.list_required = true;
  LabelSource labels{.path = custom.labels, .suffix = custom.label_suffix};
  labels.map.rest_ignored = !custom.id_map.empty();
  for (const auto& [id, to] : custom.id_map) {
    if (id < 0 || id > 65535 || to < 0 || to > 65535) {
      fail("DATASETS.CUSTOM ", custom.name, ": the id map sends ", id, " to ", to,
           "; both must lie in 0 to 65535");
    }
    auto& classes = labels.map.classes;
    if (classes.size() <= static_cast<size_t>(id)) classes.resize(id + 1, info.ignore);
    classes[id] = static_cast<int32_t>(to);
  }
  info.labels = {std::move(labels)};
  return info;
}

std::vector<std::string> label_endings(const LabelSource& source) {
  const std::string extension = lower_case(fs::path("x" + source.suffix).extension().string());
  const auto known = {".png", ".tif", ".tiff", ".bmp"};
  const bool whole = std::find(known.begin(), known.end(), extension) != known.end();
  if (whole || extension == ".json") return {source.suffix};
  std::vector<std::string> endings;
  for (const char* ending : known) endings.push_back(source.suffix + ending);
  return endings;
}

DatasetPaths locate(const DatasetInfo& info) {
  std::vector<std::string> looked;
  std::error_code ignored;
  for (size_t i = 0; i < info.images.size(); ++i) {
    looked.push_back(info.images[i].string());
    if (!fs::is_directory(info.images[i], ignored)) continue;
    if (info.kind == DatasetKind::sa1b) {
      return {info.images[i], i < info.labels.size() ? info.labels[i] : LabelSource{}};
    }
    // Skip an empty folder if another location exists.
    const bool another =
        std::any_of(info.images.begin() + static_cast<int64_t>(i) + 1, info.images.end(),
                    [&](const fs::path& later) { return fs::is_directory(later, ignored); });
    if (another && fs::is_empty(info.images[i], ignored)) continue;
    std::vector<std::string> tried;
    std::vector<LabelSource> there;
    for (const LabelSource& source : info.labels) {
      tried.push_back(wanted(source));
      if (holds_labels(source)) there.push_back(source);
    }
    if (there.empty()) not_there(info, "labels", tried);
    return {info.images[i], there.front(), {there.begin() + 1, there.end()}};
  }
  not_there(info, "images", looked);
}

bool on_disk(const DatasetInfo& info, std::string* why) {
  try {
    locate(info);
    return true;
  } catch (const Error& e) {
    if (why) *why = e.what();
    return false;
  }
}

std::vector<std::string> class_names(const DatasetInfo& info) {
  if (info.kind != DatasetKind::sem_seg)
    fail("data set ", info.name, " has no class labels: it is for training, not for evaluation");
  const auto names = info.names.empty() ? read_class_names(info.class_json) : info.names;
  if (info.classes > 0 && static_cast<int>(names.size()) != info.classes) {
    fail(info.class_json.string(), ": it names ", names.size(), " classes, but the labels of ",
         info.name, " have ", info.classes);
  }
  return names;
}

}  // namespace pixelclip
