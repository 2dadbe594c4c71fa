#include "pixelclip/base/error.hpp"
#include "pixelclip/data/catalog.hpp"
#include "pixelclip/data/loader.hpp"
#include "pixelclip/data/mapper.hpp"

namespace pixelclip {
namespace {

std::vector<Sa1bFolders> candidates(const DatasetInfo& set, bool with_annotations) {
  if (set.kind != DatasetKind::sa1b) {
    fail("DATASETS.TRAIN: ", set.name, " is a test set; training needs pictures with masks, for ",
         "example sam_resized");
  }
  const std::string& kind = set.masks_kind;
  if (with_annotations && !kind.empty() && kind != "sa1b") {
    fail("DATASETS.TRAIN: ", set.name, " is of the kind ", kind, ", from which masks can not be read",
         "; give a folder of SA-1B JSON files, or set MODEL.DINO True");
  }
  std::vector<Sa1bFolders> out;
  for (size_t i = 0; i < set.images.size(); ++i) {
    out.push_back({set.images[i], i < set.labels.size() ? set.labels[i].path : ""});
  }
  return out;
}

}  // namespace

Sa1bIndex open_training_set(const Config& config) {
  if (config.datasets.train.empty()) {
    fail("DATASETS.TRAIN is empty: name a training set, for example sam_resized");
  }
  const Catalog catalog(config.datasets);
  const bool with_annotations = !config.model.dino;
  Sa1bIndex index(with_annotations);
  for (const std::string& name : config.datasets.train) {
    index.add(candidates(catalog.find(name), with_annotations));
  }
  return index;
}

std::unique_ptr<TrainLoader> make_train_loader(const Config& config, uint64_t seed, int rank,
                                               int world_size, int64_t start, bool pinned) {
  const auto index = std::make_shared<const Sa1bIndex>(open_training_set(config));
  const auto mapper = std::make_shared<const Sa1bMapper>(config, pinned);
  const LoaderOptions options{.batch_size = config.solver.ims_per_batch / world_size,
                              .num_workers = static_cast<int>(config.dataloader.num_workers),
                              .rank = rank,
                              .world_size = world_size,
                              .start = start,
                              .skip_empty = config.dataloader.filter_empty_annotations,
                              .max_bad_samples = config.dataloader.max_bad_samples};
  return std::make_unique<TrainLoader>(
      [index, mapper](int64_t i, Random random) { return (*mapper)((*index)[i], random); },
      TrainingSampler(index->size(), seed), options);
}

}  // namespace pixelclip
