#include "config/custom_dataset.hpp"

#include <algorithm>
#include <cctype>

#include "base/error.hpp"
#include "base/text.hpp"

namespace pixelclip {

namespace config {
namespace {

using Kind = RawValue::Kind;

[[noreturn]] void refuse(const RawValue& value, const std::string& entry, const char* expected) {
  fail(value.place, ": DATASETS.CUSTOM: ", entry, " is ", value.describe(), "; expected ",
       expected);
}

std::string text_of(const RawValue& value, const std::string& entry) {
  if (value.kind != Kind::text) refuse(value, entry, "a text");
  return value.text;
}

int64_t label_of(const RawValue& value, const std::string& entry) {
  if (value.kind != Kind::integer || value.integer < 0 || value.integer > 65535) {
    refuse(value, entry, "an integer from 0 to 65535");
  }
  return value.integer;
}

/// {label: class, …}, or a list whose place is the label.
std::vector<std::pair<int64_t, int64_t>> id_map_of(const RawValue& value) {
  std::vector<std::pair<int64_t, int64_t>> map;
  if (value.kind == Kind::list) {
    for (size_t i = 0; i < value.list.size(); ++i)
      map.emplace_back(i, label_of(value.list[i], "id_map"));
  } else if (value.kind == Kind::map) {
    for (const auto& [label, target] : value.map) {
      map.emplace_back(label_of(label, "id_map"), label_of(target, "id_map"));
    }
  } else {
    refuse(value, "id_map", "{label: class, …} or a list with a class for each label");
  }
  return map;
}

void read_names(const RawValue& value, CustomDataset& set) {
  if (value.kind == Kind::text) {
    set.names_file = value.text;
    return;
  }
  if (value.kind != Kind::list)
    refuse(value, "names", "a list of names or the path of a JSON file");
  for (const RawValue& name : value.list) set.names.push_back(text_of(name, "names"));
}

void read_entry(const std::string& entry, const RawValue& key, const RawValue& value,
                CustomDataset& set) {
  if (entry == "name") {
    set.name = text_of(value, entry);
  } else if (entry == "kind") {
    const auto kind = parse_spelling<CustomKind>(text_of(value, entry));
    if (!kind || *kind == CustomKind::automatic) {
      refuse(value, entry, "one of sa1b, coco, id_png, images, sem_seg");
    }
    set.kind = *kind;
  } else if (entry == "images") {
    set.images = text_of(value, entry);
  } else if (entry == "masks") {
    set.masks = text_of(value, entry);
  } else if (entry == "labels") {
    set.labels = text_of(value, entry);
  } else if (entry == "label_suffix") {
    set.label_suffix = text_of(value, entry);
  } else if (entry == "image_suffix") {
    set.image_suffix = text_of(value, entry);
  } else if (entry == "list") {
    set.list = text_of(value, entry);
  } else if (entry == "names") {
    read_names(value, set);
  } else if (entry == "ignore") {
    set.ignore = label_of(value, entry);
  } else if (entry == "id_map") {
    set.id_map = id_map_of(value);
  } else {
    fail(key.place, ": unknown entry ", key.text, " of a set in DATASETS.CUSTOM",
         did_you_mean(entry, {"name", "kind", "images", "masks", "labels", "label_suffix",
                              "image_suffix", "list", "names", "ignore", "id_map"}),
         "; a set has name, kind, images, masks, labels, label_suffix, image_suffix, list, names, "
         "ignore, id_map");
  }
}

}  // namespace

CustomDataset read_custom_dataset(const RawValue& value) {
  if (value.kind != Kind::map) refuse(value, "a set", "a map such as {name: mine, images: photos}");
  CustomDataset set;
  for (const auto& [key, item] : value.map) {
    read_entry(lower_ascii(key.text), key, item, set);
  }
  if (set.name.empty()) fail(value.place, ": DATASETS.CUSTOM: a set has no name");
  const std::string who = str(value.place, ": DATASETS.CUSTOM: the set ", set.name);
  if (set.images.empty()) fail(who, " names no folder of images");
  if (!set.masks.empty() && !set.labels.empty()) {
    fail(who, " has masks (to train on) and labels (to score with); declare two sets");
  }
  if (set.labels.empty() &&
      !(set.label_suffix.empty() && set.image_suffix.empty() && set.list.empty())) {
    fail(who, " has label_suffix, image_suffix or list, which belong to a set with labels");
  }
  if (!set.labels.empty() && set.names.empty() && set.names_file.empty()) {
    fail(who, " has labels but no names of the classes");
  }
  return set;
}

}  // namespace config
}  // namespace pixelclip
