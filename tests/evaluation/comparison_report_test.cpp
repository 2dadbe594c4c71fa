#include "evaluation/comparison_report.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempFolder;

SetResult result_of(double miou, double cat, double dog) {
  SetResult result;
  result.set = "voc";
  result.scores = {{"mIoU", miou}, {"IoU-cat", cat}, {"IoU-dog", dog}};
  result.names = {"cat", "dog"};
  result.confusion = Confusion(2);
  result.scored = result.listed = 3;
  result.fingerprint = "abc-def";
  return result;
}

/// Two ways, of which the first has a published score; they disagree on one image of 2×2 pixels.
ComparisonReport report_of_two() {
  ComparedSet set{.set = "voc", .class_names = {"cat", "dog"}};
  set.comparison.results = {result_of(40, 50, 30), result_of(55.5, 31, 80)};
  ContestedImage contested{.stem = "img<1>", .share = 25, .image = Image(2, 2, 3)};
  contested.truth = {2, 2, {0, 0, 1, 255}};
  contested.predictions = {{2, 2, {0, 0, 1, 1}}, {2, 2, {0, 1, 1, 1}}};
  set.comparison.contested = {contested};
  ComparedRow published{.name = "NACLIP", .source = "its README", .scores = {{"voc", 41.25}}};
  return {.ways = {{.name = "naclip", .method = "naclip", .published = {published}},
                   {.name = "kk & more", .method = "kk"}},
          .sets = {set}};
}

TEST(ComparisonReport, StatesPublishedScoresWithTheirSource) {
  const auto report = report_of_two();
  EXPECT_EQ(comparison_table(report)[1], (TableRow{"naclip", "40.00 (41.2)", "40.00"}));
  EXPECT_EQ(comparison_table(report)[2], (TableRow{"kk & more", "55.50", "55.50"}));
  const TempFolder folder;
  write_comparison(folder.path(), report);
  EXPECT_THAT(read_text(folder / "results.md"), HasSubstr("|---|--:|--:|"));
  EXPECT_THAT(read_text(folder / "results.csv"), HasSubstr("naclip,40.00 (41.2),40.00\n"));
  const auto way = read_json(folder / "results.json")["ways"][0]["sets"]["voc"];
  EXPECT_EQ(way["published"]["source"], "its README");
  EXPECT_EQ(way["published"]["mIoU"], 41.25);
  const auto page = read_text(folder / "report.html");
  EXPECT_THAT(page, AllOf(HasSubstr("published 41.2 <sup>1</sup>"), HasSubstr("<li>its README")));
}

TEST(ComparisonReport, SortsClassesByTheirDifferenceAndShadesTheBest) {
  const TempFolder folder;
  write_comparison(folder.path(), report_of_two());
  const auto page = read_text(folder / "report.html");
  const auto classes = page.substr(page.find("by the difference between the ways"));
  EXPECT_LT(classes.find(">dog<"), classes.find(">cat<")) << "50 points against 19";
  EXPECT_THAT(classes, AllOf(HasSubstr("<b>80.0</b>"), HasSubstr("<b>50.0</b>"),
                             Not(HasSubstr("<b>31.0</b>"))));
}

TEST(ComparisonReport, ShowsContestedImagesWithTheShareThatEachWayHasRight) {
  const TempFolder folder;
  write_comparison(folder.path(), report_of_two());
  const auto page = read_text(folder / "report.html");
  EXPECT_THAT(page, AllOf(HasSubstr("disagreement on 25.0 % of the pixels"),
                          HasSubstr("naclip, 100 % right"), HasSubstr("kk &amp; more, 67 % right"),
                          HasSubstr("img&lt;1&gt;"), Not(HasSubstr("img<1>"))));
}

}  // namespace
}  // namespace pixelclip
