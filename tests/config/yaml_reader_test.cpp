#include "config/yaml_reader.hpp"

#include <fstream>

#include "base/random.hpp"
#include "config/config.hpp"
#include "config/writer.hpp"
#include "support/support.hpp"

namespace pixelclip::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempFolder;
using Kind = RawValue::Kind;

RawValue parse(const std::string& text) { return parse_yaml(text, "a.yaml"); }

TEST(YamlReader, PlacesCountFromOne) {
  const RawValue file = parse("A: 1\nB:\n  C: (1, 2)\n");
  EXPECT_EQ(file.map[0].key.place, "a.yaml:1:1");
  EXPECT_EQ(file.map[0].value.place, "a.yaml:1:4");
  EXPECT_EQ(file.map[1].value.map[0].value.place, "a.yaml:3:6");
}

TEST(YamlReader, BrokenSyntaxIsNamedWithItsPlace) {
  EXPECT_ERROR(parse("A: [1, 2\nB: 3\n"), AllOf(StartsWith("a.yaml:"), HasSubstr("invalid YAML")));
  EXPECT_ERROR(parse("A: 1\n B: 2\n"), StartsWith("a.yaml:2:3: invalid YAML"));
  EXPECT_ERROR(parse("A: \"abc\nB: 1\n\n"), HasSubstr("invalid YAML"));
  EXPECT_ERROR(parse("A: \"abc\n"), HasSubstr("invalid YAML"));
  EXPECT_ERROR(parse("A: {b: 1\n"), HasSubstr("invalid YAML"));
  EXPECT_ERROR(parse("A:\n\t- 1\n\tB: 2\n"), HasSubstr("invalid YAML"));
  EXPECT_ERROR(parse("A: *missing\n"), HasSubstr("invalid YAML"));
  EXPECT_ERROR(parse("A: @x\n"), HasSubstr("invalid YAML"));
}

TEST(YamlReader, BytesThatAreNoTextAreRefused) {
  EXPECT_ERROR(parse("A: 1\nB: \xff\xfe\n"), StartsWith("a.yaml:2:4: byte 255 is not UTF-8"));
  EXPECT_ERROR(parse(std::string("A: 1\n\0B: 2", 11)), StartsWith("a.yaml:2:1: byte 0"));
  EXPECT_ERROR(parse("A: 1\n\x04\nB: 2\n"), HasSubstr("byte 4 "));
  EXPECT_ERROR(parse("A: \xc0\x80"), HasSubstr("byte 192"));      // overlong
  EXPECT_ERROR(parse("A: \xed\xa0\x80"), HasSubstr("byte 237"));  // a surrogate
  EXPECT_ERROR(parse("A: \xe2\x82"), HasSubstr("byte 226"));      // cut short
  EXPECT_ERROR(parse("A: \xf5\x80\x80\x80"), HasSubstr("byte 245"));
  EXPECT_EQ(parse("A: é→𝄞").map[0].value.text, "é→𝄞");
}

TEST(YamlReader, AliasesWorkUnlessTheyExpandExcessively) {
  EXPECT_EQ(parse("A: &x [1, 2]\nB: *x\n").map[1].value.list.size(), 2u);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    const std::string last = str(" *a", i - 1);
    bomb += str("a", i, ": &a", i, " [", last);
    for (int k = 0; k < 8; ++k) bomb += "," + last;
    bomb += "]\n";
  }
  EXPECT_ERROR(parse(bomb), HasSubstr("more than 100000 values"));
}

