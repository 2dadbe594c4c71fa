#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pixelclip {

/// Where one set of training pictures and masks lies.
struct Sa1bFolders {
  std::filesystem::path images;
  std::filesystem::path annotations;  ///< may be empty when no annotations are read
};

struct Sa1bSample {
  std::string image;
  std::string annotation;  ///< empty when no annotations are read
};

/// The pairs of pictures and SA-1B JSON files on disk, sorted by path, about 60 bytes each: names lie
/// in one block of memory and folders are kept once.
class Sa1bIndex {
 public:
  explicit Sa1bIndex(bool with_annotations = true) : with_annotations_(with_annotations) {}

  /// The layouts that may lie under a root: resized_images with resized_annotations, then images with
  /// annotations.
  static std::vector<Sa1bFolders> layouts(const std::filesystem::path& root);

  /// Adds the pictures of the first of `candidates` that is there, subfolders included. The names come
  /// from image_list.da where such a file lies in the folder (a torch-saved list of {img_name,
  /// ann_name} relative to the folder that holds `images`), else from the folders, paired by stem.
  /// What has no partner is left out, counted and logged. Errors: none of the folders exists, no pair
  /// in them.
  void add(const std::vector<Sa1bFolders>& candidates);

  int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  Sa1bSample operator[](int64_t index) const;
  bool with_annotations() const { return with_annotations_; }
  /// Bytes of memory held.
  size_t memory() const;

 private:
  struct Entry {
    uint64_t names = 0;  ///< offset of the picture's name; the annotation's name follows
    uint32_t image_folder = 0, annotation_folder = 0;
    uint16_t image_length = 0, annotation_length = 0;
  };
  void append(uint32_t image_folder, std::string_view image, uint32_t annotation_folder,
              std::string_view annotation);

  bool with_annotations_ = true;
  std::vector<Entry> entries_;
  std::string names_;
  std::vector<std::string> folders_;
};

}  // namespace pixelclip
