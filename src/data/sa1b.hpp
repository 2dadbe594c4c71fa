#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/coco_masks.hpp"
#include "data/sa1b_masks.hpp"

namespace pixelclip {

/// Folders of a training set.
struct Sa1bFolders {
  std::filesystem::path images;
  std::filesystem::path annotations;  ///< may be empty when no annotations are read
};

/// How the masks of an image are stored.
enum class MaskForm : uint8_t {
  json,         ///< SA-1B's JSON
  runs,         ///< binary runs of a compact shard
  ids,          ///< a label image, each id a mask
  mask_folder,  ///< a folder with one PNG per mask, as SAM's script writes it
  coco,         ///< COCO's instance JSON, one file for all images
};

struct Sa1bSample {
  std::string image;       ///< path, or ARCHIVE:NAME
  std::string annotation;  ///< likewise; empty when no annotations are read
  MaskForm form = MaskForm::json;
  std::string archive = {};  ///< file that contains both; empty: separate files
  uint64_t image_at = 0,
           masks_at = 0;  ///< offsets in the archive; otherwise masks_at is specific to the form
  uint32_t image_size = 0, masks_size = 0;
  const CocoMasks* coco = nullptr;
  bool crowds = true;  ///< crowd regions are masks

  /// Reads the bytes of the image file into `out`, whose memory is reused. Errors: unreadable.
  void read_image(std::vector<uint8_t>& out) const;
};

/// Reads the masks of samples of any form. Reuses its memory; use one per thread.
class SampleMasks {
 public:
  /// `height` and `width` of the displayed image are used if the masks have no size. Errors name
  /// the file: see Sa1bMaskReader and decode_labels().
  void read(const Sa1bSample& sample, int64_t height, int64_t width, int64_t max_masks,
            MaskRuns& out);

 private:
  void read_mask_folder(const Sa1bSample& sample, int64_t max_masks, MaskRuns& out);

  Sa1bMaskReader reader_;
  std::vector<uint8_t> bytes_;
};

/// Checksum of a list of names (FNV-1a).
class NameSum {
 public:
  void add(std::string_view name) {
    for (const char c : name) step(static_cast<uint8_t>(c));
    step('\n');
  }
  uint64_t value() const { return sum_; }

 private:
  void step(uint8_t byte) { sum_ = (sum_ ^ byte) * 0x100000001b3ull; }
  uint64_t sum_ = 0xcbf29ce484222325ull;
};

struct ScanResult;

/// Index of the training samples on disk, sorted by path, about 90 bytes per sample: names share
/// one block of memory and each folder is stored once.
class Sa1bIndex {
 public:
  explicit Sa1bIndex(bool with_annotations = true, CrowdRegions crowds = CrowdRegions::automatic)
      : with_annotations_(with_annotations), crowds_(crowds) {}

  /// Possible layouts of a root folder: resized_images with resized_annotations, then images with
  /// annotations.
  static std::vector<Sa1bFolders> layouts(const std::filesystem::path& root);

  /// Adds the images of the first existing candidate, including subfolders. Names come from
  /// image_list.da if the folder has one (a torch-saved list of {img_name, ann_name} relative to
  /// the parent of `images`), else from the folders, paired by stem. Files without a partner are
  /// left out, counted and logged; hidden files (base/listing) are ignored. If an image has no mask
  /// file but a folder of its name with PNGs, each PNG is a mask. Errors: none of the folders
  /// exists, no pair in them. With MaskForm::ids the masks are label images; the id `ignore` is not
  /// a mask.
  void add(const std::vector<Sa1bFolders>& candidates, MaskForm form = MaskForm::json,
           int64_t ignore = 0);

  /// Adds the samples of each shard: SA-1B's tar files as published, compact shards, or folders
  /// with images and JSON files side by side or in one of layouts(). Errors: as above.
  void add_shards(const std::vector<std::filesystem::path>& shards);
  /// The tar files, compact shards and folders sa_* of a folder, sorted; a compact shard replaces
  /// the tar file or folder of its name.
  static std::vector<std::filesystem::path> shards_below(const std::filesystem::path& root);
  /// Reads one path per line, relative to `root`; empty lines and lines that begin with # are
  /// ignored. Errors: unreadable, empty, a path that does not exist.
  static std::vector<std::filesystem::path> read_shard_list(const std::filesystem::path& list,
                                                            const std::filesystem::path& root);

  /// Adds the images that a COCO instance file lists, found below `images`. Paths of another
  /// machine and URLs are matched by their last parts. Errors: no such file, none of its images
  /// exists.
  void add_coco(const std::filesystem::path& images, const std::filesystem::path& annotations);

  int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  Sa1bSample operator[](int64_t index) const;
  bool with_annotations() const { return with_annotations_; }
  /// Memory use in bytes.
  size_t memory() const;
  /// Checksum of all names in order, equal on all machines.
  uint64_t checksum() const;
  /// Images or annotations left out because their partner is missing.
  int64_t left_out() const { return left_out_; }

 private:
  struct Entry {
    uint64_t names = 0;  ///< offset of the image's name, which the annotation's name follows
    uint64_t image_at = 0, masks_at = 0;
    uint32_t image_size = 0, masks_size = 0;
    uint32_t image_folder = 0, annotation_folder = 0;  ///< an archive counts as a folder
    uint16_t image_length = 0, annotation_length = 0;
    MaskForm form = MaskForm::json;
    bool archive = false;
    uint16_t coco = 0;
  };
  void append(ScanResult&& found);

  bool with_annotations_ = true;
  CrowdRegions crowds_ = CrowdRegions::automatic;
  std::vector<Entry> entries_;
  std::string names_;
  std::vector<std::string> folders_;
  std::vector<std::shared_ptr<const CocoMasks>> coco_;
  int64_t left_out_ = 0;
};

}  // namespace pixelclip
