#include "data/coco_masks.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "data/json_scanner.hpp"

namespace pixelclip {
namespace {

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// Whether "info" is that of the published COCO files.
bool names_coco(JsonScanner& json) {
  bool coco = false;
  std::string scratch;
  json.object([&](std::string_view) {
    if (json.peek() != '"') return json.skip();
    const std::string_view text = json.string(scratch);
    coco = coco || text.find("COCO Consortium") != text.npos ||
           text.find("cocodataset.org") != text.npos || text.find("mscoco.org") != text.npos;
  });
  return coco;
}

}  // namespace

/// Parses the file in one pass.
struct CocoMasks::Reader {
  /// Ids are numbers or strings; 7, 7.0 and "7" are equal. Strings and numbers beyond 64 bits are
  /// interned.
  class ImageIds {
   public:
    struct Id {
      int64_t value = 0;
      enum Kind : uint8_t { none, number, text } kind = none;
      bool operator==(const Id&) const = default;
    };
    struct Hash {
      size_t operator()(const Id& id) const {
        return std::hash<uint64_t>()(static_cast<uint64_t>(id.value) * 4 + id.kind);
      }
    };

    /// The next value; none if it is null, true, false, a list, an object or an empty string.
    Id read(JsonScanner& json) {
      const char first = json.peek();
      if (first == '"') return of_text(json.string(scratch_));
      const std::string_view raw = json.raw();
      if (first != '-' && (first < '0' || first > '9')) return {};
      if (const Id whole = of_digits(raw); whole.kind != Id::none) return whole;
      double value = 0.5;  // stays when the number is larger than a double holds
      if (raw.find_first_of(".eE") != raw.npos)
        std::from_chars(raw.data(), raw.data() + raw.size(), value);
      const bool exact = value == std::floor(value) && std::abs(value) <= 0x1p53;
      return exact ? Id{static_cast<int64_t>(value), Id::number} : intern(raw);
    }

   private:
    Id of_text(std::string_view text) {
      if (text.empty()) return {};
      const Id whole = of_digits(text);
      const bool plain = text == "0" || (text[0] != '0' && !text.starts_with("-0"));
      return whole.kind != Id::none && plain ? whole : intern(text);
    }
    static Id of_digits(std::string_view digits) {
      int64_t value = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value);
      const bool whole = error == std::errc() && end == digits.data() + digits.size();
      return whole ? Id{value, Id::number} : Id{};
    }
    Id intern(std::string_view text) {
      const auto [at, fresh] =
          texts_.try_emplace(std::string(text), static_cast<int64_t>(texts_.size()));
      return {at->second, Id::text};
    }

    std::string scratch_;
    std::unordered_map<std::string, int64_t> texts_;
  };
  using Id = ImageIds::Id;

  struct FoundAnnotation {
    Id image;
    Place place;
  };

  Reader(CocoMasks& masks, const std::string& name)
      : out(masks), name(name), json(text_of(masks.file_), name) {}

  CocoMasks& out;
  const std::string& name;
  JsonScanner json;
  ImageIds ids;
  std::unordered_map<Id, size_t, ImageIds::Hash> by_id;
  std::unordered_map<std::string, size_t> by_name;
  std::vector<FoundAnnotation> found;
  int64_t entries = 0, annotations = 0;
  bool listed = false, of_coco = false;

  void read() {
    json.object([&](std::string_view key) {
      const char first = json.peek();
      if (key == "images" && first == '[')
        json.array([&] { image_entry(); });
      else if (key == "annotations" && first == '[')
        listed = true, json.array([&] { annotation(); });
      else if (key == "info" && first == '{')
        of_coco = names_coco(json) || of_coco;
      else
        json.skip();
    });
    json.finish();
  }

  void leave_out(size_t number, const std::string& why) {
    ++out.unusable_;
    if (out.first_unusable_.empty()) out.first_unusable_ = str(name, ": image ", number, " ", why);
  }

  void image_entry() {
    json.enter_part("image", entries++);
    ImageEntry image;
    Id id;
    std::string url, path;
    if (json.peek() == '{') {
      json.object([&](std::string_view key) {
        if (key == "id")
          id = ids.read(json);
        else if (key == "file_name")
          text_into(image.name);
        else if (key == "coco_url")
          text_into(url);
        else if (key == "path")
          text_into(path);
        else if (key == "height")
          image.height = std::max<int64_t>(json.try_whole(1, kMaxSide), 0);
        else if (key == "width")
          image.width = std::max<int64_t>(json.try_whole(1, kMaxSide), 0);
        else
          json.skip();
      });
    } else {
      json.skip();
    }
    json.leave_part();
    of_coco =
        of_coco || url.find("cocodataset.org") != url.npos || url.find("mscoco.org") != url.npos;
    if (image.name.empty()) image.name = !url.empty() ? url : path;
    if (image.height == 0 || image.width == 0) image.height = image.width = 0;
    const auto number = static_cast<size_t>(entries - 1);
    if (id.kind == Id::none) return leave_out(number, "has no id");
    if (image.name.empty()) return leave_out(number, "has no file_name (and no coco_url)");
    add(id, std::move(image), number);
  }

