#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace pixelclip {

/// Text embeddings, one or several for each class.
struct ClassBank {
  torch::Tensor embeddings;    ///< [rows, C], normalised
  std::vector<int64_t> owner;  ///< class of each row, ascending
  int64_t background = -1;     ///< class called "background"; -1: there is none

  int64_t classes() const { return owner.empty() ? 0 : owner.back() + 1; }
};

/// A bank with one row for each class: row c stands for class c.
ClassBank one_row_a_class(const torch::Tensor& embeddings);

/// Gives the normalised embeddings [rows, C] of names.
using EmbedFunction = std::function<torch::Tensor(const std::vector<std::string>& names)>;

/// The rows for `names`: one a class; or with TEST.SYNONYMS max one a synonym, and with
/// TEST.BACKGROUND words or reject one a word for the class "background".
ClassBank class_bank(const std::vector<std::string>& names, const TestConfig& config,
                     const EmbedFunction& embed);

/// Scores [rows, …] → [classes, …]: the best of each class's rows.
torch::Tensor best_of_rows(const torch::Tensor& scores, const std::vector<int64_t>& owner);

}  // namespace pixelclip
