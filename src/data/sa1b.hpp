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

/// Where one set of training images and masks lies.
struct Sa1bFolders {
  std::filesystem::path images;
  std::filesystem::path annotations;  ///< may be empty when no annotations are read
};

/// How the masks of an image are kept.
enum class MaskForm : uint8_t {
  json,         ///< SA-1B's JSON
  runs,         ///< binary runs of a compact shard
  ids,          ///< an image of ids, each a mask
  mask_folder,  ///< a folder with an image of each mask, as SAM's script writes it
  coco,         ///< COCO's instance JSON, one file for all images
};

struct Sa1bSample {
  std::string image;       ///< path, or ARCHIVE:NAME
  std::string annotation;  ///< likewise; empty when no annotations are read
  MaskForm form = MaskForm::json;
  std::string archive = {};  ///< file that holds both; empty: they are files of their own
  uint64_t image_at = 0, masks_at = 0;  ///< in the archive; else masks_at is the form's own number
  uint32_t image_size = 0, masks_size = 0;
  const CocoMasks* coco = nullptr;
  bool crowds = true;  ///< crowd regions are masks

  /// The bytes of the image's file, whose memory is reused. Errors: unreadable.
  void read_image(std::vector<uint8_t>& out) const;
};

/// Reads the masks of samples, whatever their form; keeps its memory, one for each thread.
class SampleMasks {
 public:
  /// `height` and `width` of the image as it is shown serve where the masks say no size. Errors
  /// name the file: see Sa1bMaskReader and decode_labels().
  void read(const Sa1bSample& sample, int64_t height, int64_t width, int64_t max_masks,
            MaskRuns& out);

 private:
  void read_mask_folder(const Sa1bSample& sample, int64_t max_masks, MaskRuns& out);

  Sa1bMaskReader reader_;
  std::vector<uint8_t> bytes_;
};

/// What a listing of names adds up to (FNV-1a).
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

/// The training samples on disk, sorted by path, about 90 bytes each: names lie in one block of
/// memory and folders are kept once.
class Sa1bIndex {
 public:
  explicit Sa1bIndex(bool with_annotations = true, CrowdRegions crowds = CrowdRegions::automatic)
      : with_annotations_(with_annotations), crowds_(crowds) {}

  /// The layouts that may lie under a root: resized_images with resized_annotations, then images
  /// with annotations.
  static std::vector<Sa1bFolders> layouts(const std::filesystem::path& root);

  /// Adds the images of the first of `candidates` that is there, subfolders included. The names
  /// come from image_list.da where such a file lies in the folder (a torch-saved list of {img_name,
  /// ann_name} relative to the folder that holds `images`), else from the folders, paired by stem.
  /// What has no partner is left out, counted and logged, and so is what is_hidden()
  /// (base/listing). Where an image has no file of masks but a folder of its name with PNGs, each
  /// of these is a mask. Errors: none of the folders exists, no pair in them. With MaskForm::ids
  /// the masks are images of ids; `ignore` is none.
  void add(const std::vector<Sa1bFolders>& candidates, MaskForm form = MaskForm::json,
           int64_t ignore = 0);

  /// Adds what each of `shards` holds: SA-1B's tar files as published, compact shards, folders in
  /// which images and JSON files lie side by side or as layouts() says. Errors: as above.
  void add_shards(const std::vector<std::filesystem::path>& shards);
  /// The tar files, compact shards and folders sa_* of a folder, sorted; a compact shard stands for
  /// the tar file or folder of its name.
  static std::vector<std::filesystem::path> shards_below(const std::filesystem::path& root);
  /// One path a line, relative to `root`; empty lines and those that begin with # do not count.
  /// Errors: unreadable, empty, something named that is not there.
  static std::vector<std::filesystem::path> read_shard_list(const std::filesystem::path& list,
                                                            const std::filesystem::path& root);

  /// Adds the images that a COCO instance file names, which lie below `images`. Paths of another
  /// machine and addresses are found by their last parts. Errors: no such file, none of its
  /// images is there.
  void add_coco(const std::filesystem::path& images, const std::filesystem::path& annotations);

  int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  Sa1bSample operator[](int64_t index) const;
  bool with_annotations() const { return with_annotations_; }
  /// Bytes of memory held.
  size_t memory() const;
  /// Of all names in order: equal lists on two machines have equal sums.
  uint64_t checksum() const;
  /// Images or annotations left out because their partner is missing.
  int64_t left_out() const { return left_out_; }

 private:
  struct Entry {
    uint64_t names = 0;  ///< offset of the image's name; the annotation's name follows
    uint64_t image_at = 0, masks_at = 0;
    uint32_t image_size = 0, masks_size = 0;
    uint32_t image_folder = 0, annotation_folder = 0;  ///< the archive is a folder of its names
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
