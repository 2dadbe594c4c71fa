#include "data/train_set.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/listing.hpp"
#include "base/signal.hpp"
#include "data/catalog.hpp"
#include "data/mapper.hpp"
#include "data/sa1b_scan.hpp"
#include "data/shard.hpp"
#include "data/tar.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// Detects the kind of masks that a declared set does not give, from its file or the first file of
/// its folder.
CustomKind detect_kind(const fs::path& images, const fs::path& masks, bool with_annotations) {
  if (!with_annotations && !is_file(images)) return CustomKind::images;
  if (is_file(masks)) return CustomKind::coco;
  std::error_code error, ignored;
  fs::recursive_directory_iterator it(masks, fs::directory_options::follow_directory_symlink,
                                      error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (is_hidden(name)) {
      it.disable_recursion_pending();
      continue;
    }
    if (has_suffix(name, {".json"})) return CustomKind::sa1b;
    // SAM's script writes a folder with masks and a table for each image.
    const fs::path folder = it->path().parent_path();
    if (folder != masks && fs::exists(folder / "metadata.csv", ignored)) return CustomKind::sa1b;
    if (is_id_image(name)) return CustomKind::id_png;
  }
  return CustomKind::sa1b;
}

/// Adds a set that the configuration declares.
void add_declared(const DatasetInfo& set, Sa1bIndex& index) {
  const fs::path& images = set.images.front();
  const fs::path masks = set.labels.empty() ? fs::path() : set.labels.front().path;
  const CustomKind kind = set.masks_kind == CustomKind::automatic
                              ? detect_kind(images, masks, index.with_annotations())
                              : set.masks_kind;
  if (kind == CustomKind::images && index.with_annotations()) {
    fail("DATASETS.TRAIN: ", set.name,
         " has no masks; name them in DATASETS.CUSTOM, or set MODEL.DINO True");
  }
  if (kind == CustomKind::coco && index.with_annotations()) return index.add_coco(images, masks);
  if (kind == CustomKind::id_png) return index.add({{images, masks}}, MaskForm::ids, set.ignore);
  if (is_file(images)) {  // a list, or one shard
    return index.add_shards(is_tar(images) || is_shard(images)
                                ? std::vector{images}
                                : Sa1bIndex::read_shard_list(images, images.parent_path()));
  }
  if (!masks.empty() || !index.with_annotations()) return index.add({{images, masks}});
  const auto shards = Sa1bIndex::shards_below(images);
  index.add_shards(shards.empty() ? std::vector{images} : shards);
}

/// Adds SA-1B or the demo's set: its folders, else the shards found there.
void add_published(const DatasetInfo& set, const std::string& list, Sa1bIndex& index) {
  const fs::path root = set.images.front().parent_path();
  if (!list.empty()) return index.add_shards(Sa1bIndex::read_shard_list(list, root));
  std::vector<Sa1bFolders> candidates;
  bool folders = false;
  for (size_t i = 0; i < set.images.size(); ++i) {
    std::error_code ignored;
    candidates.push_back({set.images[i], set.labels[i].path});
    folders = folders || fs::is_directory(set.images[i], ignored);
  }
  const auto shards = folders ? std::vector<fs::path>() : Sa1bIndex::shards_below(root);
  if (shards.empty())
    index.add(candidates);
  else
    index.add_shards(shards);
}

}  // namespace

Sa1bIndex open_training_set(const DatasetsConfig& datasets, bool with_annotations) {
  if (datasets.train.empty()) {
    fail("DATASETS.TRAIN is empty: name a training set, for example sam_resized");
  }
  const signals::Doing indexing("indexing the training images");
  const Catalog catalog(datasets);
  Sa1bIndex index(with_annotations, datasets.crowd_regions);
  for (const std::string& name : datasets.train) {
    const DatasetInfo& set = catalog.find(name);
    if (set.kind != DatasetKind::sa1b) {
      fail("DATASETS.TRAIN: ", set.name, " is a test set; training needs images with masks, for ",
           "example sam_resized");
    }
    const auto& custom = datasets.custom;
    const bool declared = std::any_of(custom.begin(), custom.end(),
                                      [&](const auto& own) { return own.name == name; });
    if (declared)
      add_declared(set, index);
    else
      add_published(set, name.starts_with("sam") ? datasets.shards : "", index);
  }
  return index;
}

LoaderOptions loader_options(const DataloaderConfig& loader, const SolverConfig& solver, int rank,
                             int world_size) {
  return {.batch_size = solver.ims_per_batch / world_size,
          .num_workers = static_cast<int>(loader.num_workers),
          .rank = rank,
          .world_size = world_size,
          .parts = static_cast<int>(solver.accumulate_steps),
          .group_by_shape = loader.aspect_ratio_grouping,
          .skip_empty = loader.filter_empty_annotations,
          .max_bad_samples = loader.max_bad_samples};
}

std::unique_ptr<TrainLoader> make_train_loader(const DatasetsConfig& datasets,
                                               const InputConfig& input, const ModelConfig& model,
                                               const LoaderOptions& options, uint64_t seed,
                                               bool pinned) {
  const auto index = std::make_shared<const Sa1bIndex>(open_training_set(datasets, !model.dino));
  const auto mapper =
      std::make_shared<const Sa1bMapper>(input, model, datasets.exif_orientation, pinned);
  return std::make_unique<TrainLoader>(
      [index, mapper](int64_t i, Random random) { return (*mapper)((*index)[i], random); },
      TrainingSampler(index->size(), seed), options);
}

}  // namespace pixelclip
