#include "data/sa1b.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>

#include "base/error.hpp"
#include "base/listing.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "data/archive.hpp"
#include "data/sa1b_scan.hpp"
#include "data/shard.hpp"
#include "data/tar.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

void report(const std::string& where, const ScanResult& sum) {
  std::string left_out;
  const auto mention = [&](int64_t count, const char* what) {
    if (count > 0) left_out += str(left_out.empty() ? " (left out: " : ", ", count, " ", what);
  };
  mention(sum.images_alone, "images without annotations");
  mention(sum.annotations_alone, "annotations without an image");
  mention(sum.listed_missing, "listed pairs whose files are missing");
  if (!left_out.empty()) left_out += ")";
  log::info("training images in ", where, ": ", sum.pairs.size(), left_out);
}

/// Merges the parts: all pairs, sorted, without duplicates.
ScanResult merge(std::vector<ScanResult>&& parts) {
  ScanResult sum;
  for (ScanResult& part : parts) sum.add(std::move(part));
  const auto by_key = [](const auto& a, const auto& b) { return a.key() < b.key(); };
  std::sort(sum.pairs.begin(), sum.pairs.end(), by_key);
  const auto same = [](const auto& a, const auto& b) { return a.key() == b.key(); };
  sum.pairs.erase(std::unique(sum.pairs.begin(), sum.pairs.end(), same), sum.pairs.end());
  return sum;
}

/// Whether the tar file that a compact shard was made from exists and has changed since.
bool is_stale(const fs::path& compact, const fs::path& published) {
  if (!is_tar(published)) return false;
  const uint64_t made_from = shard_source(compact).size;
  if (made_from == 0 || made_from == source_of(published).size) return false;
  log::warn(
      published.string(), " has changed since ", compact.filename().string(),
      " was made from it, and is read instead; `pixelclip prepare sa1b --compact` makes that anew");
  return true;
}

/// Decodes the image of one mask: 0 where it is black, 1 elsewhere.
LabelMap decode_mask(std::span<const uint8_t> bytes, const std::string& name) {
  LabelMap mask;
  try {
    mask = decode_labels(bytes, name);
  } catch (const Error&) {  // saved in color
    const Image image = decode_rgb(bytes, name, {.orient = false});
    mask = {image.height, image.width,
            std::vector<int32_t>(static_cast<size_t>(image.height * image.width))};
    for (size_t i = 0; i < mask.ids.size(); ++i) {
      const uint8_t* p = image.pixels.data() + 3 * i;
      mask.ids[i] = p[0] | p[1] | p[2];
    }
  }
  for (int32_t& id : mask.ids) id = id != 0;
  return mask;
}

void add_mask(const LabelMap& mask, MaskRuns& out) {
  const Rle rle = rle_from_label(mask, 1);
  const int64_t area = rle_area(rle.counts);
  if (area == 0) return;
  out.masks.push_back({out.counts.size(), rle.counts.size(), area});
  out.counts.insert(out.counts.end(), rle.counts.begin(), rle.counts.end());
}

}  // namespace

void Sa1bSample::read_image(std::vector<uint8_t>& out) const {
  if (archive.empty()) return read_bytes(image, 0, kWholeFile, out);
  read_bytes(archive, image_at, image_size, out);
}

void SampleMasks::read(const Sa1bSample& sample, int64_t height, int64_t width, int64_t max_masks,
                       MaskRuns& out) {
  const MaskSource source{height, width, sample.crowds};
  if (sample.form == MaskForm::coco) {
    return sample.coco->read(static_cast<int64_t>(sample.masks_at), max_masks, source, reader_,
                             out);
  }
  if (sample.form == MaskForm::mask_folder) return read_mask_folder(sample, max_masks, out);
  if (sample.archive.empty())
    read_bytes(sample.annotation, 0, kWholeFile, bytes_);
  else
    read_bytes(sample.archive, sample.masks_at, sample.masks_size, bytes_);
  const std::string& name = sample.annotation;
  if (sample.form == MaskForm::runs) {
    read_runs(bytes_, name, max_masks, out);
  } else if (sample.form == MaskForm::ids) {
    masks_of_ids(decode_labels(bytes_, name), static_cast<int64_t>(sample.masks_at), max_masks,
                 out);
  } else {
    reader_.parse({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}, name, max_masks,
                  out, source);
  }
}

