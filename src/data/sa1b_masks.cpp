#include "pixelclip/data/sa1b_masks.hpp"

#include <algorithm>

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

/// One annotation as it stands in the file; members may come in any order.
struct Segment {
  int64_t height = 0, width = 0;
  bool crowd = false, compressed = false, found = false;
  std::string_view text;

  void read_size(JsonScanner& json) {
    int position = 0;
    json.array([&] {
      if (position > 1) json.wrong("[height, width]");
      (position++ == 0 ? height : width) = side(json);
    });
    if (position != 2) json.wrong("[height, width]");
  }

  void read_counts(JsonScanner& json, std::string& scratch, std::vector<uint32_t>& counts) {
    found = true;
    compressed = json.peek() == '"';
    if (compressed) {
      text = json.string(scratch);
      return;
    }
    counts.clear();
    json.array([&] {
      const int64_t count = json.integer();
      if (count < 0 || count > UINT32_MAX) json.wrong("a run length of at least 0");
      counts.push_back(static_cast<uint32_t>(count));
    });
  }

  void read(JsonScanner& json, std::string& scratch, std::vector<uint32_t>& counts) {
    json.object([&](std::string_view key) {
      if (key == "iscrowd") {
        crowd = truth(json);
      } else if (key == "segmentation") {
        if (json.peek() != '{') json.wrong("a run-length mask {\"size\", \"counts\"}");
        json.object([&](std::string_view part) {
          if (part == "size") read_size(json);
          else if (part == "counts") read_counts(json, scratch, counts);
          else json.skip();
        });
      } else {
        json.skip();
      }
    });
  }
};

void keep_largest(MaskRuns& out, int64_t max_masks) {
  std::stable_sort(out.masks.begin(), out.masks.end(),
                   [](const auto& a, const auto& b) { return a.area > b.area; });
  if (static_cast<int64_t>(out.masks.size()) > max_masks) {
    out.masks.resize(static_cast<size_t>(max_masks));
  }
}

}  // namespace

void Sa1bMaskReader::read(const std::filesystem::path& path, int64_t max_masks, MaskRuns& out) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string(), max_masks, out);
}

void Sa1bMaskReader::parse(std::string_view text, const std::string& name, int64_t max_masks,
                           MaskRuns& out) {
  out.height = out.width = 0;
  out.counts.clear();
  out.masks.clear();
  JsonScanner json(text, name);
  int64_t number = 0, image_height = 0, image_width = 0;
  bool listed = false;
  const auto add = [&](const Segment& segment) {
    const auto where = [&] { return str(name, ": annotation ", number); };
    if (!segment.found || segment.height == 0) {
      fail(where(), " has no run-length mask {\"size\": [h, w], \"counts\": …}");
    }
    if (out.height == 0) out.height = segment.height, out.width = segment.width;
    if (segment.height != out.height || segment.width != out.width) {
      fail(where(), " has a mask of ", segment.height, "×", segment.width,
           " pixels where those before have ", out.height, "×", out.width);
    }
    try {
      if (segment.compressed) parse_rle(segment.text, out.height, out.width, counts_);
      else check_rle(counts_, out.height, out.width);
    } catch (const Error& e) {
      fail(where(), ": ", e.what());
    }
    const int64_t area = rle_area(counts_);
    if (area == 0) return;
    out.masks.push_back({out.counts.size(), counts_.size(), area});
    out.counts.insert(out.counts.end(), counts_.begin(), counts_.end());
  };
  json.object([&](std::string_view key) {
    if (key == "image" && json.peek() == '{') {
      json.object([&](std::string_view part) {
        if (part == "height") image_height = side(json);
        else if (part == "width") image_width = side(json);
        else json.skip();
      });
    } else if (key == "annotations") {
      listed = true;
      json.array([&] {
        Segment segment;
        segment.read(json, text_, counts_);
        if (!segment.crowd) add(segment);
        ++number;
      });
    } else {
      json.skip();
    }
  });
  json.finish();
  if (!listed) fail(name, ": there is no \"annotations\" in it: SA-1B's JSON form was expected");
  if (image_height > 0 && image_width > 0) {
    if (out.height == 0) out.height = image_height, out.width = image_width;
    if (image_height != out.height || image_width != out.width) {
      fail(name, ": the masks have ", out.height, "×", out.width, " pixels but the picture ",
           image_height, "×", image_width, " (height × width)");
    }
  }
  keep_largest(out, max_masks);
}

}  // namespace pixelclip
