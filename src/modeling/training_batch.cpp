#include "modeling/training_batch.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr int64_t kSmallestMask = 2;  // cells

Tensor host_tensor(at::IntArrayRef sizes, torch::ScalarType type, torch::Device device) {
  return torch::empty(sizes, torch::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

Tensor uploaded(const Tensor& host, torch::Device device) {
  return host.to(device, host.scalar_type(), /*non_blocking=*/true);
}

/// The largest sides of the images and their frames.
Size2 frame_of(const TrainBatch& batch) {
  Size2 frame{0, 0};
  for (const auto& sample : batch) {
    frame.height = std::max({frame.height, sample.frame.height, sample.image.size(1)});
    frame.width = std::max({frame.width, sample.frame.width, sample.image.size(2)});
  }
  return frame;
}

/// The images that `member` names, side by side in `frame`.
Tensor stacked(const TrainBatch& batch, Tensor TrainSample::*member, Size2 frame,
               torch::Device device) {
  const auto count = static_cast<int64_t>(batch.size());
  const auto all = host_tensor({count, 3, frame.height, frame.width}, torch::kUInt8, device);
  for (int64_t i = 0; i < count; ++i) {
    const Tensor& image = batch[i].*member;
    const bool fills = image.size(1) == frame.height && image.size(2) == frame.width;
    if (!fills) all[i].zero_();
    all[i].slice(1, 0, image.size(1)).slice(2, 0, image.size(2)).copy_(image);
  }
  return uploaded(all, device);
}

/// Heights and widths, undefined where every image fills the frame.
Tensor sizes_of(const TrainBatch& batch, Size2 frame, torch::Device device) {
  const auto count = static_cast<int64_t>(batch.size());
  const auto sizes = host_tensor({2, count}, torch::kLong, device);
  auto* const values = sizes.data_ptr<int64_t>();
  bool all_fill = true;
  for (int64_t i = 0; i < count; ++i) {
    const auto& image = batch[i].image;
    values[i] = image.size(1), values[count + i] = image.size(2);
    all_fill &= image.size(1) == frame.height && image.size(2) == frame.width;
  }
  return all_fill ? Tensor() : uploaded(sizes, device);
}

/// Set bits in the rows of `bits` [M, H, bytes], without those behind `width`.
std::vector<int64_t> areas_of(const Tensor& bits, int64_t width) {
  const auto rows = bits.contiguous();
  const int64_t bytes = rows.size(2);
  const auto last = static_cast<uint8_t>(0xFF << (bytes * 8 - width));
  std::vector<int64_t> areas(rows.size(0));
  const auto* at = rows.const_data_ptr<uint8_t>();
  for (auto& area : areas) {
    for (int64_t row = 0; row < rows.size(1); ++row, at += bytes) {
      int64_t i = 0;
      for (; i + 8 < bytes; i += 8) {
        uint64_t word;
        std::memcpy(&word, at + i, sizeof(word));
        area += std::popcount(word);
      }
      for (; i + 1 < bytes; ++i) area += std::popcount(at[i]);
      area += std::popcount(static_cast<uint8_t>(at[i] & last));
    }
  }
  return areas;
}

/// The areas of masks on a GPU, for which the host waits.
std::vector<int64_t> read_areas(const std::vector<Tensor>& bits, int64_t width) {
  const auto all = torch::cat(bits);
  auto shifts = torch::arange(7, -1, -1, all.options());
  const auto set = all.unsqueeze(-1).bitwise_right_shift(shifts).bitwise_and_(1);
  const auto areas = set.flatten(2).slice(2, 0, width).sum({1, 2}, false, torch::kLong).cpu();
  const auto* values = areas.const_data_ptr<int64_t>();
  return {values, values + areas.numel()};
}

/// Which masks of a batch are kept: rows of all masks one after the other.
struct Choice {
  std::vector<int64_t> rows, areas, counts;

  void add(const int64_t* of_image, int64_t masks, int64_t before, int64_t most) {
    int64_t kept = 0;
    for (int64_t m = 0; m < masks && (most == 0 || kept < most); ++m) {
      if (of_image[m] < kSmallestMask) continue;
      rows.push_back(before + m);
      areas.push_back(of_image[m]);
      ++kept;
    }
    counts.push_back(kept);
  }
};

Choice choose(const std::vector<Tensor>& bits, const std::vector<int64_t>& areas, int64_t most) {
  Choice choice;
  int64_t before = 0;
  for (const auto& of_image : bits) {
    choice.add(areas.data() + before, of_image.size(0), before, most);
    before += of_image.size(0);
  }
  return choice;
}

/// The chosen rows of masks on the host, in one tensor on `device`.
Tensor gathered(const std::vector<Tensor>& bits, const Choice& choice, torch::Device device) {
  const int64_t height = bits[0].size(1), bytes = bits[0].size(2);
  const auto all =
      host_tensor({static_cast<int64_t>(choice.rows.size()), height, bytes}, torch::kUInt8, device);
  auto* to = all.data_ptr<uint8_t>();
  size_t next = 0;
  int64_t before = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    const auto rows = bits[i].contiguous();
    for (int64_t k = 0; k < choice.counts[i]; ++k, to += height * bytes) {
      const auto* from =
          rows.const_data_ptr<uint8_t>() + (choice.rows[next++] - before) * height * bytes;
      std::memcpy(to, from, static_cast<size_t>(height * bytes));
    }
    before += bits[i].size(0);
  }
  return uploaded(all, device);
}

/// Areas, images and slots of the chosen masks, in one copy; and, where `rows` is asked for, their
/// rows.
void add_indices(MaskBatch& masks, const Choice& choice, torch::Device device, Tensor* rows) {
  masks.counts = choice.counts;
  const auto count = static_cast<int64_t>(choice.rows.size());
  const auto host = host_tensor({4, count}, torch::kLong, device);
  auto* const values = host.data_ptr<int64_t>();
  int64_t next = 0;
  for (int64_t image = 0; image < masks.images(); ++image) {
    for (int64_t k = 0; k < masks.counts[image]; ++k, ++next) {
      values[next] = choice.areas[next];
      values[count + next] = image;
      values[2 * count + next] = image * masks.most() + k;
      values[3 * count + next] = choice.rows[next];
    }
  }
  const auto all = uploaded(host, device);
  masks.areas = all[0].to(torch::kFloat);
  masks.image = all[1];
  masks.slot = all[2];
  if (rows) *rows = all[3];
}

MaskBatch masks_of(const std::vector<Tensor>& bits, torch::Device device,
                   const MaskLimits& limits) {
  MaskBatch masks;
  masks.width = limits.width;
  const bool here =
      std::all_of(bits.begin(), bits.end(), [](const Tensor& b) { return b.is_cpu(); });
  if (!here) {
    const auto choice = choose(bits, read_areas(bits, limits.width), limits.most);
    Tensor rows;
    add_indices(masks, choice, device, &rows);
    masks.bits = torch::cat(bits).index_select(0, rows);
    return masks;
  }
  std::vector<int64_t> areas;
  for (const auto& of_image : bits) {
    const auto some = areas_of(of_image, limits.width);
    areas.insert(areas.end(), some.begin(), some.end());
  }
  const auto choice = choose(bits, areas, limits.most);
  masks.bits = gathered(bits, choice, device);
  add_indices(masks, choice, device, nullptr);
  return masks;
}

}  // namespace

int64_t MaskBatch::most() const {
  return counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
}

DeviceBatch to_device(const TrainBatch& batch, torch::Device device, const MaskLimits& limits) {
  torch::NoGradGuard no_grad;
  const Size2 frame = frame_of(batch);
  DeviceBatch there;
  there.images = stacked(batch, &TrainSample::image, frame, device);
  there.strong = batch.front().image_strong.defined()
                     ? stacked(batch, &TrainSample::image_strong, frame, device)
                     : there.images;
  there.sizes = sizes_of(batch, frame, device);
  std::vector<Tensor> bits;
  for (const auto& sample : batch) bits.push_back(sample.mask_bits);
  if (bits.front().defined()) there.masks = masks_of(bits, device, limits);
  return there;
}

}  // namespace pixelclip
