#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "image/image.hpp"

/// Pillow's bilinear resize, bit for bit: antialiased when shrinking, horizontally first, then
/// vertically, coefficients in 22-bit fixed point, eight bits in between. (Pillow 11 and later may
/// start with the other axis if the aspect ratio changes much, which rounds differently.)
namespace pixelclip {

/// detectron2's ResizeShortestEdge: the size whose short side is `short_side`, unless the long side
/// would exceed `max_side`; both int(x + 0.5). Returns {height, width}. Errors: empty source.
std::pair<int64_t, int64_t> shortest_edge_size(int64_t height, int64_t width, int64_t short_side,
                                               int64_t max_side);

/// The source pixels [begin, end) that the outputs [first, first + count) of a resize from `source`
/// to `target` pixels depend on.
struct SourceRange {
  int64_t begin = 0, end = 0;
};
SourceRange source_range(int64_t source, int64_t target, int64_t first, int64_t count);

/// The same for both axes: what must be decoded for `crop` of the image resized to height ×
/// width.
Rect source_rect(int64_t source_height, int64_t source_width, int64_t height, int64_t width,
                 const Rect& crop);

Image resize_bilinear(const Image& image, int64_t height, int64_t width);

/// The rectangle `crop` (inside height × width) of resize_bilinear, without computing the rest.
Image resize_crop(const Image& image, int64_t height, int64_t width, const Rect& crop);

/// Reuses its working memory; use one per thread.
class Resizer {
 public:
  Resizer();
  ~Resizer();
  Resizer(Resizer&&) noexcept;
  Resizer& operator=(Resizer&&) noexcept;

  /// As resize_crop, from a part of the source image that must hold source_rect(); mirrored left
  /// to right when `flip`. `out` becomes crop.height × crop.width.
  void resize_crop(const ImageRegion& source, int64_t height, int64_t width, const Rect& crop,
                   bool flip, Image& out);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

/// Grows the image to the right and below with `value`; never shrinks it.
void pad(Image& image, int64_t height, int64_t width, uint8_t value);

/// Mirrors left to right, in place.
void flip_horizontally(Image& image);

}  // namespace pixelclip
