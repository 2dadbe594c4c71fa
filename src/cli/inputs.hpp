#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace pixelclip::cli {

/// An image or video that a command works on.
struct Input {
  std::filesystem::path file;
  /// What its results are called: the stem, behind the subfolder that it was found in.
  std::string name;
  bool video = false;
};

struct Inputs {
  std::vector<Input> items;
  std::vector<std::string> faults;  ///< A sentence for each word that leads to no image.
};

/// Files, folders (with subfolders; images and, if wanted, videos by their endings) and patterns
/// with * and ?. Names are made unique.
Inputs find_inputs(const std::vector<std::string>& words, bool videos);

/// Class names from a list ("dog, grass", or "dog, puppy; grass" with synonyms), a text file with
/// one class a line (synonyms behind commas), a JSON file, or a vocabulary that comes with the
/// program (coco, ade150 …). Errors: no such file, nothing in it, an empty name.
std::vector<std::string> read_names(const std::string& text);

}  // namespace pixelclip::cli
