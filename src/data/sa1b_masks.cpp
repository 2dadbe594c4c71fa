#include "pixelclip/data/sa1b_masks.hpp"

#include <algorithm>
#include <cmath>

#include "json_scanner.hpp"
#include "pixelclip/base/error.hpp"
#include "pixelclip/base/file.hpp"
#include "pixelclip/image/rle.hpp"

namespace pixelclip {
namespace {

constexpr int64_t kLongestSide = 1 << 20;

int64_t side(JsonScanner& json) {
  const int64_t length = json.integer();
  if (length < 1 || length > kLongestSide) json.wrong("a side of 1 to 1048576 pixels");
  return length;
}

/// "iscrowd" comes as 0 and 1, or as false and true.
bool truth(JsonScanner& json) {
  const char first = json.peek();
  if (first == 't' || first == 'f' || first == 'n') {
    json.skip();
    return first == 't';
  }
  return json.integer() != 0;
}

}  // namespace

/// One annotation as it stands in the file; members may come in any order.
struct Sa1bMaskReader::Segment {
  enum Kind { none, runs, text, polygons };
  Kind kind = none;
  int64_t height = 0, width = 0;
  bool crowd = false;
  std::string_view string;

  void read_size(JsonScanner& json) {
    int position = 0;
    json.array([&] {
      if (position > 1) json.wrong("[height, width]");
      (position++ == 0 ? height : width) = side(json);
    });
    if (position != 2) json.wrong("[height, width]");
  }
};

void Sa1bMaskReader::read_segmentation(JsonScanner& json, Segment& segment) {
  if (json.peek() == '[') {
    segment.kind = Segment::polygons;
    return read_polygons(json);
  }
  if (json.peek() != '{') json.wrong("a run-length mask {\"size\", \"counts\"} or a list of polygons");
  json.object([&](std::string_view part) {
    if (part == "size") {
      segment.read_size(json);
    } else if (part != "counts") {
      json.skip();
    } else if (json.peek() == '"') {
      segment.kind = Segment::text;
      segment.string = json.string(text_);
    } else {
      segment.kind = Segment::runs;
      counts_.clear();
      json.array([&] {
        const int64_t count = json.integer();
        if (count < 0 || count > UINT32_MAX) json.wrong("a run length of at least 0");
        counts_.push_back(static_cast<uint32_t>(count));
      });
    }
  });
}

void Sa1bMaskReader::read_polygons(JsonScanner& json) {
  constexpr double kFarthest = 1e7;
  points_.clear();
  corners_.clear();
  json.array([&] {
    const size_t before = points_.size();
    json.array([&] {
      const double value = json.number();
      if (std::abs(value) > kFarthest) json.wrong("a coordinate in pixels");
      points_.push_back(value);
    });
    const size_t numbers = points_.size() - before;
    if (numbers % 2 != 0) json.wrong("a polygon of x, y pairs");
    corners_.push_back(static_cast<uint32_t>(numbers / 2));
  });
}

void Sa1bMaskReader::begin(int64_t height, int64_t width, MaskRuns& out) {
  out.height = height;
  out.width = width;
  out.counts.clear();
  out.masks.clear();
}

void Sa1bMaskReader::add(JsonScanner& json, const std::string& name, int64_t number, MaskRuns& out) {
  const auto where = [&] { return str(name, ": annotation ", number); };
  Segment segment;
  json.object([&](std::string_view key) {
    if (key == "iscrowd") segment.crowd = truth(json);
    else if (key == "segmentation") read_segmentation(json, segment);
    else json.skip();
  });
  if (segment.crowd) return;
  const bool polygons = segment.kind == Segment::polygons;
  if (segment.kind == Segment::none || (!polygons && segment.height == 0)) {
    fail(where(), " has no run-length mask {\"size\": [h, w], \"counts\": …} and no polygons");
  }
  if (polygons && out.height == 0) {
    fail(where(), " has polygons, but \"image\" {\"height\", \"width\"} does not stand before them");
  }
  if (out.height == 0) out.height = segment.height, out.width = segment.width;
  if (!polygons && (segment.height != out.height || segment.width != out.width)) {
    fail(where(), " has a mask of ", segment.height, "×", segment.width,
         " pixels where the picture or the masks before have ", out.height, "×", out.width);
  }
  try {
    if (polygons) filler_.fill(points_, corners_, out.height, out.width, counts_);
    else if (segment.kind == Segment::text) parse_rle(segment.string, out.height, out.width, counts_);
    else check_rle(counts_, out.height, out.width);
  } catch (const Error& e) {
    fail(where(), ": ", e.what());
  }
  const int64_t area = rle_area(counts_);
  if (area == 0) return;
  out.masks.push_back({out.counts.size(), counts_.size(), area});
  out.counts.insert(out.counts.end(), counts_.begin(), counts_.end());
}

void Sa1bMaskReader::read(const std::filesystem::path& path, int64_t max_masks, MaskRuns& out) {
  const std::string text = read_text(path);
  parse(text, path.string(), max_masks, out);
}

void Sa1bMaskReader::parse(std::string_view text, const std::string& name, int64_t max_masks,
                           MaskRuns& out) {
  begin(0, 0, out);
  JsonScanner json(text, name);
  int64_t number = 0, image_height = 0, image_width = 0;
  bool listed = false;
  json.object([&](std::string_view key) {
    if (key == "image" && json.peek() == '{') {
      json.object([&](std::string_view part) {
        if (part == "height") image_height = side(json);
        else if (part == "width") image_width = side(json);
        else json.skip();
      });
      if (out.height == 0 && image_height > 0 && image_width > 0) {
        out.height = image_height, out.width = image_width;
      }
    } else if (key == "annotations") {
      listed = true;
      json.array([&] { add(json, name, number++, out); });
    } else {
      json.skip();
    }
  });
  json.finish();
  if (!listed) fail(name, ": there is no \"annotations\" in it: SA-1B's JSON form was expected");
  if (image_height > 0 && image_width > 0 &&
      (image_height != out.height || image_width != out.width)) {
    fail(name, ": the masks have ", out.height, "×", out.width, " pixels but the picture ",
         image_height, "×", image_width, " (height × width)");
  }
  keep_largest(out, max_masks);
}

void keep_largest(MaskRuns& masks, int64_t max_masks) {
  std::stable_sort(masks.masks.begin(), masks.masks.end(),
                   [](const auto& a, const auto& b) { return a.area > b.area; });
  if (static_cast<int64_t>(masks.masks.size()) > max_masks) {
    masks.masks.resize(static_cast<size_t>(max_masks));
  }
}

void masks_of_ids(const LabelMap& labels, int64_t ignore, int64_t max_masks, MaskRuns& out) {
  struct Run {
    int32_t id;
    uint32_t begin, end;
  };
  thread_local std::vector<Run> runs;
  runs.clear();
  const auto height = static_cast<uint32_t>(labels.height), width = static_cast<uint32_t>(labels.width);
  for (uint32_t x = 0, at = 0; x < width; ++x) {
    for (uint32_t y = 0; y < height; ++y, ++at) {
      const int32_t id = labels.ids[size_t{y} * width + x];
      if (!runs.empty() && runs.back().id == id) runs.back().end = at + 1;
      else runs.push_back({id, at, at + 1});
    }
  }
  std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.id < b.id; });
  Sa1bMaskReader::begin(labels.height, labels.width, out);
  for (size_t i = 0; i < runs.size();) {
    const int32_t id = runs[i].id;
    MaskRuns::Mask mask{out.counts.size(), 0, 0};
    uint32_t end = 0;
    const bool wanted = id != 0 && id != ignore;
    for (; i < runs.size() && runs[i].id == id; ++i) {
      if (!wanted) continue;
      out.counts.push_back(runs[i].begin - end);
      out.counts.push_back(runs[i].end - runs[i].begin);
      mask.area += out.counts.back();
      end = runs[i].end;
    }
    if (!wanted) continue;
    out.counts.push_back(height * width - end);
    mask.count = out.counts.size() - mask.begin;
    out.masks.push_back(mask);
  }
  keep_largest(out, max_masks);
}

}  // namespace pixelclip
