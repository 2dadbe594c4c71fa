#include "text/clean.hpp"

#include "support/support.hpp"

namespace pixelclip {
namespace {
using ::testing::HasSubstr;

// Expected texts are what ftfy 6.3, html.unescape and str.lower give.

TEST(CleanText, CollapsesSpacesOfEveryKind) {
  EXPECT_EQ(clean_text("  A \t\r\n b\u3000c\u2003\u00A0d\u2028e\x0C"
                       "f  "),
            "a b c d e f");
  EXPECT_EQ(clean_text(" \n "), "");
}

TEST(CleanText, LowerCasesAsPythonDoes) {
  EXPECT_EQ(clean_text("ÀÉÎ ΩЯ \u0130 ẞ Ǆ"), "àéî ωя i\u0307 ß dž");
  EXPECT_EQ(clean_text("ΟΔΟΣ ΣΑΣ. Σ ΑΣ'Α"), "οδος σας. σ ασ'α");
}

TEST(CleanText, StraightensQuotesLigaturesAndWidths) {
  EXPECT_EQ(clean_text("‘a’ “b” ʼ ‟"), "'a' \"b\" ' \"");
  EXPECT_EQ(clean_text("ﬁne ﬃ ﬅ Ĳ ŉ"), "fine ffi ſt ij 'n");
  EXPECT_EQ(clean_text("ＬＯＵＤ　１＇ ｶﾞ"), "loud 1' ガ");
  EXPECT_EQ(clean_text("½ ① ² ™"), "½ ① ² ™");
}

TEST(CleanText, RemovesControlsAndTerminalEscapes) {
  EXPECT_EQ(clean_text("\x1b[36;44mblue\x1b[0m \x1b[x \x07"
                       "bell\x7F \uFEFF\uFFFC"),
            "blue bell");
  EXPECT_EQ(clean_text("a\xC2\x85"
                       "b \xC2\x93q\xC2\x94"),
            "a…b \"q\"");
}

TEST(CleanText, ComposesMarks) {
  EXPECT_EQ(clean_text("cafe\u0301"), "café");
  EXPECT_EQ(clean_text("\u1112\u1161\u11AB"), "한");
  EXPECT_EQ(clean_text("\uD6FC\u11A7"), "\uD6FC\u11A7");
  EXPECT_EQ(clean_text("a\u0323\u0307"), clean_text("a\u0307\u0323"));
}

TEST(CleanText, UnescapesHtmlAsOftenAsTheReference) {
  EXPECT_EQ(clean_text("&amp;lt;tag&amp;gt; &quot;x&quot;"), "<tag> \"x\"");
  EXPECT_EQ(clean_text("P&EACUTE;REZ STRA&SZLIG;E"), "pérez strasse");
  EXPECT_EQ(clean_text("&notit; &#x41;&#66 &ampamp; &hellip;"), "¬it; ab & …");
  EXPECT_EQ(clean_text("&#128;&#0;&#xD800;&#x110000;&#99999999999999999999;&#x1F600;&#11;"),
            "€\uFFFD\uFFFD\uFFFD\uFFFD😀");
  EXPECT_EQ(clean_text("a & b &; &#; &#x; &unknown; &"), "a & b &; &#; &#x; &unknown; &");
  // Text that holds a tag is taken for HTML, so that only two rounds are unescaped.
  EXPECT_EQ(clean_text("&amp;amp;amp;amp;"), "&");
  EXPECT_EQ(clean_text("< &amp;amp;amp;amp;"), "< &amp;amp;");
}

TEST(AsciiLetters, RemovesMarksButKeepsLetters) {
  EXPECT_EQ(ascii_letters("Café, naïve"), "Cafe, naive");
  EXPECT_EQ(ascii_letters("grass"), "grass");
  EXPECT_EQ(ascii_letters("草"), "");
  EXPECT_EQ(ascii_letters("a\x80"), "");
}

TEST(CleanText, RefusesWhatIsNoText) {
  EXPECT_ERROR(clean_text("a\x80"), HasSubstr("byte 2 is not UTF-8"));
  EXPECT_ERROR(clean_text(std::string(20000, ' ')), HasSubstr("16384"));
}

}  // namespace
}  // namespace pixelclip
