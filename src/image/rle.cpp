#include "image/rle.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace pixelclip {
namespace {

int64_t checked_pixels(int64_t height, int64_t width) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  if (height < 0 || width < 0 || (width > 0 && height > kMost / width)) {
    fail("an RLE of the size ", height, " x ", width,
         " cannot be held; sides of 0 or more and fewer than 2^32 pixels were expected");
  }
  return height * width;
}

[[noreturn]] void fail_sum(int64_t sum, int64_t height, int64_t width) {
  fail("the runs of an RLE sum to ", sum, ", but its size ", height, " x ", width, " needs ",
       height * width);
}

/// The sum of runs that lie within the size.
int64_t checked_sum(std::span<const uint32_t> counts, int64_t height, int64_t width) {
  const int64_t pixels = checked_pixels(height, width);
  int64_t sum = 0;
  for (const uint32_t count : counts) {
    sum += count;
    if (sum > pixels) fail_sum(sum, height, width);
  }
  return sum;
}

bool ends_with_mask(std::span<const uint32_t> counts) {
  return !counts.empty() && counts.size() % 2 == 0;
}

/// Reads a number of more than one character; `at` is behind its first one, `first`.
int64_t parse_long(std::string_view text, size_t& at, uint32_t first) {
  // Seven groups hold 35 bits, more than any difference of two 32-bit runs needs.
  constexpr int kMostGroups = 7;
  int64_t value = first & 0x1f;
  uint32_t group = first;
  int shift = 5;
  while (group & 0x20) {
    if (at == text.size()) fail("an RLE string is cut short within a number");
    group = static_cast<uint8_t>(text[at]) - 48u;
    if (group > 63) fail("character ", at, " of an RLE string is outside its code ('0' to 'o')");
    if (shift == 5 * kMostGroups) fail("a run of an RLE string overflows at character ", at);
    value |= static_cast<int64_t>(group & 0x1f) << shift;
    shift += 5;
    ++at;
  }
  if (group & 0x10) value -= int64_t{1} << shift;
  return value;
}

}  // namespace

void parse_rle(std::string_view text, int64_t height, int64_t width, std::vector<uint32_t>& counts,
               RleEnd end) {
  const int64_t pixels = checked_pixels(height, width);
  counts.resize(text.size());  // every count takes a character at least
  uint32_t* out = counts.data();
  int64_t sum = 0;
  size_t at = 0, count = 0;
  while (at < text.size()) {
    const uint32_t first = static_cast<uint8_t>(text[at]) - 48u;
    if (first > 63) fail("character ", at, " of an RLE string is outside its code ('0' to 'o')");
    ++at;
    int64_t value;
    if (first & 0x20) {
      value = parse_long(text, at, first);
    } else {
      value = static_cast<int64_t>(first ^ 0x10) - 0x10;
    }
    if (count > 2) value += out[count - 2];
    if (value < 0) fail("run ", count, " of an RLE string is negative (", value, ")");
    sum += value;
    if (sum > pixels) fail_sum(sum, height, width);
    out[count++] = static_cast<uint32_t>(value);
  }
  counts.resize(count);
  if (sum == pixels) return;
  if (end == RleEnd::error || !ends_with_mask(counts)) fail_sum(sum, height, width);
  counts.push_back(static_cast<uint32_t>(pixels - sum));
}

Rle decode_rle(std::string_view text, int64_t height, int64_t width) {
  Rle rle{height, width, {}};
  parse_rle(text, height, width, rle.counts);
  rle.counts.shrink_to_fit();
  return rle;
}

std::string encode_rle(const Rle& rle) {
  std::string text;
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    int64_t value = rle.counts[i];
    if (i > 2) value -= rle.counts[i - 2];
    bool more = true;
    while (more) {
      int64_t group = value & 0x1f;
      value >>= 5;
      more = (group & 0x10) ? value != -1 : value != 0;
      if (more) group |= 0x20;
      text.push_back(static_cast<char>(group + 48));
    }
  }
  return text;
}

void check_rle(std::span<const uint32_t> counts, int64_t height, int64_t width) {
  const int64_t sum = checked_sum(counts, height, width);
  if (sum != height * width) fail_sum(sum, height, width);
}

void complete_rle(std::vector<uint32_t>& counts, int64_t height, int64_t width) {
  const int64_t sum = checked_sum(counts, height, width), pixels = height * width;
  if (sum == pixels) return;
  if (!ends_with_mask(counts)) fail_sum(sum, height, width);
  counts.push_back(static_cast<uint32_t>(pixels - sum));
}

