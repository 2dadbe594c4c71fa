#include "pixelclip/data/coco_masks.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "json_scanner.hpp"
#include "pixelclip/base/error.hpp"

namespace pixelclip {
namespace {

constexpr int64_t kLongestSide = 1 << 20;

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

CocoMasks::Picture read_picture(JsonScanner& json, int64_t& id) {
  CocoMasks::Picture picture;
  std::string scratch;
  id = -1;
  json.object([&](std::string_view key) {
    if (key == "id") id = json.integer();
    else if (key == "file_name") picture.name = json.string(scratch);
    else if (key == "height") picture.height = json.integer();
    else if (key == "width") picture.width = json.integer();
    else json.skip();
  });
  const bool sized = picture.height >= 1 && picture.height <= kLongestSide && picture.width >= 1 &&
                     picture.width <= kLongestSide;
  if (id < 0 || picture.name.empty() || !sized) {
    json.wrong("a picture with id, file_name, height and width before this");
  }
  return picture;
}

}  // namespace

CocoMasks::CocoMasks(const std::filesystem::path& path) : file_(path) {
  struct Found {
    int64_t image;
    Place place;
  };
  const std::string name = path.string();
  std::vector<Found> found;
  std::unordered_map<int64_t, size_t> by_id;
  JsonScanner json(text_of(file_), name);
  bool listed = false;
  json.object([&](std::string_view key) {
    if (key == "images") {
      json.array([&] {
        int64_t id;
        Picture picture = read_picture(json, id);
        if (!by_id.emplace(id, pictures_.size()).second) json.wrong(str("another id than ", id));
        pictures_.push_back(std::move(picture));
      });
    } else if (key == "annotations") {
      listed = true;
      json.array([&] {
        json.peek();
        Found one{-1, {json.position(), 0, static_cast<uint32_t>(found.size())}};
        json.object([&](std::string_view member) {
          if (member == "image_id") one.image = json.integer();
          else json.skip();
        });
        const uint64_t size = json.position() - one.place.begin;
        if (one.image < 0 || size > UINT32_MAX) json.wrong("an annotation with an image_id before this");
        one.place.size = static_cast<uint32_t>(size);
        found.push_back(one);
      });
    } else {
      json.skip();
    }
  });
  json.finish();
  if (!listed || pictures_.empty()) {
    fail(name, ": there are no \"images\" and \"annotations\" in it; COCO's instance JSON was expected");
  }
  std::erase_if(found, [&](Found& one) {
    const auto at = by_id.find(one.image);
    if (at == by_id.end()) return ++strays_, true;
    one.image = static_cast<int64_t>(at->second);
    return false;
  });
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.image < b.image; });
  places_.reserve(found.size());
  for (const Found& one : found) {
    Picture& picture = pictures_[one.image];
    if (picture.count++ == 0) picture.first = places_.size();
    places_.push_back(one.place);
  }
}

void CocoMasks::read(int64_t picture, int64_t max_masks, Sa1bMaskReader& reader, MaskRuns& out) const {
  const Picture& p = pictures_.at(static_cast<size_t>(picture));
  const std::string name = path().string();
  Sa1bMaskReader::begin(p.height, p.width, out);
  for (uint64_t i = p.first; i < p.first + p.count; ++i) {
    const Place& place = places_[i];
    JsonScanner json(text_of(file_).substr(0, place.begin + place.size), name, place.begin);
    reader.add(json, name, place.number, out);
  }
  keep_largest(out, max_masks);
}

}  // namespace pixelclip
