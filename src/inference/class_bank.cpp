#include "inference/class_bank.hpp"

#include <torch/utils.h>

#include <numeric>

#include "config/class_names.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
using torch::Tensor;

ClassBank one_row_a_class(const Tensor& embeddings) {
  ClassBank bank{embeddings, std::vector<int64_t>(embeddings.size(0))};
  std::iota(bank.owner.begin(), bank.owner.end(), int64_t{0});
  return bank;
}

ClassBank class_bank(const std::vector<std::string>& names, const TestConfig& config,
                     const EmbedFunction& embed) {
  ClassBank bank;
  std::vector<std::string> rows;
  for (size_t c = 0; c < names.size(); ++c) {
    std::vector<std::string> own = {names[c]};
    if (config.synonyms == SynonymScore::max) {
      own = split_synonyms(names[c]);
      for (auto& name : own) name = with_escaped_commas(name);
    }
    if (names[c] == "background") {
      bank.background = static_cast<int64_t>(c);
      if (has_background_words(config.background)) own = read_class_names(config.background.words);
    }
    bank.owner.insert(bank.owner.end(), own.size(), static_cast<int64_t>(c));
    rows.insert(rows.end(), own.begin(), own.end());
  }
  bank.embeddings = embed(rows);
  return bank;
}

Tensor best_of_rows(const Tensor& scores, const std::vector<int64_t>& owner) {
  const auto rows = static_cast<int64_t>(owner.size());
  const int64_t classes = owner.back() + 1;
  if (rows == classes) return scores;
  auto shape = scores.sizes().vec();
  shape[0] = classes;
  auto index = torch::tensor(owner, torch::kLong).to(scores.device());
  while (index.dim() < scores.dim()) index = index.unsqueeze(-1);
  return torch::empty(shape, scores.options())
      .scatter_reduce(0, index.expand_as(scores), scores, "amax",
                      /*include_self=*/false);
}

}  // namespace pixelclip