int64_t rle_area(std::span<const uint32_t> counts) {
  int64_t area = 0;
  for (size_t i = 1; i < counts.size(); i += 2) area += counts[i];
  return area;
}

Rect rle_bbox(const Rle& rle) {
  int64_t left = rle.width, right = -1, top = rle.height, bottom = -1, end = 0;
  for (size_t i = 1; i < rle.counts.size(); i += 2) {
    const int64_t begin = end + rle.counts[i - 1];
    end = begin + rle.counts[i];
    if (begin == end) continue;
    const int64_t first = begin / rle.height, last = (end - 1) / rle.height;
    left = std::min(left, first);
    right = std::max(right, last);
    if (first == last) {
      top = std::min(top, begin % rle.height);
      bottom = std::max(bottom, (end - 1) % rle.height);
    } else {  // it turns from the foot of one column to the head of the next
      top = 0;
      bottom = rle.height - 1;
    }
  }
  if (right < 0) return {};
  return {left, top, right - left + 1, bottom - top + 1};
}

namespace {

/// The runs of the pixels for which `inside(index)` holds; the index counts row by row.
template <typename Inside>
Rle encode_pixels(int64_t height, int64_t width, const Inside& inside) {
  checked_pixels(height, width);
  Rle rle{height, width, {}};
  bool current = false;
  uint32_t run = 0;
  for (int64_t x = 0; x < width; ++x) {
    for (int64_t y = 0; y < height; ++y, ++run) {
      if (inside(y * width + x) == current) continue;
      rle.counts.push_back(run);
      run = 0;
      current = !current;
    }
  }
  rle.counts.push_back(run);
  return rle;
}

}  // namespace

Rle rle_from_bitmap(std::span<const uint8_t> bitmap, int64_t height, int64_t width) {
  if (static_cast<int64_t>(bitmap.size()) != checked_pixels(height, width)) {
    fail("a bitmap of ", bitmap.size(), " bytes is not of the size ", height, " x ", width);
  }
  return encode_pixels(height, width, [&](int64_t i) { return bitmap[i] != 0; });
}

Rle rle_from_label(const LabelMap& labels, int32_t id) {
  return encode_pixels(labels.height, labels.width, [&](int64_t i) { return labels.ids[i] == id; });
}

std::map<int32_t, Rle> rles_from_labels(const LabelMap& labels) {
  const int64_t pixels = checked_pixels(labels.height, labels.width);
  std::map<int32_t, Rle> masks;
  std::map<int32_t, int64_t> ends;  // of the last run of each id
  for_each_run(labels, [&](int32_t id, int64_t begin, int64_t end) {
    const auto [mask, fresh] = masks.try_emplace(id, Rle{labels.height, labels.width, {}});
    int64_t& previous = ends[id];
    mask->second.counts.push_back(static_cast<uint32_t>(begin - previous));
    mask->second.counts.push_back(static_cast<uint32_t>(end - begin));
    previous = end;
  });
  for (auto& [id, mask] : masks) {
    if (ends[id] < pixels) mask.counts.push_back(static_cast<uint32_t>(pixels - ends[id]));
  }
  return masks;
}

nlohmann::json rle_to_json(const Rle& rle) {
  return {{"size", {rle.height, rle.width}}, {"counts", encode_rle(rle)}};
}

nlohmann::json sa1b_annotation(int64_t id, const Rle& mask) {
  const Rect box = rle_bbox(mask);
  return {{"id", id},
          {"segmentation", rle_to_json(mask)},
          {"bbox", {box.x, box.y, box.width, box.height}},
          {"area", rle_area(mask.counts)},
          {"predicted_iou", 1.0},
          {"stability_score", 1.0},
          {"point_coords", nlohmann::json::array()},
          {"crop_box", {0, 0, mask.width, mask.height}}};
}

std::vector<uint8_t> rle_to_bitmap(const Rle& rle) {
  check_rle(rle.counts, rle.height, rle.width);
  std::vector<uint8_t> bitmap(static_cast<size_t>(rle.height * rle.width), 0);
  int64_t end = 0;
  for (size_t i = 1; i < rle.counts.size(); i += 2) {
    const int64_t begin = end + rle.counts[i - 1];
    end = begin + rle.counts[i];
    for (int64_t p = begin; p < end; ++p) {
      bitmap[(p % rle.height) * rle.width + p / rle.height] = 1;
    }
  }
  return bitmap;
}

}  // namespace pixelclip