  /// An image may be listed twice, under one id or two.
  void add(const Id& id, ImageEntry image, size_t number) {
    const auto [named, new_name] = by_name.try_emplace(image.name, out.images_.size());
    const auto [known, new_id] = by_id.try_emplace(id, named->second);
    if (!new_id && known->second != named->second) {
      ImageEntry& other = out.images_[known->second];
      if (!other.name.empty())
        leave_out(number,
                  str("and another, ", printable(other.name), ", have one id: both are left out"));
      other.name.clear();
      if (new_name) by_name.erase(named);
      return;
    }
    if (new_name) return out.images_.push_back(std::move(image));
    ImageEntry& first = out.images_[named->second];
    if (first.height == 0) first.height = image.height, first.width = image.width;
    if (image.height != 0 && (image.height != first.height || image.width != first.width)) {
      leave_out(number,
                str("(", printable(first.name), ") is listed twice, with sizes that differ"));
      first.name.clear();
    }
  }

  void text_into(std::string& out_text) {
    std::string scratch;
    if (json.peek() == '"')
      out_text = json.string(scratch);
    else
      json.skip();
  }

  void annotation() {
    json.enter_part("annotation", annotations++);
    json.peek();
    FoundAnnotation one{{}, {json.position(), 0, static_cast<uint32_t>(annotations - 1)}};
    bool crowd = false;
    if (json.peek() == '{') {
      json.object([&](std::string_view member) {
        if (member == "image_id")
          one.image = ids.read(json);
        else if (member == "iscrowd")
          crowd = json.flag();
        else if (member == "id")
          json.name_part(json.raw());
        else
          json.skip();
      });
    } else {
      json.skip();
    }
    const uint64_t size = json.position() - one.place.begin;
    if (size > UINT32_MAX || annotations > UINT32_MAX)
      json.wrong("an annotation of less than 4 GiB");
    json.leave_part();
    one.place.size = static_cast<uint32_t>(size);
    out.crowd_regions_ += crowd;
    if (one.image.kind == Id::none)
      ++out.strays_;
    else
      found.push_back(one);
  }

  /// Sorts the annotations by image.
  void sort() {
    struct Numbered {
      size_t image;
      Place place;
    };
    std::vector<Numbered> numbered;
    numbered.reserve(found.size());
    for (const FoundAnnotation& one : found) {
      const auto at = by_id.find(one.image);
      if (at == by_id.end() || out.images_[at->second].name.empty())
        ++out.strays_;
      else
        numbered.push_back({at->second, one.place});
    }
    found = {};
    std::stable_sort(numbered.begin(), numbered.end(),
                     [](const auto& a, const auto& b) { return a.image < b.image; });
    out.places_.reserve(numbered.size());
    for (const Numbered& one : numbered) {
      ImageEntry& image = out.images_[one.image];
      if (image.count++ == 0) image.first = out.places_.size();
      out.places_.push_back(one.place);
    }
  }
};

CocoMasks::CocoMasks(const std::filesystem::path& path, CrowdRegions crowds) : file_(path) {
  const std::string name = path.string();
  Reader reader(*this, name);
  reader.read();
  if (!reader.listed || reader.entries == 0) {
    fail(name,
         ": there are no \"images\" and \"annotations\" in it; COCO's instance JSON was expected");
  }
  reader.sort();
  if (places_.empty() && reader.annotations > 0) {
    fail(name, ": none of its ", reader.annotations,
         " annotations belongs to an image that it lists: \"image_id\" of ",
         "annotations and \"id\" of images do not agree",
         first_unusable_.empty() ? "" : "; " + first_unusable_);
  }
  if (std::all_of(images_.begin(), images_.end(),
                  [](const ImageEntry& p) { return p.name.empty(); })) {
    fail(name, ": none of its ", reader.entries, " images can be used: ", first_unusable_);
  }
  // In the published COCO files they are few and cover groups of objects; CVAT marks every
  // run-length mask as crowd.
  const bool of_coco = reader.of_coco && 2 * crowd_regions_ < reader.annotations;
  crowds_ = crowds == CrowdRegions::use || (crowds == CrowdRegions::automatic && !of_coco);
}

void CocoMasks::read(int64_t image, int64_t max_masks, const MaskSource& source,
                     Sa1bMaskReader& reader, MaskRuns& out) const {
  const ImageEntry& p = images_.at(static_cast<size_t>(image));
  const std::string name = path().string();
  Sa1bMaskReader::begin(p.height, p.width, out);
  do {
    for (uint64_t i = p.first; i < p.first + p.count; ++i) {
      const Place& place = places_[i];
      JsonScanner json(text_of(file_).substr(0, place.begin + place.size), name, place.begin);
      reader.add(json, name, place.number, crowds_, out);
    }
  } while (!reader.end(source, name, max_masks, out));
}

}  // namespace pixelclip