void SampleMasks::read_mask_folder(const Sa1bSample& sample, int64_t max_masks, MaskRuns& out) {
  const FileList list = list_files_below(sample.annotation);
  Sa1bMaskReader::begin(0, 0, out);
  for (const fs::path& file : list.files) {
    if (!has_suffix(file.native(), {".png"})) continue;
    LabelMap mask;
    try {
      read_bytes(file, 0, kWholeFile, bytes_);
      mask = decode_mask(bytes_, file.string());
    } catch (const Error& e) {
      ++out.left_out.unusable, ++out.left_out.broken;
      if (out.left_out.first.empty()) out.left_out.first = e.what();
      continue;
    }
    if (out.height == 0) out.height = mask.height, out.width = mask.width;
    if (mask.height != out.height || mask.width != out.width) {
      fail(file.string(), ": the mask has ", mask.height, "×", mask.width,
           " pixels where others beside it have ", out.height, "×", out.width);
    }
    add_mask(mask, out);
  }
  if (out.masks.empty() && out.left_out.broken > 0) {
    fail_in(sample.annotation, "none of its masks can be used: ", out.left_out.first);
  }
  keep_largest(out, max_masks);
}

std::vector<Sa1bFolders> Sa1bIndex::layouts(const fs::path& root) {
  return {{root / "resized_images", root / "resized_annotations"},
          {root / "images", root / "annotations"}};
}

void Sa1bIndex::add(const std::vector<Sa1bFolders>& candidates, MaskForm form, int64_t ignore) {
  const auto there = std::find_if(candidates.begin(), candidates.end(), [&](const auto& where) {
    std::error_code ignored;
    return fs::is_directory(where.images, ignored) &&
           (!with_annotations_ || fs::is_directory(where.annotations, ignored));
  });
  if (there == candidates.end()) {
    std::string tried;
    for (const Sa1bFolders& where : candidates) {
      tried += str(tried.empty() ? "" : " or ", where.images.string());
      if (with_annotations_) tried += str(" with ", where.annotations.string());
    }
    fail("no training images: looked for the folders ", tried,
         "; point SAM_DATASETS (DATASETS.SAM_ROOT) at the folder that holds them");
  }
  ScanResult found = merge(scan(*there, {with_annotations_, form, ignore}));
  report(there->images.string(), found);
  if (found.pairs.empty()) {
    fail("no training images in ", there->images.string(),
         with_annotations_ ? str(" that have a ", form == MaskForm::ids ? "PNG" : "JSON",
                                 " file of the same name in ", there->annotations.string())
                           : "",
         ": SA-1B's layout is images/sa_0000NN/sa_N.jpg with annotations/sa_0000NN/sa_N.json");
  }
  append(std::move(found));
}

void Sa1bIndex::add_shards(const std::vector<fs::path>& shards) {
  ScanResult found = merge(scan_shards(shards, {.with_annotations = with_annotations_}));
  const std::string where =
      shards.size() == 1 ? shards.front().string()
                         : str(shards.size(), " shards in ", shards.front().parent_path().string());
  report(where, found);
  if (found.pairs.empty()) fail("no pair of an image and a JSON file of the same name in ", where);
  append(std::move(found));
}

std::vector<fs::path> Sa1bIndex::shards_below(const fs::path& root) {
  struct Copies {
    fs::path published, compact;
  };
  std::map<std::string, Copies> by_name;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    std::error_code ignored;
    if (is_hidden(path.filename().native())) continue;
    const bool folder = it->is_directory(ignored) && path.filename().string().starts_with("sa_");
    if (!folder && !is_tar(path) && !is_shard(path)) continue;
    auto& [published, compact] = by_name[folder ? path.filename().string() : path.stem().string()];
    if (is_shard(path))
      compact = path;
    else if (published.empty() || is_tar(path))
      published = path;
  }
  std::vector<fs::path> shards;
  for (const auto& [name, copies] : by_name) {
    const auto& [published, compact] = copies;
    shards.push_back(compact.empty() || is_stale(compact, published) ? published : compact);
  }
  return shards;
}

std::vector<fs::path> Sa1bIndex::read_shard_list(const fs::path& list, const fs::path& root) {
  std::istringstream text(read_text(list));
  std::vector<fs::path> shards;
  for (std::string line; std::getline(text, line);) {
    line = trimmed(line);
    if (line.empty() || line[0] == '#') continue;
    shards.push_back(root / line);
    std::error_code ignored;
    if (!fs::exists(shards.back(), ignored)) {
      fail(list.string(), " names ", shards.back().string(), ", which does not exist");
    }
  }
  if (shards.empty())
    fail(list.string(), ": it is empty; one tar file, shard or folder per line was expected");
  return shards;
}

