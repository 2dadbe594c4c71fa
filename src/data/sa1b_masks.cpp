#include "data/sa1b_masks.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/json_scanner.hpp"
#include "image/rle.hpp"

namespace pixelclip {
namespace {

constexpr double kFarthest = 1e7;  // pixels; larger coordinates are invalid
constexpr const char* kWrongSize =
    "has a \"size\" that is not [height, width] of 1 to 1048576 pixels";

/// Removes the prefix, the quotes and doubled backslashes of Python's "b'…'".
std::string_view without_prefix(std::string_view text, std::string& scratch) {
  const bool prefixed = text.size() >= 3 && text[0] == 'b' && (text[1] == '\'' || text[1] == '"') &&
                        text.back() == text[1];
  if (!prefixed) return text;
  text = text.substr(2, text.size() - 3);
  if (text.find('\\') == text.npos) return text;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "\\\\") ++i;
    scratch += text[i];
  }
  return scratch;
}

/// Parses runs in a string: "1, 2, 6" or "[1 2 6]".
void parse_listed_runs(std::string_view text, std::vector<uint32_t>& counts) {
  counts.clear();
  constexpr std::string_view kBetween = " ,[]\n\t";
  for (size_t at = text.find_first_not_of(kBetween); at < text.size();
       at = text.find_first_not_of(kBetween, at)) {
    uint32_t run = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), run);
    if (error != std::errc()) fail("its counts are neither an RLE string nor a list of runs");
    counts.push_back(run);
    at = static_cast<size_t>(end - text.data());
  }
}

/// Parses a compressed RLE string, possibly with Python's or a text file's decoration, or runs in a
/// string.
void parse_counts(std::string_view text, int64_t height, int64_t width,
                  std::vector<uint32_t>& counts) {
  std::string scratch;
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  text = without_prefix(text, scratch);
  if (text.find_first_of(" ,") == text.npos)
    return parse_rle(text, height, width, counts, RleEnd::background);
  parse_listed_runs(text, counts);
  complete_rle(counts, height, width);
}

/// Reads an image's "height" and "width"; 0 if missing or invalid.
void read_image_size(JsonScanner& json, int64_t& height, int64_t& width) {
  json.object([&](std::string_view part) {
    if (part == "height")
      height = std::max<int64_t>(json.try_whole(1, kMaxSide), 0);
    else if (part == "width")
      width = std::max<int64_t>(json.try_whole(1, kMaxSide), 0);
    else
      json.skip();
  });
  if (height == 0 || width == 0) height = width = 0;
}

void leave_out(MaskRuns& out, const std::string& name, const JsonScanner& json,
               const std::string& why, bool broken) {
  MaskRuns::LeftOut& left_out = out.left_out;
  ++left_out.unusable;
  left_out.broken += broken;
  if (left_out.first.empty()) left_out.first = str(name, ": ", json.part(), " ", why);
}

}  // namespace

/// One annotation as read from the file; members may come in any order.
struct Sa1bMaskReader::Segment {
  enum Kind { none, runs, text, polygons };
  Kind kind = none;
  int64_t height = 0, width = 0;  ///< of run lengths; 0: not in the file
  std::string_view string;
  const char* fault = nullptr;  ///< why it is not a valid mask

  void read_size(JsonScanner& json) {
    if (json.peek() != '[') return json.skip();
    int64_t sides[2] = {-1, -1};
    int position = 0;
    json.array([&] {
      const int64_t length = json.try_whole(1, kMaxSide);
      if (position < 2) sides[position] = length;
      ++position;
    });
    if (position != 2 || sides[0] < 0 || sides[1] < 0)
      fault = kWrongSize;
    else
      height = sides[0], width = sides[1];
  }
};

/// Reads run lengths {"size", "counts"} or a point {"x", "y"} of a polygon, which is appended.
/// Returns whether it is a point.
bool Sa1bMaskReader::read_object(JsonScanner& json, Segment& segment) {
  std::optional<double> x, y;
  json.object([&](std::string_view part) {
    if (part == "size") {
      segment.read_size(json);
    } else if (part == "counts") {
      read_counts(json, segment);
    } else if (part == "x") {
      x = json.try_number();
    } else if (part == "y") {
      y = json.try_number();
    } else {
      json.skip();
    }
  });
  if (!x || !y) return false;
  add_coordinate(x, segment);
  add_coordinate(y, segment);
  return true;
}

void Sa1bMaskReader::read_counts(JsonScanner& json, Segment& segment) {
  if (segment.kind != Segment::none) segment.fault = "has more than one run-length mask";
  const char first = json.peek();
  if (first == '"') {
    segment.kind = Segment::text;
    segment.string = json.string(text_);
  } else if (first == '[') {
    segment.kind = Segment::runs;
    counts_.clear();
    json.array([&] {
      const int64_t count = json.try_whole(0, UINT32_MAX);
      if (count < 0)
        segment.fault = "has a run that is not a length of at least 0";
      else
        counts_.push_back(static_cast<uint32_t>(count));
    });
  } else {
    json.skip();
  }
}

