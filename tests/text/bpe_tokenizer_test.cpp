#include "text/bpe_tokenizer.hpp"

#include <zlib.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;
using Ids = std::vector<int64_t>;

const BpeTokenizer& tokenizer() { return BpeTokenizer::shared(); }

void write_gzip(const std::filesystem::path& path, const std::string& text) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
}

TEST(BpeTokenizer, GivesTheIdsOfTheReference) {
  SKIP_WITHOUT_SHARED();
  const auto golden = read_json(testing::shared_folder() / "golden/tokens.json");
  ASSERT_GT(golden.size(), 50u);
  for (const auto& entry : golden) {
    const auto text = entry["text"].get<std::string>();
    if (entry["ids"].is_string()) {
      EXPECT_ERROR(tokenizer().encode(text), HasSubstr("at most 77"));
    } else {
      EXPECT_EQ(tokenizer().encode(text), entry["ids"].get<Ids>()) << text;
    }
  }
}

TEST(BpeTokenizer, SplitsWordsAsClipDoes) {
  EXPECT_THAT(tokenizer().encode("hello"), ElementsAre(49406, 3306, 49407));
  EXPECT_EQ(tokenizer().encode("I'll HE'D"), tokenizer().encode("i 'll he 'd"));
  EXPECT_EQ(tokenizer().encode("2024"), tokenizer().encode("2 0 2 4"));
  EXPECT_EQ(tokenizer().encode("a!?b"), tokenizer().encode("a !? b"));
  EXPECT_NE(tokenizer().encode("a!?b"), tokenizer().encode("a ! ? b"));
}

TEST(BpeTokenizer, CutsAtTheFirstEndTokenBecauseNothingBehindItIsSeen) {
  EXPECT_THAT(tokenizer().encode("<|ENDOFTEXT|> cat"), ElementsAre(49406, 49407));
  EXPECT_THAT(tokenizer().encode("cat <|startoftext|>"), ElementsAre(49406, 2368, 49406, 49407));
}

TEST(BpeTokenizer, FindsThePlaceholdersOfATemplate) {
  const auto ids = tokenizer().encode("A photo of a {} {} {} {} in the scene");
  EXPECT_THAT(placeholder_positions(ids), ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(placeholder_positions(tokenizer().encode("a {}.")), ElementsAre());
}

TEST(BpeTokenizer, TakesSeventySevenTokensAndRefusesMore) {
  std::string text;
  for (int i = 0; i < 75; ++i) text += "cat ";
  EXPECT_EQ(tokenizer().encode(text).size(), 77u);
  EXPECT_ERROR(tokenizer().encode(text + "dog"),
               AllOf(HasSubstr("has 78 tokens"), HasSubstr("at most 77"), HasSubstr("cat cat")));
}

TEST(BpeTokenizer, CutsLongTextsAsOpenClipDoesWhenAsked) {
  std::string text;
  for (int i = 0; i < 75; ++i) text += "cat ";
  const auto whole = tokenizer().encode(text);
  bool cut = true;
  EXPECT_EQ(tokenizer().encode(text, &cut), whole);
  EXPECT_FALSE(cut);
  EXPECT_EQ(tokenizer().encode(text + "dog", &cut), whole);
  EXPECT_TRUE(cut);
  const auto ids = tokenizer().encode(std::string(16000, 'a') + " c", &cut);
  EXPECT_TRUE(cut);
  EXPECT_EQ(ids.size(), 77u);
  EXPECT_EQ(ids.back(), BpeTokenizer::kEnd);
}

TEST(BpeTokenizer, TerminatesOnHugeTexts) {
  std::string nested = "x&";
  while (nested.size() < 16000) nested += "amp;";
  EXPECT_EQ(tokenizer().encode(nested), tokenizer().encode("x&"));
  for (const auto& text : {std::string(16000, 'a'), std::string(10'000'000, 'b')}) {
    EXPECT_THROW(tokenizer().encode(text), Error);
  }
  std::string mixed;
  for (int i = 0; i < 16000; ++i) mixed.push_back(static_cast<char>('a' + i * i % 26));
  EXPECT_THROW(tokenizer().encode(mixed), Error);
}

TEST(BpeTokenizer, NamesTheByteThatIsNotUtf8) {
  for (const char* text :
       {"ab\xFF", "ab\xC3", "ab\xED\xA0\x80", "ab\xC0\x80", "ab\xF4\x90\x80\x80"}) {
    EXPECT_ERROR(tokenizer().encode(text), HasSubstr("byte 3 is not UTF-8"));
  }
}

TEST(BpeTokenizer, GivesTheSameFromManyThreads) {
  const BpeTokenizer fresh(std::filesystem::path(PIXELCLIP_SOURCE_DIR) /
                           ".deps/bpe_simple_vocab_16e6.txt.gz");
  const auto expected = tokenizer().encode("a photo of a chest of drawers 12");
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        fresh.encode("word" + std::to_string(t * 1000 + i) + std::string(1, 'a' + i % 26));
        if (fresh.encode("a photo of a chest of drawers 12") != expected) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(BpeTokenizer, RefusesFilesThatAreNoMergeList) {
  const TempFolder folder;
  EXPECT_ERROR(BpeTokenizer(folder / "none.gz"), HasSubstr("no such file"));
  EXPECT_ERROR(BpeTokenizer(folder.path()), HasSubstr("no such file"));
  write_text(folder / "empty.gz", "");
  EXPECT_ERROR(BpeTokenizer(folder / "empty.gz"), HasSubstr("line 2"));
  write_gzip(folder / "other.gz", "heading\na b\nnot known\n");
  EXPECT_ERROR(BpeTokenizer(folder / "other.gz"), AllOf(HasSubstr("line 3"), HasSubstr("48894")));
  write_gzip(folder / "bomb.gz", std::string(20 << 20, 'a'));
  EXPECT_ERROR(BpeTokenizer(folder / "bomb.gz"), HasSubstr("too long"));
  auto bytes =
      read_text(std::filesystem::path(PIXELCLIP_SOURCE_DIR) / ".deps/bpe_simple_vocab_16e6.txt.gz");
  write_text(folder / "cut.gz", bytes.substr(0, bytes.size() / 2));
  EXPECT_ERROR(BpeTokenizer(folder / "cut.gz"), HasSubstr("cut short"));
  bytes[bytes.size() / 2] ^= 0x55;
  write_text(folder / "damaged.gz", bytes);
  EXPECT_THROW(BpeTokenizer(folder / "damaged.gz"), Error);
}

}  // namespace
}  // namespace pixelclip
