#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "image/image.hpp"

namespace pixelclip::cli {

/// A picture or video that a command works on.
struct Input {
  std::filesystem::path file;
  std::string
      name;  ///< What its results are called: the stem, behind the subfolder it was found in.
  bool video = false;
};

struct Inputs {
  std::vector<Input> items;
  std::vector<std::string> faults;  ///< A sentence for each word that leads to no picture.
};

/// Files, folders (with subfolders; pictures and, if wanted, videos by their endings) and patterns
/// with
/// * and ?. Names are made unique.
Inputs find_inputs(const std::vector<std::string>& words, bool videos);

/// A picture as it is shown, and its size; one of more than 50 megapixels is read smaller where the
/// format allows that, with at least `short_side` pixels on its short side.
struct Picture {
  Image rgb;
  int64_t height = 0, width = 0;
};
Picture read_picture(const std::filesystem::path& file, int64_t short_side);

/// Calls `work` for each input, shows progress, and stops at a signal. A fault is logged and the
/// other inputs go on. Errors, at the end: how many inputs failed; nothing was found.
void for_each_input(const Inputs& inputs, const std::function<void(const Input&)>& work);

/// Class names from a list ("dog, grass", or "dog, puppy; grass" with synonyms), a text file with
/// one class a line (synonyms behind commas), a JSON file, or a vocabulary that comes with the
/// program (coco, ade150 …). Errors: no such file, nothing in it, an empty name.
std::vector<std::string> read_names(const std::string& text);

}  // namespace pixelclip::cli
