#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pixelclip/model.hpp"

namespace pixelclip {

struct FindOptions {
  /// Pixels whose best cosine lies below it are "background"; from -1 to 1, usually 0.15 to 0.25.
  std::optional<double> background_cosine = {};
  std::vector<std::string> background = {};  ///< Pixels that one of these words fits best are, too.
};

/// Which word fits each pixel best.
struct Segments {
  struct Word {
    std::string name;
    int64_t area = 0;  ///< pixels
    double score = 0;  ///< Mean cosine over its pixels; 0 where it does not occur.
  };
  int64_t height = 0, width = 0;
  std::vector<int32_t> labels;  ///< [height, width] positions in `words`.
  std::vector<Word> words;      ///< As asked for, then "background" if FindOptions ask for it.
};

/// Finds `names` in a picture; a name may hold synonyms with ", " between them. Embeddings of names
/// are remembered, so other words for the same picture take milliseconds.
PIXELCLIP_API Segments find_words(const Model& model, const EncodedPicture& picture,
                                  const std::vector<std::string>& names,
                                  const FindOptions& options = {});

}  // namespace pixelclip