void Sa1bIndex::add_coco(const fs::path& images, const fs::path& annotations) {
  if (coco_.size() == std::numeric_limits<uint16_t>::max()) fail("too many COCO files");
  coco_.push_back(std::make_shared<const CocoMasks>(annotations, crowds_));
  const CocoMasks& coco = *coco_.back();
  std::vector<ScanResult> parts;
  parts.push_back(scan_coco(images, coco, static_cast<uint16_t>(coco_.size() - 1)));
  ScanResult found = merge(std::move(parts));
  report(images.string(), found);
  if (coco.strays() > 0) {
    log::warn(annotations.string(), ": ", coco.strays(),
              " annotations are of images it does not list");
  }
  if (coco.unusable() > 0) {
    log::warn(annotations.string(), ": ", coco.unusable(),
              " of its images are left out: ", coco.first_unusable());
  }
  if (coco.crowd_regions() > 0) {
    log::info(annotations.string(), ": ", coco.crowd_regions(), " crowd regions (iscrowd 1) are ",
              coco.uses_crowds() ? "masks like any other" : "left out",
              "; see DATASETS.CROWD_REGIONS");
  }
  if (!found.example.empty()) {
    log::warn(annotations.string(), ": ", found.annotations_alone, " of its images are not below ",
              images.string(), ", for example ", printable(found.example));
  }
  if (found.by_last_parts > 0) {
    log::info(annotations.string(), ": ", found.by_last_parts, " images were found below ",
              images.string(), " by the last parts of their paths");
  }
  if (found.pairs.empty()) {
    fail("none of the images that ", annotations.string(), " names lies below ", images.string(),
         ", for example ", printable(found.example));
  }
  append(std::move(found));
}

void Sa1bIndex::append(ScanResult&& found) {
  left_out_ += found.images_alone + found.annotations_alone + found.listed_missing;
  entries_.reserve(entries_.size() + found.pairs.size());
  std::map<std::string, uint32_t> known;
  const auto folder = [&](const std::string& name) {
    const auto [it, fresh] = known.try_emplace(name, static_cast<uint32_t>(folders_.size()));
    if (fresh) folders_.push_back(name);
    return it->second;
  };
  for (const TrainPair& pair : found.pairs) {
    entries_.push_back({names_.size(), pair.image_at, pair.masks_at, pair.image_size,
                        pair.masks_size, folder(*pair.image_folder),
                        folder(*pair.annotation_folder), static_cast<uint16_t>(pair.image.size()),
                        static_cast<uint16_t>(pair.annotation.size()), pair.form, pair.archive,
                        pair.coco});
    names_ += pair.image;
    names_ += pair.annotation;
  }
  names_.shrink_to_fit();
}

Sa1bSample Sa1bIndex::operator[](int64_t index) const {
  const Entry& entry = entries_.at(static_cast<size_t>(index));
  const auto name = std::string_view(names_).substr(entry.names, entry.image_length);
  const auto annotation =
      std::string_view(names_).substr(entry.names + entry.image_length, entry.annotation_length);
  const std::string& folder = folders_[entry.image_folder];
  Sa1bSample sample{.image = str(folder, entry.archive ? ":" : "/", name), .annotation = {}};
  sample.form = entry.form;
  if (entry.archive) sample.archive = folder;
  sample.image_at = entry.image_at, sample.masks_at = entry.masks_at;
  sample.image_size = entry.image_size, sample.masks_size = entry.masks_size;
  if (!with_annotations_) return sample;
  const std::string& masks = folders_[entry.annotation_folder];
  sample.crowds = crowds_ != CrowdRegions::leave_out;
  if (entry.form == MaskForm::coco) {
    sample.coco = coco_[entry.coco].get();
    sample.annotation = masks;
  } else if (entry.form == MaskForm::runs) {
    sample.annotation = sample.image;
  } else {
    sample.annotation = str(masks, entry.archive ? ":" : "/", annotation);
  }
  return sample;
}

size_t Sa1bIndex::memory() const {
  size_t bytes = entries_.capacity() * sizeof(Entry) + names_.capacity();
  for (const std::string& folder : folders_) bytes += sizeof(folder) + folder.capacity();
  return bytes;
}

uint64_t Sa1bIndex::checksum() const {
  NameSum sum;
  for (const Entry& entry : entries_) {
    sum.add(std::string_view(names_).substr(entry.names, entry.image_length));
  }
  return sum.value();
}

}  // namespace pixelclip