void Sa1bMaskReader::add_coordinate(std::optional<double> value, Segment& segment) {
  if (!value || std::abs(*value) > kFarthest)
    segment.fault = "has a coordinate that is not a number of pixels";
  points_.push_back(value.value_or(0));
}

/// Tools write polygons as [[x, y, x, y, …], …], [x, y, …], [[x, y], …] or [[[x, y], …], …].
/// Appends coordinates to points_ and their number per polygon to corners_. Returns the count of
/// numbers directly in this list.
size_t Sa1bMaskReader::read_list(JsonScanner& json, Segment& segment) {
  const size_t first = corners_.size();
  size_t numbers = 0, lists = 0;
  bool pairs = true;
  json.array([&] {
    const char c = json.peek();
    if (c == '[') {
      ++lists;
      pairs = read_list(json, segment) == 2 && pairs;
    } else if (c != '{') {
      ++numbers;
      add_coordinate(json.try_number(), segment);
    } else if (read_object(json, segment)) {
      ++lists;
      corners_.push_back(2);
    }
  });
  if (lists == 0) {
    corners_.push_back(static_cast<uint32_t>(numbers));
    return numbers;
  }
  if (numbers > 0) segment.fault = "has numbers beside lists of numbers";
  if (pairs) {  // the points of one polygon
    corners_.resize(first);
    corners_.push_back(static_cast<uint32_t>(2 * lists));
  }
  return 0;
}

/// Drops polygons of fewer than three points or an odd number of coordinates. Returns whether any
/// is left.
bool Sa1bMaskReader::keep_polygons() {
  size_t from = 0, to = 0, kept = 0;
  for (const uint32_t n : corners_) {
    if (n >= 6 && n % 2 == 0) {
      std::copy_n(points_.begin() + static_cast<int64_t>(from), n,
                  points_.begin() + static_cast<int64_t>(to));
      to += n;
      corners_[kept++] = n / 2;
    }
    from += n;
  }
  points_.resize(to);
  corners_.resize(kept);
  return kept > 0;
}

void Sa1bMaskReader::read_segmentation(JsonScanner& json, Segment& segment) {
  segment = {};
  const char first = json.peek();
  points_.clear();
  corners_.clear();
  if (first == '{') {
    read_object(json, segment);
  } else if (first == '[') {
    read_list(json, segment);
    if (segment.kind == Segment::none && !points_.empty()) segment.kind = Segment::polygons;
  } else {
    json.skip();
  }
}

void Sa1bMaskReader::begin(int64_t height, int64_t width, MaskRuns& out) {
  out.height = height;
  out.width = width;
  out.counts.clear();
  out.masks.clear();
  out.left_out = {};
}

void Sa1bMaskReader::add(JsonScanner& json, const std::string& name, int64_t number, bool crowds,
                         MaskRuns& out) {
  json.enter_part("annotation", number);
  Segment segment;
  bool crowd = false;
  if (json.peek() == '{') {
    json.object([&](std::string_view key) {
      if (key == "iscrowd")
        crowd = json.flag();
      else if (key == "segmentation")
        read_segmentation(json, segment);
      else if (key == "id")
        json.name_part(json.raw());
      else
        json.skip();
    });
  } else {
    json.skip();
  }
  if (crowd && !crowds)
    ++out.left_out.crowds;
  else
    take(segment, json, name, out);
  json.leave_part();
}

/// Reads a LabelMe shape: {"points": [[x, y], …], "shape_type": "polygon"}; other types are not
/// masks.
void Sa1bMaskReader::add_shape(JsonScanner& json, const std::string& name, int64_t number,
                               MaskRuns& out) {
  json.enter_part("shape", number);
  Segment segment;
  bool polygon = true;
  if (json.peek() == '{') {
    json.object([&](std::string_view key) {
      if (key == "points")
        read_segmentation(json, segment);
      else if (key == "shape_type")
        polygon = json.raw() == "\"polygon\"";
      else
        json.skip();
    });
  } else {
    json.skip();
  }
  if (polygon)
    take(segment, json, name, out);
  else
    leave_out(out, name, json, "has no mask: it is no polygon", false);
  json.leave_part();
}

