#include "inference/views.hpp"

#include <algorithm>
#include <cmath>

#include "image/opencv_resize.hpp"
#include "image/resize.hpp"

namespace pixelclip {
namespace {

/// A number of pixels that the patches of all encoders divide.
constexpr int64_t kMultiple = 32;

int64_t to_multiple(double length) {
  return std::max<int64_t>(kMultiple, kMultiple * std::llround(length / kMultiple));
}

/// The size with that short side and the image's shape, as far as multiples allow.
Size2 in_shape(const Image& rgb, double short_side) {
  const double scale = short_side / static_cast<double>(std::min(rgb.height, rgb.width));
  return {to_multiple(scale * static_cast<double>(rgb.height)),
          to_multiple(scale * static_cast<double>(rgb.width))};
}

/// The size with that short side, but no side longer than `longest`, as mmcv rounds it.
Size2 rescaled(const Image& rgb, double short_side, double longest) {
  const auto height = static_cast<double>(rgb.height), width = static_cast<double>(rgb.width);
  const double scale =
      std::min(longest / std::max(height, width), short_side / std::min(height, width));
  const auto round = [scale](double side) {
    return std::max<int64_t>(1, static_cast<int64_t>(side * scale + 0.5));
  };
  return {round(height), round(width)};
}

Image resize_antialiased(const Image& rgb, int64_t height, int64_t width) {
  return resize_bilinear(rgb, height, width);
}

/// One size of the image; `scale` is its ratio to the usual one.
View view_of(const Image& rgb, const InputConfig& input_config, const TestConfig& test, Size2 usual,
             int64_t short_side, int64_t longest, double scale) {
  Size2 input = usual, resized = {rgb.height, rgb.width};
  if (test.scores == ScoreGrid::pixels) {
    const int64_t wanted = test.short_side > 0 ? test.short_side : short_side;
    if (wanted > 0)
      resized = rescaled(rgb, static_cast<double>(wanted), static_cast<double>(longest));
    input = resized;
  } else if (test.sliding_window.enabled) {
    const int64_t wanted = test.short_side > 0 ? test.short_side : input_config.min_size_test;
    resized = input =
        in_shape(rgb, wanted > 0 ? scale * static_cast<double>(wanted)
                                 : scale * static_cast<double>(std::min(rgb.height, rgb.width)));
  } else if (keeps_shape(test)) {
    const int64_t wanted =
        test.short_side > 0 ? test.short_side : std::min(usual.height, usual.width);
    resized = input = in_shape(rgb, scale * static_cast<double>(wanted));
  } else {
    if (scale != 1) {
      input = {to_multiple(scale * static_cast<double>(usual.height)),
               to_multiple(scale * static_cast<double>(usual.width))};
    }
    if (short_side > 0) {
      std::tie(resized.height, resized.width) =
          shortest_edge_size(rgb.height, rgb.width, short_side, longest);
    }
  }
  const bool same = resized == Size2{rgb.height, rgb.width};
  const auto resize = test.resize == ImageResize::opencv ? resize_linear : resize_antialiased;
  return {to_tensor(same ? rgb : resize(rgb, resized.height, resized.width), input_config.format),
          input,
          /*flip=*/false,
          {rgb.height, rgb.width}};
}

}  // namespace

torch::Tensor to_tensor(const Image& rgb, ChannelOrder format) {
  const auto pixels = torch::from_blob(const_cast<uint8_t*>(rgb.pixels.data()),
                                       {rgb.height, rgb.width, rgb.channels}, torch::kUInt8);
  // A copy in either case: `rgb` may be gone before the tensor.
  return (format == ChannelOrder::bgr ? pixels.flip(2) : pixels)
      .permute({2, 0, 1})
      .clone(at::MemoryFormat::Contiguous);
}

std::vector<View> views_of(const Image& rgb, const InputConfig& input, const TestConfig& test,
                           Size2 clip_resolution) {
  const auto of_size = [&](int64_t short_side, int64_t longest, double scale) {
    return view_of(rgb, input, test, clip_resolution, short_side, longest, scale);
  };
  const auto& aug = test.aug;
  if (!aug.enabled) return {of_size(input.min_size_test, input.max_size_test, 1)};
  const int64_t usual =
      input.min_size_test > 0 ? input.min_size_test : std::min(rgb.height, rgb.width);
  std::vector<View> views;
  for (const int64_t size : aug.min_sizes) {
    views.push_back(
        of_size(size, aug.max_size, static_cast<double>(size) / static_cast<double>(usual)));
    if (!aug.flip) continue;
    views.push_back(views.back());
    views.back().flip = true;
  }
  return views;
}

ViewBatch views_of(const std::vector<Image>& images, const InputConfig& input,
                   const TestConfig& test, Size2 clip_resolution, torch::Device device) {
  ViewBatch batch;
  for (const Image& image : images)
    batch.images.push_back(views_of(image, input, test, clip_resolution));
  if (device.is_cpu()) return batch;
  int64_t bytes = 0;
  std::vector<int64_t> places;  // of views in the block
  for (const auto& views : batch.images) {
    for (const View& view : views) {
      const bool shared = &view != views.data() && view.image.is_same((&view - 1)->image);
      places.push_back(shared ? places.back() : bytes);
      if (!shared) bytes += view.image.numel();
    }
  }
  batch.block = torch::empty({bytes}, torch::dtype(torch::kUInt8).pinned_memory(true));
  size_t next = 0;
  for (auto& views : batch.images) {
    for (View& view : views) {
      const auto there =
          batch.block.narrow(0, places[next++], view.image.numel()).view(view.image.sizes());
      view.image = there.copy_(view.image);
    }
  }
  return batch;
}

std::vector<std::vector<View>> upload(ViewBatch batch, torch::Device device) {
  if (!batch.block.defined()) return std::move(batch.images);
  const auto block = batch.block.to(device, /*non_blocking=*/true);
  for (auto& views : batch.images) {
    for (View& view : views) {
      view.image =
          block.as_strided(view.image.sizes(), view.image.strides(), view.image.storage_offset());
    }
  }
  return std::move(batch.images);
}

}  // namespace pixelclip
