#pragma once

#include <optional>
#include <string>
#include <vector>

#include "inference/class_bank.hpp"

namespace pixelclip {

/// What is none of the words: pixels whose best cosine stays below `least_cosine`, or that one of
/// `words` fits best. TEST.BACKGROUND.THRESHOLD of scoring is another measure, a probability.
struct Background {
  std::optional<double> least_cosine;
  std::vector<std::string> words;

  bool wanted() const { return least_cosine || !words.empty(); }
};

/// Names to look for and their embeddings. With background words, these are the rows of the last
/// class of `bank`.
struct Words {
  std::vector<std::string> names;  ///< Of classes 0, 1, …, then "background" if that is wanted.
  ClassBank bank;
  std::optional<double> least_cosine;  ///< As in Background.

  bool with_background() const { return least_cosine || bank.background >= 0; }
};

}  // namespace pixelclip
