#include "image/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.hpp"
#include "image/resize_row.hpp"
#include "image/weigh.hpp"

namespace pixelclip {
namespace {

/// The source window of each output, in Pillow's arithmetic.
struct Window {
  double scale, filter_scale;
  int64_t source;

  Window(int64_t in, int64_t out)
      : scale(static_cast<double>(in) / static_cast<double>(out)),
        filter_scale(std::max(scale, 1.0)),
        source(in) {}

  double centre(int64_t i) const { return (static_cast<double>(i) + 0.5) * scale; }
  int64_t begin(int64_t i) const {
    return std::max<int64_t>(0, static_cast<int64_t>(centre(i) - filter_scale + 0.5));
  }
  int64_t end(int64_t i) const {
    return std::min(source, static_cast<int64_t>(centre(i) + filter_scale + 0.5));
  }
};

/// `mirror` lists the outputs from last to first.
void set_axis(int64_t source, int64_t target, int64_t first, int64_t count, bool mirror,
              AxisWeights& axis) {
  const Window window(source, target);
  const auto most = static_cast<int64_t>(std::ceil(window.filter_scale)) * 2 + 1;
  std::vector<double> triangle(most);
  axis.begin.resize(count);
  axis.weights.assign(count * most, 0);
  axis.taps = 1;
  for (int64_t o = 0; o < count; ++o) {
    const int64_t i = first + (mirror ? count - 1 - o : o);
    const int64_t begin = window.begin(i), size = window.end(i) - begin;
    double sum = 0;
    for (int64_t k = 0; k < size; ++k) {
      const double distance =
          (static_cast<double>(k + begin) - window.centre(i) + 0.5) * (1.0 / window.filter_scale);
      triangle[k] = std::max(0.0, 1.0 - std::abs(distance));
      sum += triangle[k];
    }
    axis.begin[o] = static_cast<int32_t>(begin);
    for (int64_t k = 0; k < size; ++k) {
      const double weight = sum != 0 ? triangle[k] / sum : triangle[k];
      const auto fixed = static_cast<int32_t>(0.5 + weight * (1 << kBits));
      axis.weights[o * most + k] = fixed;
      if (fixed != 0) axis.taps = std::max(axis.taps, k + 1);
    }
  }
  for (int64_t o = 0; o < count; ++o) {
    std::copy_n(axis.weights.data() + o * most, axis.taps, axis.weights.data() + o * axis.taps);
  }
  axis.weights.resize(count * axis.taps);
  // Shorter windows at the end would extend beyond the pixels that the outputs need: shift them
  // left.
  const int64_t limit = window.end(first + count - 1);
  for (int64_t o = 0; o < count; ++o) {
    const int64_t shift = axis.begin[o] + axis.taps - limit;
    if (shift <= 0) continue;
    int32_t* weights = axis.weights.data() + o * axis.taps;
    std::rotate(weights, weights + axis.taps - shift, weights + axis.taps);
    axis.begin[o] -= static_cast<int32_t>(shift);
  }
}

}  // namespace

std::pair<int64_t, int64_t> shortest_edge_size(int64_t height, int64_t width, int64_t short_side,
                                               int64_t max_side) {
  if (height <= 0 || width <= 0 || short_side <= 0 || max_side <= 0) {
    fail("an image of ", height, " x ", width, " cannot be resized to a short side of ", short_side,
         " and a long side of at most ", max_side);
  }
  const auto size = static_cast<double>(short_side);
  double scale = size / static_cast<double>(std::min(height, width));
  double new_height = height < width ? size : scale * static_cast<double>(height);
  double new_width = height < width ? scale * static_cast<double>(width) : size;
  const double longest = std::max(new_height, new_width);
  if (longest > static_cast<double>(max_side)) {
    scale = static_cast<double>(max_side) / longest;
    new_height *= scale;
    new_width *= scale;
  }
  return {std::max<int64_t>(1, static_cast<int64_t>(new_height + 0.5)),
          std::max<int64_t>(1, static_cast<int64_t>(new_width + 0.5))};
}

SourceRange source_range(int64_t source, int64_t target, int64_t first, int64_t count) {
  if (source <= 0 || target <= 0 || count <= 0) return {};
  const Window window(source, target);
  return {window.begin(first), window.end(first + count - 1)};
}

Rect source_rect(int64_t source_height, int64_t source_width, int64_t height, int64_t width,
                 const Rect& crop) {
  const SourceRange rows = source_range(source_height, height, crop.y, crop.height);
  const SourceRange columns = source_range(source_width, width, crop.x, crop.width);
  return {columns.begin, rows.begin, columns.end - columns.begin, rows.end - rows.begin};
}

struct Resizer::Scratch {
  AxisWeights rows, columns;
  RowResizer row;
  std::vector<uint8_t> lines, last_row;
  std::vector<const uint8_t*> pointers;
};

Resizer::Resizer() : scratch_(std::make_unique<Scratch>()) {}
Resizer::~Resizer() = default;
Resizer::Resizer(Resizer&&) noexcept = default;
Resizer& Resizer::operator=(Resizer&&) noexcept = default;

void Resizer::resize_crop(const ImageRegion& source, int64_t height, int64_t width,
                          const Rect& crop, bool flip, Image& out) {
  check_crop(crop, height, width);
  if (source.source_height <= 0 || source.source_width <= 0) {
    fail("an empty image cannot be resized");
  }
  Scratch& s = *scratch_;
  const Image& image = source.image;
  set_axis(source.source_width, width, crop.x, crop.width, flip, s.columns);
  set_axis(source.source_height, height, crop.y, crop.height, false, s.rows);
  const Rect need = source_rect(source.source_height, source.source_width, height, width, crop);
  const Rect& have = source.rect;
  if (need.x < have.x || need.y < have.y || need.x + need.width > have.x + have.width ||
      need.y + need.height > have.y + have.height) {
    fail("the decoded part of an image does not hold all that its crop needs");
  }
  out.reshape(crop.height, crop.width, image.channels);
  const int64_t size = out.stride();
  // Horizontally resized rows are kept in a ring buffer for the vertical pass.
  constexpr int64_t spare = RowResizer::kSpare;
  const int64_t ring = s.rows.taps;
  s.lines.resize(ring * (size + spare));
  s.pointers.resize(s.rows.taps);
  const auto line = [&](int64_t y) { return s.lines.data() + (y % ring) * (size + spare); };
  for (int32_t& begin : s.columns.begin) begin -= static_cast<int32_t>(have.x);
  s.row.prepare(s.columns, crop.width, image.channels);
  int64_t ready = s.rows.begin[0];
  for (int64_t o = 0; o < crop.height; ++o) {
    const int64_t begin = s.rows.begin[o];
    for (ready = std::max(ready, begin); ready < begin + s.rows.taps; ++ready) {
      const uint8_t* row = image.row(ready - have.y);
      if ((image.height - (ready - have.y) - 1) * image.stride() < spare) {  // too few bytes follow
        s.last_row.assign(row, row + image.stride());
        s.last_row.resize(image.stride() + spare);
        row = s.last_row.data();
      }
      s.row.run(row, line(ready));
    }
    for (int64_t k = 0; k < s.rows.taps; ++k) s.pointers[k] = line(begin + k);
    weigh::many<kBits>(s.pointers.data(), s.rows.weight(o), s.rows.taps, size, out.row(o));
  }
}

Image resize_crop(const Image& image, int64_t height, int64_t width, const Rect& crop) {
  const ImageRegion region{image, {0, 0, image.width, image.height}, image.height, image.width};
  Image out;
  Resizer().resize_crop(region, height, width, crop, false, out);
  return out;
}

Image resize_bilinear(const Image& image, int64_t height, int64_t width) {
  return resize_crop(image, height, width, {0, 0, width, height});
}

void pad(Image& image, int64_t height, int64_t width, uint8_t value) {
  const int64_t old_height = image.height, old_stride = image.stride();
  height = std::max(height, image.height);
  width = std::max(width, image.width);
  if (height == image.height && width == image.width) return;
  image.reshape(height, width, image.channels);
  const int64_t stride = image.stride();
  std::fill(image.row(old_height), image.pixels.data() + image.pixels.size(), value);
  for (int64_t y = old_height - 1; y >= 0; --y) {
    std::memmove(image.row(y), image.pixels.data() + y * old_stride, old_stride);
    std::fill(image.row(y) + old_stride, image.row(y) + stride, value);
  }
}

void flip_horizontally(Image& image) {
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* left = image.row(y);
    uint8_t* right = left + image.stride() - image.channels;
    for (; left < right; left += image.channels, right -= image.channels) {
      std::swap_ranges(left, left + image.channels, right);
    }
  }
}

}  // namespace pixelclip
