#include "engine/before_after.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/log.hpp"
#include "config/class_names.hpp"
#include "data/catalog.hpp"
#include "data/sem_seg.hpp"
#include "data/train_set.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"
#include "inference/argmax_tensor.hpp"
#include "inference/class_scorer.hpp"
#include "visualization/sheet.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostMasks = 200;

SheetCell cell(const Image& image, const LabelMap* labels) {
  SheetCell cell;
  cell.width = static_cast<int>(image.width);
  cell.height = static_cast<int>(image.height);
  cell.rgb = image.pixels;
  if (labels) cell.labels = labels->ids;
  return cell;
}

/// A training image with its masks numbered, small ones in front.
SheetCell masks_cell(const Image& image, const Sa1bSample& sample) {
  MaskRuns runs;
  SampleMasks().read(sample, image.height, image.width, kMostMasks, runs);
  LabelMap labels{image.height, image.width, std::vector<int32_t>(image.height * image.width, -1)};
  for (size_t m = 0; m < runs.masks.size(); ++m) {
    const auto counts = runs.runs(runs.masks[m]);
    const auto bitmap = rle_to_bitmap({runs.height, runs.width, {counts.begin(), counts.end()}});
    for (size_t i = 0; i < std::min(bitmap.size(), labels.ids.size()); ++i) {
      if (bitmap[i]) labels.ids[i] = static_cast<int32_t>(m);
    }
  }
  auto result = cell(image, &labels);
  result.named = false;
  return result;
}

std::vector<SemSegItem> first_items(const SemSegSet& set, int64_t count) {
  const auto& items = set.items();
  return {items.begin(), items.begin() + std::min<int64_t>(count, items.size())};
}

fs::path before_file(const Config& config, const std::string& stem) {
  std::string name = stem;  // a path where several images have one stem
  std::replace(name.begin(), name.end(), '/', '_');
  return fs::path(config.output_dir) / "samples" / (name + "_before.png");
}

}  // namespace

BeforeAfter::BeforeAfter(const Config& config, Comm& comm)
    : config_(config),
      active_(comm.is_main() && config.test.vis_images > 0 && !config.datasets.test.empty()) {
  if (!active_) return;
  const auto info = Catalog(config_.datasets).find(config_.datasets.test.front());
  std::string why;
  active_ = on_disk(info, &why);
  if (!active_) log::warn("samples.png is not drawn: ", why);
  names_ = read_class_names(config_.model.sem_seg_head.test_class_json);
}

std::vector<LabelMap> BeforeAfter::label(PixelCLIP& model) const {
  const bool was_training = model->is_training();
  model->eval();
  const SemSegSet set(Catalog(config_.datasets).find(config_.datasets.test.front()));
  const auto classes = model->class_embeddings(names_, class_templates(config_.model));
  const ClassScorer scorer(model, config_.model, config_.test);
  const auto bank = one_row_a_class(classes);
  std::vector<LabelMap> result;
  for (const auto& item : first_items(set, config_.test.vis_images)) {
    const auto image = set.read_image(item, set.stored_ids(item));
    const auto views = views_of(image, config_.input, config_.test, config_.model.clip_resolution);
    result.push_back(argmax_upsampled(scorer({views}, bank).front(), image.height, image.width));
  }
  model->train(was_training);
  return result;
}

void BeforeAfter::before(PixelCLIP& model) {
  if (!active_) return;
  const SemSegSet set(Catalog(config_.datasets).find(config_.datasets.test.front()));
  const auto items = first_items(set, config_.test.vis_images);
  if (std::all_of(items.begin(), items.end(),
                  [&](const auto& item) { return fs::exists(before_file(config_, item.stem)); })) {
    return;
  }
  fs::create_directories(fs::path(config_.output_dir) / "samples");
  const auto labels = label(model);
  for (size_t i = 0; i < labels.size(); ++i)
    write_label_png(before_file(config_, items[i].stem), labels[i]);
}

void BeforeAfter::after(PixelCLIP& model) {
  if (!active_) return;
  const SemSegSet set(Catalog(config_.datasets).find(config_.datasets.test.front()));
  const auto items = first_items(set, config_.test.vis_images);
  const auto training = open_training_set(config_.datasets, !config_.model.dino);
  const auto predictions = label(model);
  std::vector<SheetRow> rows;
  for (size_t i = 0; i < items.size(); ++i) {
    SheetRow row;
    if (training.with_annotations() && static_cast<int64_t>(i) < training.size()) {
      const auto sample = training[static_cast<int64_t>(i)];
      std::vector<uint8_t> file;
      sample.read_image(file);
      const auto picture = decode_rgb(file, sample.image, {.orient = false});
      row.cells = {cell(picture, nullptr), masks_cell(picture, sample)};
    } else {
      row.cells.resize(2);
    }
    const auto truth = set.labels(items[i], static_cast<int>(names_.size()));
    const auto image = set.read_image(items[i], truth);
    const auto before = read_labels(before_file(config_, items[i].stem));
    row.cells.push_back(cell(image, nullptr));
    row.cells.push_back(cell(image, &truth));
    row.cells.push_back(cell(image, &before));
    row.cells.push_back(cell(image, &predictions[i]));
    rows.push_back(std::move(row));
  }
  const auto path = fs::path(config_.output_dir) / "samples.png";
  write_sheet(path, rows, {"training image", "its masks", "test image", "truth", "before", "after"},
              names_, distinct_colors(static_cast<int>(names_.size())));
  log::info("images before and after training: ", path.string());
}

}  // namespace pixelclip
