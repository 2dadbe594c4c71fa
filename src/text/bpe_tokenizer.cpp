#include "text/bpe_tokenizer.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/install.hpp"
#include "text/clean.hpp"
#include "text/unicode.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMerges = 49152 - 256 - 2;
constexpr size_t kLongestFile = size_t{16} << 20;  // bytes, unpacked
constexpr size_t kCachedWords = size_t{1} << 16;
constexpr const char* kFileName = "bpe_simple_vocab_16e6.txt.gz";
constexpr const char* kEndOfWord = "</w>";

std::string read_gzip(const fs::path& path) {
  if (!fs::is_regular_file(path)) {
    fail_in(ErrorKind::not_found, path.string(),
            "no such file; CLIP's list of byte-pair merges was expected here");
  }
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> file(gzopen(path.c_str(), "rb"), &gzclose);
  if (!file) fail_to("open", path);
  std::string text;
  while (true) {
    char buffer[1 << 16];
    const int got = gzread(file.get(), buffer, sizeof buffer);
    int code = Z_OK;
    const char* reason = gzerror(file.get(), &code);
    if (got < 0 || code == Z_BUF_ERROR) {
      fail(path.string(), ": is damaged or cut short (", reason, "); fetch ", kFileName, " again");
    }
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kLongestFile) {
      fail(path.string(), ": is too long for a list of byte-pair merges");
    }
  }
}

/// The characters that represent bytes in the list, in the order of their ids: printable bytes
/// represent themselves, the others are U+0100 and following.
struct ByteSymbols {
  std::array<int64_t, 256> ids;
  std::array<std::string, 256> symbols;  // by id

  ByteSymbols() {
    std::array<char32_t, 256> characters;
    int64_t next = 0;
    const auto add = [&](int byte, char32_t character) {
      ids[byte] = next;
      characters[next++] = character;
    };
    const auto printable = [](int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD); };
    for (int b = 0; b < 256; ++b) {
      if (printable(b)) add(b, static_cast<char32_t>(b));
    }
    char32_t other = 256;
    for (int b = 0; b < 256; ++b) {
      if (!printable(b)) add(b, other++);
    }
    for (size_t id = 0; id < 256; ++id) symbols[id] = unicode::encode({&characters[id], 1});
  }
};

