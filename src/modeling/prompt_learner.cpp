#include "modeling/prompt_learner.hpp"

#include <torch/utils.h>

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/log.hpp"
#include "nn/functional.hpp"
#include "text/bpe_tokenizer.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr size_t kTextBatch = 128;

using Ids = std::vector<int64_t>;

/// How many tokens all texts begin with; each keeps one of its own at least. 0 where computing them
/// once does not pay, for that reads all weights once more.
size_t common_length(const std::vector<Ids>& texts) {
  constexpr size_t kPays = 64;  // tokens
  const auto& first = texts.front();
  size_t length = first.size() - 1;
  for (const auto& text : texts) {
    const auto ends =
        std::mismatch(first.begin(), first.begin() + length, text.begin(), text.end() - 1);
    length = ends.first - first.begin();
  }
  return length * (texts.size() - 1) < kPays ? 0 : length;
}

/// Encodes texts of one template, in batches of similar length, their common beginning only once a
/// batch; returns [texts, C] in the order given.
Tensor encode_texts(TextEncoderImpl& text, const std::vector<Ids>& texts) {
  std::vector<int64_t> order(texts.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return texts[a].size() < texts[b].size(); });

  const auto device = text.parameters().front().device();
  const auto shared = static_cast<int64_t>(common_length(texts));
  const auto prefix = torch::tensor(Ids(texts[0].begin(), texts[0].begin() + shared)).to(device);
  std::vector<Tensor> batches;
  for (size_t start = 0; start < order.size(); start += kTextBatch) {
    std::vector<Ids> batch;
    for (size_t i = start; i < std::min(order.size(), start + kTextBatch); ++i) {
      const auto& ids = texts[order[i]];
      batch.emplace_back(ids.begin() + shared, ids.end());
    }
    const auto tokens = pad_tokens(batch).to(device);
    batches.push_back(shared > 0 ? text.encode_text_after(prefix, tokens)
                                 : text.encode_text(tokens));
  }
  const auto sorted = torch::cat(batches);
  return torch::empty_like(sorted).index_copy_(0, torch::tensor(order).to(device), sorted);
}

/// Tokenises class sentences as the CLIP's own tokeniser would.
class ClassTexts {
 public:
  explicit ClassTexts(bool cut_long_texts) : cut_long_texts_(cut_long_texts) {}

  Ids encode(const std::string& text) {
    if (!cut_long_texts_) return BpeTokenizer::shared().encode(text);
    bool cut = false;
    auto ids = BpeTokenizer::shared().encode(text, &cut);
    if (cut && cut_++ == 0) first_cut_ = text;
    return ids;
  }

  ~ClassTexts() {
    if (cut_ == 0) return;
    log::warn(cut_, cut_ == 1 ? " class text is" : " class texts are", " cut to ",
              BpeTokenizer::kContext, " tokens, as open_clip's tokeniser does; the first: \"",
              first_cut_.substr(0, 100), "\"");
  }
  ClassTexts(const ClassTexts&) = delete;
  ClassTexts& operator=(const ClassTexts&) = delete;

 private:
  bool cut_long_texts_;
  int64_t cut_ = 0;
  std::string first_cut_;
};

}  // namespace

Tensor initial_prompt_ids(CLIP& clip, int64_t clusters, int64_t length,
                          const at::Generator& generator) {
  return torch::randint(0, clip->text_options().vocabulary - 10, {clusters, length}, generator,
                        torch::kLong);
}

Tensor initial_prompt_tokens(CLIP& clip, int64_t clusters, int64_t length) {
  torch::NoGradGuard no_grad;
  const auto ids = initial_prompt_ids(clip, clusters, length,
                                      at::make_generator<at::CPUGeneratorImpl>(/*seed=*/0));
  return clip->embed_tokens(ids.to(clip->parameters().front().device())).clone();
}

std::vector<PromptTemplate> prompt_templates(const std::vector<std::string>& templates,
                                             int64_t length) {
  // Spaces keep each slot a word of its own, also before a full stop; they cost no token.
  std::string slots = " ";
  for (int64_t i = 0; i < length; ++i) slots += "{} ";
  std::vector<PromptTemplate> result;
  for (const auto& text : templates) {
    const auto ids = BpeTokenizer::shared().encode(fill_template(text, slots));
    const auto places = placeholder_positions(ids);
    if (static_cast<int64_t>(places.size()) != length) {
      fail("the prompt template \"", text, "\" leaves room for ", places.size(),
           " learnable tokens instead of ", length, ": put spaces around its {}");
    }
    const auto all = torch::tensor(ids);
    result.push_back({all, torch::tensor(places, torch::kLong), all.argmax().view({1})});
  }
  return result;
}

Tensor encode_prompts(CLIP& clip, const Tensor& prompt_tokens,
                      const std::vector<PromptTemplate>& templates) {
  const int64_t clusters = prompt_tokens.size(0);
  Tensor sum;
  for (const auto& [ids, slots, end] : templates) {
    const auto sentence = clip->embed_tokens(ids).unsqueeze(0).expand({clusters, -1, -1});
    const auto embedded = sentence.index_copy(1, slots, prompt_tokens);  // [K, L', W]
    const auto encoded = clip->encode_embedded(embedded, end.expand({clusters}));
    sum = sum.defined() ? sum + encoded : encoded;
  }
  return sum / static_cast<double>(templates.size());
}

Tensor encode_classes(CLIP& clip, const std::vector<std::string>& names,
                      const std::vector<std::string>& templates) {
  return encode_classes(*clip, clip->cuts_long_texts(), names, templates);
}

Tensor encode_classes(TextEncoderImpl& text, bool cut_long_texts,
                      const std::vector<std::string>& names,
                      const std::vector<std::string>& templates) {
  torch::NoGradGuard no_grad;
  ClassTexts tokenizer(cut_long_texts);
  std::map<std::string, int64_t> rows;  // each synonym once
  std::vector<std::string> synonyms;
  std::vector<Tensor> members;  // the synonyms of each class
  for (const auto& name : names) {
    Ids member;
    for (const auto& synonym : split_synonyms(name)) {
      const auto [row, fresh] = rows.try_emplace(synonym, static_cast<int64_t>(synonyms.size()));
      if (fresh) synonyms.push_back(synonym);
      member.push_back(row->second);
    }
    members.push_back(torch::tensor(member).to(text.parameters().front().device()));
  }
  std::vector<Tensor> classes;
  // The texts of few names are encoded in one batch, which reads the weights once; those of many
  // names one template at a time, whose common beginning is computed once.
  const size_t at_once = synonyms.size() < 8 ? templates.size() : 1;
  for (size_t first = 0; first < templates.size(); first += at_once) {
    std::vector<Ids> texts;
    for (size_t t = first; t < first + at_once; ++t) {
      for (const auto& synonym : synonyms)
        texts.push_back(tokenizer.encode(fill_template(templates[t], synonym)));
    }
    const auto encoded =
        l2_normalise(encode_texts(text, texts))
            .view({static_cast<int64_t>(at_once), static_cast<int64_t>(synonyms.size()), -1});
    for (const auto& rows_of_template : encoded.unbind()) {
      for (const auto& member : members) {
        const auto mean = rows_of_template.index_select(0, member).mean(0);
        classes.push_back(member.numel() > 1 ? l2_normalise(mean) : mean);
      }
    }
  }
  return torch::stack(classes)
      .to(torch::kFloat)
      .view({static_cast<int64_t>(templates.size()), static_cast<int64_t>(names.size()), -1});
}

}  // namespace pixelclip
