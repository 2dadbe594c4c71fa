#include "text/prompts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.hpp"
#include "support/support.hpp"
#include "text/bpe_tokenizer.hpp"
#include "text/clean.hpp"

namespace pixelclip {
namespace {
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

std::filesystem::path datasets() {
  return std::filesystem::path(PIXELCLIP_SOURCE_DIR) / "datasets";
}

TEST(Templates, HaveThePublishedNumbersAndFirstAndLastSentences) {
  EXPECT_THAT(templates("single"), ElementsAre("A photo of a {} in the scene"));
  const auto select = templates("imagenet_select");
  ASSERT_EQ(select.size(), 8u);
  EXPECT_EQ(select.front(), "itap of a {}.");
  EXPECT_EQ(select.back(), "A photo of a {} in the scene");
  const auto imagenet = templates("imagenet");
  ASSERT_EQ(imagenet.size(), 80u);
  EXPECT_EQ(imagenet.front(), "a bad photo of a {}.");
  EXPECT_EQ(imagenet.back(), "a tattoo of the {}.");
  const auto vild = templates("vild");
  ASSERT_EQ(vild.size(), 63u);
  EXPECT_EQ(vild.front(), "There is {article} {category} in the scene.");
  EXPECT_EQ(vild.back(), "a painting of a {category}.");
}

TEST(Templates, AreAllDifferentAndLeaveNothingUnfilled) {
  for (const char* set : {"single", "imagenet_select", "imagenet", "vild"}) {
    std::set<std::string> sentences;
    for (const auto& text_template : templates(set)) {
      const auto sentence = fill_template(text_template, "owl");
      EXPECT_EQ(sentence.find('{'), sentence.npos) << sentence;
      EXPECT_NE(sentence.find("owl"), sentence.npos) << sentence;
      sentences.insert(sentence);
    }
    EXPECT_EQ(sentences.size(), templates(set).size()) << set;
  }
}

TEST(Templates, ComeFromAFile) {
  const TempFolder folder;
  write_text(folder / "mine.txt",
             "\xEF\xBB\xBF"
             "a sketch of a {}\r\n\n  {article} {category}  \n");
  EXPECT_THAT(templates((folder / "mine.txt").string()),
              ElementsAre("a sketch of a {}", "{article} {category}"));
}

TEST(Templates, RefuseBadFilesAndUnknownNames) {
  const TempFolder folder;
  const auto file = (folder / "mine.txt").string();
  write_text(file, "a {}\na photo\n");
  EXPECT_ERROR(templates(file), AllOf(HasSubstr("mine.txt:2:"), HasSubstr("a photo")));
  write_text(file, "{} and {}\n");
  EXPECT_ERROR(templates(file), HasSubstr("exactly one {}"));
  write_text(file, " \n");
  EXPECT_ERROR(templates(file), HasSubstr("holds no prompt templates"));
  write_text(file, "a {}\nb\xFF {}\n");
  EXPECT_ERROR(templates(file), AllOf(HasSubstr("mine.txt:2:"), HasSubstr("not UTF-8")));
  EXPECT_ERROR(templates("imagenet_selct"),
               AllOf(HasSubstr("did you mean imagenet_select"), HasSubstr("vild")));
  EXPECT_THROW(templates(folder.path().string()), Error);
}

TEST(FillTemplate, PutsTheNameAndItsArticle) {
  EXPECT_EQ(fill_template("a {} in a video game.", "car"), "a car in a video game.");
  EXPECT_EQ(fill_template("{article} {category}.", "apple"), "an apple.");
  EXPECT_EQ(fill_template("{article} {category}.", "bear"), "a bear.");
  EXPECT_EQ(fill_template("{article} {category}.", "{} {}"), "a {} {}.");
  EXPECT_EQ(fill_template("a {}", "{category}"), "a {category}");
}

TEST(FillTemplate, RepeatedPlaceholdersBecomeOneTokenEach) {
  for (const char* set : {"single", "imagenet_select", "imagenet", "vild"}) {
    for (const auto& text_template : templates(set)) {
      const auto ids = BpeTokenizer::shared().encode(fill_template(text_template, "{} {}"));
      // "{}." is one word for CLIP, so a full stop right behind swallows the last slot.
      const bool stop = text_template.ends_with("}.");
      EXPECT_EQ(placeholder_positions(ids).size(), stop ? 1u : 2u) << text_template;
    }
  }
}

TEST(SplitSynonyms, SplitsAtCommaAndSpace) {
  EXPECT_THAT(split_synonyms("person, child, man"), ElementsAre("person", "child", "man"));
  EXPECT_THAT(split_synonyms("bed "), ElementsAre("bed "));
  EXPECT_THAT(split_synonyms("a,b"), ElementsAre("a,b"));
  EXPECT_THAT(split_synonyms("a, , b, "), ElementsAre("a", "b"));
  EXPECT_ERROR(split_synonyms(", "), HasSubstr("is empty"));
  EXPECT_ERROR(split_synonyms(""), HasSubstr("is empty"));
}

TEST(SplitSynonyms, ACommaBehindABackslashBelongsToTheName) {
  EXPECT_THAT(split_synonyms("table\\, dining, desk"), ElementsAre("table, dining", "desk"));
  EXPECT_THAT(split_synonyms("1\\,000"), ElementsAre("1,000"));
  EXPECT_EQ(shown_name("table\\, dining, desk"), "table, dining, desk");
  EXPECT_THAT(split_synonyms(with_escaped_commas("a, b")), ElementsAre("a, b"));
  EXPECT_THAT(split_names("a\\, b, c\\d ,e", ','), ElementsAre("a\\, b", "c\\d", "e"));
}

TEST(Composed, MakesLettersOfTheirPartsAndLeavesOtherBytes) {
  EXPECT_EQ(composed("e\xCC\x81x"), "\xC3\xA9x");
  EXPECT_EQ(composed("plain"), "plain");
  EXPECT_EQ(composed("\xFF\xFE"), "\xFF\xFE");
}

TEST(Vocabularies, HoldTheClassesOfTheFiveTestSets) {
  const std::vector<std::pair<const char*, size_t>> sets = {{"coco.json", 171},
                                                            {"ade150.json", 150},
                                                            {"pc59.json", 59},
                                                            {"cityscapes.json", 19},
                                                            {"voc20.json", 20}};
  for (const auto& [file, classes] : sets) {
    const auto names = read_json(datasets() / file).get<std::vector<std::string>>();
    EXPECT_EQ(names.size(), classes) << file;
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), classes) << file;
    for (const auto& name : names)
      EXPECT_LT(BpeTokenizer::shared().encode(name).size(), 12u) << name;
  }
}

TEST(Vocabularies, AgreeWithTheKeysOfTheReferenceResults) {
  SKIP_WITHOUT_SHARED();
  const auto names = read_json(datasets() / "ade150.json").get<std::vector<std::string>>();
  const auto golden = read_text(testing::shared_folder() / "golden/data/ade_results.json");
  for (const auto& name : names) EXPECT_THAT(golden, HasSubstr("\"IoU-" + name + "\":"));
}

}  // namespace
}  // namespace pixelclip