uint64_t pair_key(int64_t left, int64_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

/// CLIP's word pattern ignores case. The iota subscript is no letter, but its capital is one, so no
/// word of the pattern may contain it.
bool is_between_words(char32_t c) { return unicode::is_space(c) || c == 0x345; }

/// One step of CLIP's word pattern: the length of the word that starts at text[at].
size_t word_length(std::u32string_view text, size_t at) {
  const auto rest = text.substr(at);
  for (const std::u32string_view special : {U"<|startoftext|>", U"<|endoftext|>"}) {
    if (rest.starts_with(special)) return special.size();
  }
  for (const std::u32string_view ending :
       {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d", U"'\u017F"}) {
    // The long s equals s without regard to case.
    if (rest.starts_with(ending)) return ending.size();
  }
  size_t length = 1;
  if (unicode::is_letter(rest[0])) {
    while (length < rest.size() && unicode::is_letter(rest[length])) ++length;
  } else if (!unicode::is_number(rest[0])) {
    while (length < rest.size() && !is_between_words(rest[length]) &&
           !unicode::is_letter(rest[length]) && !unicode::is_number(rest[length])) {
      ++length;
    }
  }
  return length;
}

std::string shortened(std::string_view text) {
  constexpr size_t kShown = 60;
  if (text.size() <= kShown) return std::string(text);
  size_t end = kShown;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

/// Removes the first line, and its end, from `text`.
std::string_view take_line(std::string_view& text) {
  const auto line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

[[noreturn]] void fail_too_long(std::string_view text, const std::string& tokens) {
  fail("the text \"", shortened(text), "\" has ", tokens, " tokens, but CLIP takes at most ",
       BpeTokenizer::kContext, " with start and end: shorten it");
}

fs::path find_merges() {
  if (const char* named = std::getenv("PIXELCLIP_BPE"); named && *named) return named;
  std::vector<fs::path> places;
  for (const auto& folder : installed_data_folders()) places.push_back(folder / kFileName);
  places.push_back(fs::path(PIXELCLIP_SOURCE_DIR) / ".deps" / kFileName);
  std::error_code ignored;
  for (const auto& place : places) {
    if (fs::exists(place, ignored)) return place;
  }
  std::ostringstream looked;
  for (const auto& place : places) looked << (looked.tellp() > 0 ? ", " : "") << place.string();
  fail("CLIP's byte-pair merges were not found (looked for ", looked.str(),
       "): run tools/setup.sh, or name the file in PIXELCLIP_BPE");
}

}  // namespace

BpeTokenizer::BpeTokenizer(const fs::path& merges_gz) {
  read_merges(merges_gz, read_gzip(merges_gz));
}

void BpeTokenizer::read_merges(const fs::path& path, const std::string& text) {
  const ByteSymbols bytes;
  byte_ids_ = bytes.ids;
  std::unordered_map<std::string, int64_t> ids;
  ids.reserve(kVocabulary);
  for (int64_t id = 0; id < 256; ++id) {
    ids[bytes.symbols[id]] = id;
    ids[bytes.symbols[id] + kEndOfWord] = id + 256;
  }
  merges_.reserve(kMerges);
  std::string_view rest = text;
  take_line(rest);  // the header
  for (int64_t rank = 0; rank < kMerges; ++rank) {
    const auto line = take_line(rest);
    const size_t space = std::min(line.find(' '), line.size());
    const auto left = ids.find(std::string(line.substr(0, space)));
    const auto right = ids.find(std::string(line.substr(std::min(space + 1, line.size()))));
    if (left == ids.end() || right == ids.end()) {
      fail(path.string(), ": line ", rank + 2, " is no merge of two known symbols; ", kFileName,
           " with ", kMerges, " merges was expected");
    }
    const int64_t id = 512 + rank;
    merges_.emplace(pair_key(left->second, right->second), Merge{rank, id});
    longest_symbol_ = std::max(longest_symbol_, line.size() - 1);
    ids.emplace(left->first + right->first, id);
  }
}

std::vector<int64_t> BpeTokenizer::merge(const std::string& word) const {
  std::vector<int64_t> ids;
  for (const char c : word) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
  ids.back() += 256;
  while (ids.size() > 1) {
    Merge best{std::numeric_limits<int64_t>::max(), 0};
    uint64_t best_pair = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto pair = pair_key(ids[i], ids[i + 1]);
      const auto found = merges_.find(pair);
      if (found != merges_.end() && found->second.rank < best.rank) {
        best = found->second;
        best_pair = pair;
      }
    }
    if (best.id == 0) break;
    size_t kept = 0;
    for (size_t i = 0; i < ids.size(); ++kept) {
      const bool joins = i + 1 < ids.size() && pair_key(ids[i], ids[i + 1]) == best_pair;
      ids[kept] = joins ? best.id : ids[i];
      i += joins ? 2 : 1;
    }
    ids.resize(kept);
  }
  return ids;
}

std::vector<int64_t> BpeTokenizer::word_ids(const std::string& word) const {
  {
    const std::shared_lock lock(cache_mutex_);
    const auto found = cache_.find(word);
    if (found != cache_.end()) return found->second;
  }
  auto ids = merge(word);
  const std::unique_lock lock(cache_mutex_);
  if (cache_.size() < kCachedWords) cache_.emplace(word, ids);
  return ids;
}

std::vector<int64_t> BpeTokenizer::encode(std::string_view text, bool* cut) const {
  std::u32string cleaned =
      with_context("a text cannot be tokenised", [&] { return unicode::decode(clean_text(text)); });
  // No token covers more bytes than the longest symbol: texts that must be too long end here.
  const auto context = static_cast<size_t>(kContext);
  const bool hopeless = cleaned.size() / 2 / longest_symbol_ > context;
  if (hopeless && !cut) fail_too_long(text, str("more than ", kContext));
  if (hopeless) cleaned.resize(2 * (context + 1) * longest_symbol_);

  std::vector<int64_t> ids = {kStart};
  for (size_t at = 0; at < cleaned.size();) {
    if (is_between_words(cleaned[at])) {
      ++at;
      continue;
    }
    const size_t length = word_length(cleaned, at);
    const auto word = unicode::encode(std::u32string_view(cleaned).substr(at, length));
    at += length;
    if (word == "<|startoftext|>") {
      ids.push_back(kStart);
    } else if (word == "<|endoftext|>") {
      ids.push_back(kEnd);
    } else {
      const auto pieces = word_ids(word);
      ids.insert(ids.end(), pieces.begin(), pieces.end());
    }
  }
  ids.push_back(kEnd);
  const bool too_long = ids.size() > context;
  if (too_long && !cut) fail_too_long(text, std::to_string(ids.size()));
  if (cut) *cut = too_long;
  if (too_long) {
    ids.resize(context);
    ids.back() = kEnd;
  }
  // CLIP reads its result at the first end token and attends only backwards.
  ids.erase(std::find(ids.begin(), ids.end(), kEnd) + 1, ids.end());
  return ids;
}

const BpeTokenizer& BpeTokenizer::shared() {
  static const BpeTokenizer tokenizer(find_merges());
  return tokenizer;
}

std::vector<int64_t> placeholder_positions(const std::vector<int64_t>& ids) {
  std::vector<int64_t> positions;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == BpeTokenizer::kPlaceholder) positions.push_back(static_cast<int64_t>(i));
  }
  return positions;
}

}  // namespace pixelclip