/// Adds the mask that was read, or counts it as left out.
void Sa1bMaskReader::take(const Segment& segment, const JsonScanner& json, const std::string& name,
                          MaskRuns& out) {
  const bool polygons = segment.kind == Segment::polygons;
  if (segment.fault) return leave_out(out, name, json, segment.fault, true);
  if (segment.kind == Segment::none)
    return leave_out(out, name, json, "has no mask: neither run lengths nor polygons", false);
  if (polygons && !keep_polygons()) {
    return leave_out(out, name, json, "has no polygon of at least three points x, y", false);
  }
  if (segment.height == 0 && out.height == 0) {
    needs_size_ = true;
    return leave_out(out, name, json, "has no size, and neither has its image", true);
  }
  if (out.height == 0) out.height = segment.height, out.width = segment.width;
  if (segment.height != 0 && (segment.height != out.height || segment.width != out.width)) {
    fail_in(name, json.part(), " has a mask of ", segment.height, "×", segment.width,
            " pixels where the image or the masks before have ", out.height, "×", out.width);
  }
  try {
    if (polygons)
      filler_.fill(points_, corners_, out.height, out.width, counts_);
    else if (segment.kind == Segment::text)
      parse_counts(segment.string, out.height, out.width, counts_);
    else
      complete_rle(counts_, out.height, out.width);
  } catch (const Error& e) {
    return leave_out(out, name, json, str("cannot be used: ", e.what()), true);
  }
  const int64_t area = rle_area(counts_);
  if (area == 0) return;
  out.masks.push_back({out.counts.size(), counts_.size(), area});
  out.counts.insert(out.counts.end(), counts_.begin(), counts_.end());
}

bool Sa1bMaskReader::end(const MaskSource& source, const std::string& name, int64_t max_masks,
                         MaskRuns& out) {
  const bool again = std::exchange(needs_size_, false);
  if (again && (out.height > 0 || source.height > 0)) {
    if (out.height > 0)
      begin(out.height, out.width, out);
    else
      begin(source.height, source.width, out);
    return false;
  }
  if (out.masks.empty() && out.left_out.broken > 0) {
    fail_in(name, "none of its annotations is a mask that can be used: ", out.left_out.first);
  }
  keep_largest(out, max_masks);
  return true;
}

void Sa1bMaskReader::read(const std::filesystem::path& path, int64_t max_masks, MaskRuns& out) {
  const std::string text = read_text(path);
  parse(text, path.string(), max_masks, out);
}

/// Parses the file once and adds all valid masks.
void Sa1bMaskReader::walk(std::string_view text, const std::string& name, bool crowds,
                          MaskRuns& out) {
  JsonScanner json(text, name);
  int64_t number = 0, images = 0;
  bool listed = false;
  image_height_ = image_width_ = 0;
  const auto list = [&] {
    listed = true;
    json.array([&] { add(json, name, number++, crowds, out); });
  };
  const auto read_size = [&] {
    read_image_size(json, image_height_, image_width_);
    if (out.height == 0) out.height = image_height_, out.width = image_width_;
  };
  if (json.peek() == '[') {  // as SAM's script writes it
    list();
  } else {
    json.object([&](std::string_view key) {
      const char first = json.peek();
      if (key == "image" && first == '{') {
        read_size();
      } else if (key == "images" && first == '[') {  // COCO's form for one image
        json.array([&] {
          if (++images == 1 && json.peek() == '{')
            read_size();
          else
            json.skip();
        });
      } else if (key == "annotations" && first == '[') {
        list();
      } else if (key == "annotations" && first == '{') {
        listed = true;
        json.object([&](std::string_view) { add(json, name, number++, crowds, out); });
      } else if (key == "shapes" && first == '[') {  // LabelMe's form
        listed = true;
        json.array([&] { add_shape(json, name, number++, out); });
      } else if (key == "imageHeight") {
        image_height_ = std::max<int64_t>(json.try_whole(1, kMaxSide), 0);
      } else if (key == "imageWidth") {
        image_width_ = std::max<int64_t>(json.try_whole(1, kMaxSide), 0);
      } else {
        listed = listed || (key == "annotations" && first == 'n');
        json.skip();
      }
    });
  }
  json.finish();
  if (image_height_ == 0 || image_width_ == 0) image_height_ = image_width_ = 0;
  if (!listed) fail_in(name, "there is no \"annotations\" in it: SA-1B's JSON form was expected");
  if (images > 1) {
    fail_in(name, "it lists ", images,
            " images, so that its masks are not of one: give this file itself as `masks` ",
            "(kind: coco)");
  }
}

void Sa1bMaskReader::parse(std::string_view text, const std::string& name, int64_t max_masks,
                           MaskRuns& out, const MaskSource& source) {
  begin(0, 0, out);
  needs_size_ = false;
  do {
    walk(text, name, source.crowds, out);
    const bool known = image_height_ > 0 && out.height > 0;
    if (known && (image_height_ != out.height || image_width_ != out.width)) {
      fail_in(name, "the masks have ", out.height, "×", out.width, " pixels but the image ",
              image_height_, "×", image_width_, " (height × width)");
    }
    if (out.height == 0) out.height = image_height_, out.width = image_width_;
  } while (!end(source, name, max_masks, out));
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
  for_each_run(labels, [&](int32_t id, int64_t begin, int64_t end) {
    runs.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  });
  std::stable_sort(runs.begin(), runs.end(),
                   [](const Run& a, const Run& b) { return a.id < b.id; });
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
    out.counts.push_back(static_cast<uint32_t>(labels.height * labels.width) - end);
    mask.count = out.counts.size() - mask.begin;
    out.masks.push_back(mask);
  }
  keep_largest(out, max_masks);
}

}  // namespace pixelclip
