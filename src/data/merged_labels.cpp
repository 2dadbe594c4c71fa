#include "data/merged_labels.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "image/rle.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

/// Ids are numbers in the published file; strings are accepted too.
std::string id_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Calls `take(key, element)` for every object in the top-level arrays that `wanted` names; nothing
/// else of the possibly large document is stored.
void for_each_element(const fs::path& path, const std::set<std::string>& wanted,
                      const std::function<void(const std::string&, const Json&)>& take) {
  const MappedFile file(path);
  std::string section;
  bool keep = false;
  const auto visit = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::key && depth == 1) {
      section = value.get<std::string>();
      keep = wanted.contains(section);
    }
    if (depth >= 1 && !keep) return false;
    if (event == Json::parse_event_t::object_end && depth == 2) {
      take(section, value);
      return false;
    }
    return true;
  };
  const auto* begin = reinterpret_cast<const char*>(file.bytes().data());
  try {
    [[maybe_unused]] const Json rest = Json::parse(begin, begin + file.bytes().size(), visit);
  } catch (const Json::parse_error& e) {
    fail(path.string(), ": invalid JSON at byte ", e.byte, " of ", file.bytes().size(),
         e.byte >= file.bytes().size() ? " (the file is cut short)" : "");
  }
}

}  // namespace

MergedLabels::MergedLabels(const fs::path& path, const std::string& phase) : path_(path) {
  std::map<std::string, std::pair<std::string, AnnotatedImage>> images;  // by image id: stem, image
  std::map<std::string, std::vector<Region>> regions;
  try {
    for_each_element(
        path, {"images", "annos_segmentation"}, [&](const auto& section, const Json& element) {
          if (section == "images") {
            if (element.at("phase").template get<std::string>() != phase) return;
            AnnotatedImage image{element.at("height"), element.at("width"), {}};
            const fs::path name = element.at("file_name").template get<std::string>();
            images[id_of(element.at("image_id"))] = {name.stem().string(), image};
            return;
          }
          const Json& runs = element.at("segmentation");
          Region region{element.at("category_id"), runs.at("size").at(0), runs.at("size").at(1),
                        ""};
          const Json& counts = runs.at("counts");
          if (counts.is_string()) {
            region.counts = counts.template get<std::string>();
          } else {
            region.counts = encode_rle(
                {region.height, region.width, counts.template get<std::vector<uint32_t>>()});
          }
          regions[id_of(element.at("image_id"))].push_back(std::move(region));
        });
  } catch (const Json::exception&) {
    fail(path.string(),
         ": it is not PASCAL-Context's merged annotation file: an element of images or "
         "annos_segmentation lacks phase, file_name, image_id, height, width, category_id or "
         "segmentation {size, counts}, or has another type there");
  }
  for (auto& [id, entry] : images) {
    const auto found = regions.find(id);
    if (found != regions.end()) entry.second.regions = std::move(found->second);
    images_[entry.first] = std::move(entry.second);
  }
  if (images_.empty()) {
    fail(path.string(), ": it lists no image with phase \"", phase,
         "\"; PASCAL-Context's trainval_merged.json was expected");
  }
}

std::vector<std::string> MergedLabels::stems() const {
  std::vector<std::string> stems;
  for (const auto& [stem, image] : images_) stems.push_back(stem);
  return stems;
}

LabelMap MergedLabels::paint(const std::string& stem) const {
  const auto found = images_.find(stem);
  if (found == images_.end()) fail(path_.string(), ": it has no labels for ", stem);
  const AnnotatedImage& image = found->second;
  constexpr int64_t kMaxPixels = int64_t{1} << 28;
  if (image.height < 1 || image.width < 1 || image.height > kMaxPixels / image.width) {
    fail(path_.string(), ": image ", stem, " cannot be ", image.width, "×", image.height);
  }
  LabelMap labels{image.height, image.width, std::vector<int32_t>(image.height * image.width)};
  std::vector<uint32_t> counts;
  for (const Region& region : image.regions) {
    if (region.height != image.height || region.width != image.width) {
      fail(path_.string(), ": a mask of ", stem, " is ", region.width, "×", region.height,
           ", its image ", image.width, "×", image.height);
    }
    try {
      parse_rle(region.counts, region.height, region.width, counts);
    } catch (const Error& e) {
      fail(path_.string(), ": a mask of ", stem, ": ", e.what());
    }
    int64_t at = 0;
    bool inside = false;
    for (const uint32_t count : counts) {
      // Runs go down the columns.
      for (const int64_t end = at + count; inside && at < end; ++at) {
        labels.ids[(at % image.height) * image.width + at / image.height] = region.category;
      }
      if (!inside) at += count;
      inside = !inside;
    }
  }
  return labels;
}

}  // namespace pixelclip