TEST(YamlReader, DeepAndCyclicValuesAreRefused) {
  for (const int depth : {40, 400, 100'000}) {
    EXPECT_ERROR(
        parse("A: " + std::string(depth, '[') + std::string(depth, ']')),
        AllOf(StartsWith("a.yaml"), ::testing::AnyOf(HasSubstr("deep"), HasSubstr("YAML"))));
  }
  EXPECT_THROW(parse("A: &a [*a]\n"), Error);
  EXPECT_EQ(parse("A: " + std::string(100'000, '(')).map[0].value.kind, Kind::text);
}

TEST(YamlReader, OneDocumentWithoutObjectTagsIsAccepted) {
  EXPECT_EQ(parse("---\nA: 1\n...\n").map.size(), 1u);
  EXPECT_ERROR(parse("A: 1\n---\nB: 2\n"), HasSubstr("a second document begins here"));
  EXPECT_ERROR(parse("A: !!python/object/apply:os.system [ls]\n"), HasSubstr("is not accepted"));
  EXPECT_ERROR(parse("A: !mine 3\n"), HasSubstr("is not accepted"));
  EXPECT_EQ(parse("A: !!python/tuple [1, 2]\n").map[0].value.list.size(), 2u);
  EXPECT_EQ(parse("A: !!str 12\n").map[0].value.kind, Kind::text);
}

TEST(YamlReader, WordsGetTheirKind) {
  const auto kind = [](const std::string& word) { return parse("A: " + word).map[0].value.kind; };
  for (const char* word : {"None", "null", "~", ""}) EXPECT_EQ(kind(word), Kind::none) << word;
  for (const char* word : {"True", "false", "yes", "Off"})
    EXPECT_EQ(kind(word), Kind::boolean) << word;
  for (const char* word : {"0", "-1", "+5", "(3)", "((3))"})
    EXPECT_EQ(kind(word), Kind::integer) << word;
  for (const char* word : {"1.", ".5", "1e-4", "-2.5E+3", "(1e3)"})
    EXPECT_EQ(kind(word), Kind::real) << word;
  for (const char* word : {"()", "(1,)", "('a', [2, None])", "[1, 2]", "( 1 , 2 , )"}) {
    EXPECT_EQ(kind(word), Kind::list) << word;
  }
  for (const char* word : {"'1'", "1e", "e5", ".", "1.2.3", "007", "0x10", "(1", "(,)", "(1,,2)",
                           "(a, b)", "('a' 'b')", "('a\\", "1 2", "tRuE"}) {
    EXPECT_EQ(kind(word), Kind::text) << word;
  }
}

TEST(YamlReader, FoldersMissingAndHugeFilesAreRefused) {
  const TempFolder folder;
  EXPECT_ERROR(read_yaml_chain(folder.path()), HasSubstr("a folder; expected a YAML file"));
  EXPECT_ERROR(read_yaml_chain(folder / "none.yaml"),
               HasSubstr("none.yaml: no such configuration"));
  EXPECT_ERROR(read_yaml_chain(folder / "none" / "x"), HasSubstr("no such configuration"));
  EXPECT_ERROR(read_yaml_chain("/dev/zero"), HasSubstr("not a regular file"));
  std::ofstream(folder / "big.yaml") << std::string((1 << 20) + 1, '#');
  EXPECT_ERROR(read_yaml_chain(folder / "big.yaml"), HasSubstr("too many for a configuration"));
}

/// Every prefix and thousands of mutations of a real file: a Config or an Error, nothing else.
TEST(YamlReader, DamagedFilesGiveAConfigOrASentence) {
  const std::string whole = to_yaml(Config());
  const TempFolder folder;
  const auto path = folder / "a.yaml";
  int refused = 0;
  const auto load = [&](const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    try {
      load_config(path);
    } catch (const Error& e) {
      ++refused;
      EXPECT_THAT(e.what(), StartsWith(path.string()));
    }
  };
  for (size_t size = 0; size < whole.size(); size += 7) load(whole.substr(0, size));
  Random random(5);
  const std::string bytes = "[]{}:,&*!|>'\"%@`#-\n\t \\?0x\xff(";
  for (int i = 0; i < 800; ++i) {
    std::string text = whole;
    for (int64_t k = random.integer(1, 6); k > 0; --k) {
      const auto at = static_cast<size_t>(random.integer(0, text.size()));
      const char byte = bytes[random.integer(0, bytes.size())];
      random.chance(0.5) ? void(text[at] = byte) : void(text.insert(at, 1, byte));
    }
    load(text);
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace pixelclip::config
