#pragma once

#include <memory>
#include <tuple>
#include <vector>

#include "data/sa1b.hpp"

namespace pixelclip {

/// Shared by the files in the folder: a million pairs refer to few folders.
using Folder = std::shared_ptr<const std::string>;

/// A sample before it is added to the index.
struct TrainPair {
  Folder image_folder = {};  ///< or the archive
  std::string image = {};
  Folder annotation_folder = {};
  std::string annotation = {};
  uint64_t image_at = 0, masks_at = 0;
  uint32_t image_size = 0, masks_size = 0;
  MaskForm form = MaskForm::json;
  bool archive = false;
  uint16_t coco = 0;

  auto key() const { return std::tie(*image_folder, image); }
};

/// The samples of one folder or archive.
struct ScanResult {
  std::vector<TrainPair> pairs = {};
  int64_t images_alone = 0, annotations_alone = 0, listed_missing = 0;
  int64_t by_last_parts = 0;  ///< matched by the last parts of their paths
  std::string example = {};   ///< path of an unmatched annotation, as in the list

  void add(ScanResult&& other) {
    std::move(other.pairs.begin(), other.pairs.end(), std::back_inserter(pairs));
    other.pairs = {};
    images_alone += other.images_alone;
    annotations_alone += other.annotations_alone;
    listed_missing += other.listed_missing;
    by_last_parts += other.by_last_parts;
    if (example.empty()) example = std::move(other.example);
  }
};

struct ScanOptions {
  bool with_annotations = true;
  MaskForm form = MaskForm::json;
  int64_t ignore = 0;
};

/// Whether a name ends with one of the suffixes (given in lower case), ignoring case.
bool has_suffix(std::string_view name, std::initializer_list<std::string_view> suffixes);
/// Whether the name is that of an image, or of a label image (never a JPEG).
bool is_image(std::string_view name);
bool is_id_image(std::string_view name);

std::vector<ScanResult> scan(const Sa1bFolders& where, const ScanOptions& options);
ScanResult scan_coco(const std::filesystem::path& images, const CocoMasks& coco, uint16_t number);
std::vector<ScanResult> scan_shards(const std::vector<std::filesystem::path>& shards,
                                    const ScanOptions& options);
Sa1bFolders folders_of(const std::filesystem::path& shard);

}  // namespace pixelclip
