#include "data/mapper.hpp"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "data/sample_check.hpp"
#include "image/augment.hpp"
#include "image/codec.hpp"
#include "image/mask_sampler.hpp"
#include "image/resize.hpp"

namespace pixelclip {
namespace {

/// The model cannot pool over a mask of one cell.
constexpr int64_t kSmallestMask = 2;

int64_t draw_short_side(const InputConfig& input, Random& random) {
  const auto& sizes = input.min_size_train;
  if (input.min_size_train_sampling == SizeSampling::range) {
    return random.integer(sizes.front(), sizes.back() + 1);
  }
  return sizes[static_cast<size_t>(random.integer(0, static_cast<int64_t>(sizes.size())))];
}

/// detectron2's RandomCrop.get_crop_size, for one side.
int64_t draw_side(const CropConfig& crop, int64_t which, int64_t length, Random& random) {
  const double size = crop.size[static_cast<size_t>(which)];
  if (crop.type == CropType::absolute) return std::min(length, static_cast<int64_t>(size));
  if (crop.type == CropType::absolute_range) {
    const auto low = std::min(length, static_cast<int64_t>(crop.size[0]));
    const auto high = std::min(length, static_cast<int64_t>(crop.size[1]));
    return random.integer(low, high + 1);
  }
  const double share = crop.type == CropType::relative_range ? random.uniform(size, 1.0) : size;
  return static_cast<int64_t>(static_cast<double>(length) * share + 0.5);
}

Rect draw_crop(const CropConfig& crop, int64_t height, int64_t width, Random& random) {
  Rect rect{0, 0, width, height};
  if (!crop.enabled) return rect;
  rect.height = std::clamp<int64_t>(draw_side(crop, 0, height, random), 1, height);
  rect.width = std::clamp<int64_t>(draw_side(crop, 1, width, random), 1, width);
  rect.y = random.integer(0, height - rect.height + 1);
  rect.x = random.integer(0, width - rect.width + 1);
  return rect;
}

void flip_vertically(Image& image) {
  for (int64_t y = 0; y < image.height / 2; ++y) {
    std::swap_ranges(image.row(y), image.row(y) + image.stride(), image.row(image.height - 1 - y));
  }
}

/// A tensor [3, H, W] of INPUT.FORMAT.
Planes view_of(const torch::Tensor& tensor, bool bgr) {
  auto* const data = tensor.data_ptr<uint8_t>();
  const int64_t height = tensor.size(1), width = tensor.size(2), plane = height * width;
  Planes view{{data, data + plane, data + 2 * plane}, height, width, width};
  if (bgr) std::swap(view.plane[0], view.plane[2]);
  return view;
}

/// Per thread, so that no memory is allocated per mask.
struct MaskScratch {
  AxisMap rows{1}, columns{1};
  MaskSampler sampler;
  std::vector<uint8_t> bits;
};

/// Masks [M, grid height, ceil(grid width / 8)] of a crop at the top left of `frame`, without those
/// of fewer than two cells.
torch::Tensor sample_masks(const MaskRuns& masks, const CropGeometry& geometry, const Rect& cutout,
                           const Size2& frame, const Size2& grid, bool pinned) {
  thread_local MaskScratch scratch;
  const int64_t row_bytes = (grid.width + 7) / 8, mask_bytes = grid.height * row_bytes;
  int64_t kept = 0;
  if (!masks.masks.empty()) {
    const Rect& crop = geometry.crop;
    scratch.rows.reset(masks.height).resize(geometry.height).crop(crop.y, crop.height);
    scratch.columns.reset(masks.width).resize(geometry.width).crop(crop.x, crop.width);
    if (geometry.flip_y) scratch.rows.flip();
    if (geometry.flip_x) scratch.columns.flip();
    scratch.rows.pad(frame.height).sample(grid.height);
    scratch.columns.pad(frame.width).sample(grid.width);
    scratch.sampler.prepare(
        scratch.rows, scratch.columns,
        covered_cells(cutout, frame.height, frame.width, grid.height, grid.width));
    scratch.bits.resize(masks.masks.size() * static_cast<size_t>(mask_bytes));
    for (const MaskRuns::Mask& mask : masks.masks) {
      uint8_t* bits = scratch.bits.data() + kept * mask_bytes;
      if (scratch.sampler.sample(masks.runs(mask), bits, row_bytes) >= kSmallestMask) ++kept;
    }
  }
  torch::Tensor out =
      torch::empty({kept, grid.height, row_bytes},
                   torch::TensorOptions().dtype(torch::kUInt8).pinned_memory(pinned));
  if (kept > 0) {
    std::memcpy(out.data_ptr<uint8_t>(), scratch.bits.data(),
                static_cast<size_t>(kept * mask_bytes));
  }
  return out;
}

/// Whether another crop of the run may be larger on either side.
bool may_be_padded(const InputConfig& input, const Rect& crop) {
  const CropConfig& c = input.crop;
  const bool fixed = c.enabled && c.type == CropType::absolute;
  return !fixed || static_cast<double>(crop.height) < c.size[0] ||
         static_cast<double>(crop.width) < c.size[1];
}

}  // namespace

CropGeometry draw_geometry(const InputConfig& input, int64_t height, int64_t width,
                           Random& random) {
  CropGeometry geometry;
  const int64_t short_side = draw_short_side(input, random);
  std::tie(geometry.height, geometry.width) =
      shortest_edge_size(height, width, short_side, input.max_size_train);
  geometry.height = std::max<int64_t>(geometry.height, 1);
  geometry.width = std::max<int64_t>(geometry.width, 1);
  geometry.crop = draw_crop(input.crop, geometry.height, geometry.width, random);
  const bool flip = random.chance(0.5);
  geometry.flip_x = flip && input.random_flip == Flip::horizontal;
  geometry.flip_y = flip && input.random_flip == Flip::vertical;
  return geometry;
}

/// Per thread, so that no memory is allocated per mask or row.
struct Sa1bMapper::Scratch {
  std::vector<uint8_t> file;
  SampleMasks reader;
  MaskRuns masks;
  ImageRegion region;
  Resizer resizer;
  Image crop;
  BlurScratch augment;
};

Sa1bMapper::Sa1bMapper(const InputConfig& input, const ModelConfig& model, bool orient, bool pinned)
    : input_(input),
      mask_resolution_(model.mask_resolution),
      max_masks_(model.limit_masks ? model.max_masks : std::numeric_limits<int64_t>::max()),
      with_masks_(!model.dino),
      orient_(orient),
      pinned_(pinned) {
  if (input_.min_size_train.empty()) fail("INPUT.MIN_SIZE_TRAIN is empty: name at least one size");
  if (input_.min_size_train_sampling == SizeSampling::range && input_.min_size_train.size() != 2) {
    fail("INPUT.MIN_SIZE_TRAIN_SAMPLING range needs two sizes in INPUT.MIN_SIZE_TRAIN, there are ",
         input_.min_size_train.size());
  }
}

TrainSample Sa1bMapper::operator()(const Sa1bSample& sample, Random random,
                                   MapperTimes* times) const {
  try {
    return make(sample, nullptr, random, times);
  } catch (const Error& e) {
    // A fault in a file that many samples share must still name this one.
    const bool own_annotation = sample.form != MaskForm::coco && e.file() == sample.annotation;
    if (e.file() == sample.image || own_annotation) throw;
    throw Error(str(sample.image, ": ", e.what()), e.kind(), sample.image);
  }
}

TrainSample Sa1bMapper::map(const Sa1bSample& sample, const CropGeometry& geometry,
                            Random random) const {
  return make(sample, &geometry, random, nullptr);
}

TrainSample Sa1bMapper::make(const Sa1bSample& sample, const CropGeometry* given, Random& random,
                             MapperTimes* times) const {
  thread_local Scratch scratch;
  MapperTimes unused;
  MapperTimes& spent = times ? *times : unused;
  Stopwatch watch;
  sample.read_image(scratch.file);
  DecodeOptions options{.orient = orient_};
  ImageInfo info = probe(scratch.file, sample.image, options);
  spent.read += watch.lap();
  if (with_masks_) {
    scratch.reader.read(sample, info.height, info.width, max_masks_, scratch.masks);
    match_masks(scratch.file, sample, scratch.masks, options, info);
  }
  spent.annotations += watch.lap();

  const CropGeometry geometry =
      given ? *given : draw_geometry(input_, info.height, info.width, random);
  load_crop(scratch, sample.image, info, options, geometry, spent);
  watch.lap();
  const Rect& crop = geometry.crop;
  TrainSample out;
  out.file_name = sample.image;
  if (with_masks_) {
    const MaskRuns::LeftOut& left_out = scratch.masks.left_out;
    out.crowds_left_out = left_out.crowds;
    out.masks_left_out = left_out.unusable;
    out.why_left_out = left_out.first;
  }
  out.source_size = {info.height, info.width};
  out.image = empty_image(crop);
  if (input_.strong_aug) out.image_strong = empty_image(crop);
  const bool bgr = input_.format == ChannelOrder::bgr;
  const Planes weak = view_of(out.image, bgr);
  const Planes strong = input_.strong_aug ? view_of(out.image_strong, bgr) : Planes();
  spent.tensors += watch.lap();
  const SsdJitter jitter = input_.color_aug_ssd ? SsdJitter::draw(random) : SsdJitter();
  StrongAugment augment;
  if (input_.strong_aug) augment = StrongAugment::draw(random, crop.height, crop.width);
  make_views(scratch.crop, jitter, input_.strong_aug ? &augment : nullptr, weak, strong,
             scratch.augment);
  spent.augment += watch.lap();
  out.seed = random.next();
  if (with_masks_) add_masks(scratch.masks, geometry, augment.cutout, out);
  spent.masks += watch.lap();
  return out;
}

void Sa1bMapper::load_crop(Scratch& scratch, const std::string& name, const ImageInfo& info,
                           DecodeOptions options, const CropGeometry& geometry,
                           MapperTimes& times) const {
  Stopwatch watch;
  if (input_.fast_decode && info.jpeg) {
    options.scale = std::min(decode_scale(info.height, geometry.height),
                             decode_scale(info.width, geometry.width));
  }
  const int64_t height = scaled_size(info.height, options.scale);
  const int64_t width = scaled_size(info.width, options.scale);
  const Rect wanted = source_rect(height, width, geometry.height, geometry.width, geometry.crop);
  decode_rgb_region(scratch.file, name, wanted, options, scratch.region);
  times.decode += watch.lap();
  scratch.resizer.resize_crop(scratch.region, geometry.height, geometry.width, geometry.crop,
                              geometry.flip_x, scratch.crop);
  if (geometry.flip_y) flip_vertically(scratch.crop);
  times.resize += watch.lap();
}

torch::Tensor Sa1bMapper::empty_image(const Rect& crop) const {
  return torch::empty({3, crop.height, crop.width},
                      torch::TensorOptions().dtype(torch::kUInt8).pinned_memory(pinned_));
}

void Sa1bMapper::add_masks(const MaskRuns& masks, const CropGeometry& geometry, const Rect& cutout,
                           TrainSample& sample) const {
  const Rect& crop = geometry.crop;
  sample.annotated = !masks.masks.empty();
  sample.mask_bits =
      sample_masks(masks, geometry, cutout, {crop.height, crop.width}, mask_resolution_, pinned_);
  if (!input_.pad_masks || !may_be_padded(input_, crop)) return;
  sample.masks_in = [runs = std::make_shared<const MaskRuns>(masks), geometry, cutout,
                     grid = mask_resolution_, pinned = pinned_](const Size2& frame) {
    return sample_masks(*runs, geometry, cutout, frame, grid, pinned);
  };
}

}  // namespace pixelclip
