#include "data/label_diagnostics.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.hpp"
#include "image/codec.hpp"

namespace pixelclip {
namespace {

using Color = std::array<uint8_t, 3>;

/// Color of an id in PASCAL VOC's palette: its bits are distributed over red, green and blue from
/// the highest bit on.
Color palette_color(int id) {
  Color color{};
  for (int shift = 7; id > 0; --shift, id >>= 3) {
    for (int c = 0; c < 3; ++c) color[c] = static_cast<uint8_t>(color[c] | (id >> c & 1) << shift);
  }
  return color;
}

/// Gray levels that Pillow computes from the palette colors of VOC's 21 classes and of 255.
std::set<int32_t> palette_greys() {
  std::set<int32_t> greys;
  for (int id = 0; id < 256; id = id == 20 ? 255 : id + 1) {
    const Color c = palette_color(id);
    greys.insert((c[0] * 19595 + c[1] * 38470 + c[2] * 7471 + 0x8000) >> 16);
  }
  return greys;
}

int32_t class_of(int32_t id, const IdMap& map, int classes, int ignore) {
  int32_t to = -1;
  if (map.classes.empty())
    to = id;
  else if (id >= 0 && static_cast<size_t>(id) < map.classes.size())
    to = map.classes[id];
  else if (map.rest_ignored)
    to = ignore;
  return to == ignore || (to >= 0 && to < classes) ? to : -1;
}

bool all_below(const IdHistogram& histogram, int32_t limit, int32_t except) {
  return std::all_of(histogram.begin(), histogram.end(), [&](const auto& entry) {
    return entry.first < limit || entry.first == except;
  });
}

/// Whether labels in a published folder contain prepared ids: classes from 0 on, and most ignored
/// pixels have the prepared value instead of the published ids.
bool looks_prepared(const IdHistogram& histogram, const IdMap& map, int classes, int ignore) {
  int64_t as_prepared = 0, as_published = 0;
  for (const auto& [id, pixels] : histogram) {
    if (id == ignore)
      as_prepared += pixels;
    else if (class_of(id, map, classes, ignore) == ignore)
      as_published += pixels;
  }
  return as_prepared > as_published && all_below(histogram, classes, ignore);
}

}  // namespace

void count_ids(const LabelMap& labels, IdHistogram& histogram) {
  for (size_t begin = 0, i = 0; i < labels.ids.size(); begin = i) {
    while (i < labels.ids.size() && labels.ids[i] == labels.ids[begin]) ++i;
    histogram[labels.ids[begin]] += static_cast<int64_t>(i - begin);
  }
}

LabelStatistics analyze_labels(const IdHistogram& histogram, const IdMap& map, int classes,
                               int ignore) {
  LabelStatistics facts{.pixels = std::vector<int64_t>(classes), .unknown = {}};
  int64_t ignored = 0, all = 0;
  for (const auto& [id, pixels] : histogram) {
    const int32_t to = class_of(id, map, classes, ignore);
    all += pixels;
    if (to < 0)
      facts.unknown[id] = pixels;
    else if (to == ignore)
      ignored += pixels;
    else
      facts.pixels[to] += pixels;
  }
  facts.ignored_share = all > 0 ? static_cast<double>(ignored) / static_cast<double>(all) : 0;
  return facts;
}

void diagnose_labels(const IdHistogram& histogram, const LabelStatistics& facts, const IdMap& map,
                     const std::vector<std::string>& names, int ignore, int64_t files,
                     std::vector<std::string>& problems, std::vector<std::string>& hints) {
  const auto classes = static_cast<int32_t>(names.size());
  const bool mapped = !map.classes.empty();
  const auto has = [&](int32_t id) { return histogram.contains(id); };
  if (!facts.unknown.empty()) {
    std::string why;
    if (!mapped && facts.unknown.size() == 1 && has(classes)) {
      why = str(": ids up to ", classes, " for ", classes,
                " classes that count from 0: does 0 mean unlabeled, and 1 the first "
                "class (id_map), or are these published labels where prepared ones belong?");
    } else if (!mapped && has(classes)) {
      why = ": published labels where prepared ones belong?";
    } else if (mapped && has(ignore) && all_below(histogram, classes, ignore)) {
      why = ": prepared labels where published ones belong?";
    } else if (facts.unknown.size() == 1 && has(65535)) {
      why = ": is 65535 what labels of 16 bits ignore here (ignore: 65535)?";
    } else if (!mapped && has(254)) {
      why = ": was 1 subtracted from ignored pixels (255) too?";
    }
    problems.push_back(str("unknown ids: ", list_of_ids(facts.unknown), why));
  }
  if (classes > 2 && histogram.size() == 2 && has(0) && has(255)) {
    problems.push_back(
        "the labels contain only 0 and 255: are they masks of one object, not classes?");
  }
  const auto greys = palette_greys();
  const bool grey_palette = histogram.size() > 2 && !all_below(histogram, classes + 1, 255) &&
                            std::all_of(histogram.begin(), histogram.end(), [&](const auto& entry) {
                              return greys.contains(entry.first);
                            });
  if (grey_palette) {
    problems.push_back(
        "the ids are the gray levels of PASCAL's palette: palette labels were read as RGB and "
        "converted to gray");
  }
  int64_t scored = 0;
  for (const int64_t pixels : facts.pixels) scored += pixels;
  if (classes < 2 || scored == 0) {
    if (files > 0 && scored == 0 && facts.unknown.empty())
      problems.push_back("no pixel belongs to a class");
    return;
  }
  if (facts.ignored_share == 0 && 2 * facts.pixels[0] > scored) {
    hints.push_back(str("no pixel is ignored and class 0 (", names[0],
                        ") covers most of the image: is 0 "
                        "meant to be ignored (",
                        ignore, ")?"));
  }
  if (mapped && facts.unknown.empty() && looks_prepared(histogram, map, classes, ignore)) {
    hints.push_back(str("all ids are below ", classes, " or ", ignore,
                        ": prepared labels where published ones belong?"));
  }
  constexpr int64_t kEnoughFiles = 20;
  if (!mapped && files >= kEnoughFiles && facts.pixels[0] == 0 && facts.pixels[classes - 1] > 0) {
    hints.push_back(
        str("class 0 (", names[0], ") never occurs but the last one does: ids one too high?"));
  }
  if (!mapped && files >= kEnoughFiles && has(254) && classes < 254) {
    hints.push_back("254 occurs: was 1 subtracted from ignored pixels (255) too?");
  }
}

std::string list_of_ids(const IdHistogram& histogram) {
  constexpr size_t kLongest = 120;
  std::string text;
  for (auto at = histogram.begin(); at != histogram.end();) {
    const int32_t first = at->first;
    int32_t last = first;
    for (++at; at != histogram.end() && at->first == last + 1; ++at) last = at->first;
    text += str(text.empty() ? "" : ", ", first);
    if (last > first) text += str(last == first + 1 ? ", " : "–", last);
    if (text.size() > kLongest) return text + ", …";
  }
  return text.empty() ? "none" : text;
}

bool holds_colors(const std::filesystem::path& path) {
  try {
    const Image image = read_rgb(path, {.orient = false});
    for (size_t i = 0; i < image.pixels.size(); i += 3) {
      const uint8_t* p = image.pixels.data() + i;
      if (p[0] != p[1] || p[1] != p[2]) return true;
    }
  } catch (const Error&) {  // the error is reported elsewhere
  }
  return false;
}

bool has_palette_colors(const std::filesystem::path& path) {
  std::set<Color> palette;
  for (int id = 0; id < 256; ++id) palette.insert(palette_color(id));
  const Image image = read_rgb(path, {.orient = false});
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    if (!palette.contains({image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]}))
      return false;
  }
  return true;
}

}  // namespace pixelclip
