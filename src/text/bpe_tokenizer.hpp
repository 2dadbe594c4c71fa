#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pixelclip {

/// CLIP's byte-pair encoding (Radford et al. 2021, §2.4), id for id that of its authors: the text
/// is cleaned (text/clean.hpp), split into words, and each word's bytes are merged by the published
/// list. All functions may be called from several threads at once.
class BpeTokenizer {
 public:
  static constexpr int64_t kStart = 49406;
  static constexpr int64_t kEnd = 49407;
  static constexpr int64_t kVocabulary = 49408;
  static constexpr int64_t kContext = 77;
  /// The id of "{}" as a separate word, which marks the place of learnable tokens in a template.
  static constexpr int64_t kPlaceholder = 39025;

  /// Reads bpe_simple_vocab_16e6.txt.gz. Errors: missing, cut short, not such a list.
  explicit BpeTokenizer(const std::filesystem::path& merges_gz);

  /// Ids from kStart to the first kEnd, without padding. Errors: more than kContext ids; not UTF-8.
  /// With `cut` longer texts end after kContext ids, the last of them kEnd, as with open_clip's
  /// tokeniser, and *cut says whether this one did.
  std::vector<int64_t> encode(std::string_view text, bool* cut = nullptr) const;

  /// One tokenizer for the process, made at the first call from $PIXELCLIP_BPE, or from
  /// bpe_simple_vocab_16e6.txt.gz in the source tree's .deps or in share/ beside the executable.
  /// Errors: no such file, with the places looked at.
  static const BpeTokenizer& shared();

 private:
  struct Merge {
    int64_t rank;  // smaller ones first
    int64_t id;    // of the joined symbol
  };

  void read_merges(const std::filesystem::path& path, const std::string& text);
  std::vector<int64_t> word_ids(const std::string& word) const;
  std::vector<int64_t> merge(const std::string& word) const;

  std::array<int64_t, 256> byte_ids_;
  std::unordered_map<uint64_t, Merge> merges_;  // by (left id << 32 | right id)
  size_t longest_symbol_ = 1;                   // bytes

  mutable std::shared_mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<int64_t>> cache_;
};

/// The index of BpeTokenizer::kPlaceholder in `ids`.
std::vector<int64_t> placeholder_positions(const std::vector<int64_t>& ids);

}  // namespace pixelclip
