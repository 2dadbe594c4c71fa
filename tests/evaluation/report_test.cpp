#include "evaluation/report.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempFolder;

SetResult example() {
  SetResult result;
  result.set = "ade20k_150_test_sem_seg";
  result.scores = {{"mIoU", 12.345678},   {"fwIoU", 20.5}, {"IoU-a", std::nan("")},
                   {"IoU-b \"c\"", 3.25}, {"mACC", 30},    {"pACC", 40}};
  result.names = {"a", "b, c"};
  result.confusion = Confusion(2);
  result.confusion.counts() = {1, 2, 3, 4, 5, 6, 0, 0, 0};
  result.scored = 1999;
  result.listed = 2000;
  result.failed = 1;
  result.unpaired = 3;
  result.fingerprint = "abc-def";
  return result;
}

TEST(Report, TheTableNamesSetsScoresAndWhatIsMissing) {
  SetResult stopped;
  stopped.set = "voc";
  stopped.scores = {{"IoU", 50.0}, {"mIoU", 1.0}};
  stopped.complete = false;
  const std::string table = results_table({example(), stopped});
  EXPECT_THAT(table, HasSubstr("12.35"));
  EXPECT_THAT(table, HasSubstr("1999 of 2000"));
  EXPECT_THAT(table, HasSubstr("1 unreadable, 3 without their other half"));
  EXPECT_THAT(table, HasSubstr("50.00"));
  EXPECT_THAT(table, HasSubstr("stopped early"));
}

TEST(Report, PlainClipIsNamedInEveryTable) {
  auto result = example();
  result.plain_clip = true;
  EXPECT_THAT(result_rows({result})[1].back(),
              ::testing::StartsWith("CLIP before training, ONLY 99.9 % OF THE SET"));
  EXPECT_EQ(comparison_rows({result}, {})[1][0], "CLIP before training");
  const TempFolder folder;
  write_results(folder / "eval", {result});
  EXPECT_THAT(read_text(folder / "eval/results.json"), HasSubstr("\"clip_before_training\":true"));
  EXPECT_THAT(read_text(folder / "eval/results.md"), HasSubstr("CLIP before training"));
}

TEST(Report, OtherResultsAreListedWithTheirSource) {
  const TempFolder folder;
  write_text(
      folder / "rows.json",
      R"([{"name": "another", "source": "its paper", "scores": {"ade20k_150_test_sem_seg": 11.25, "other": 1}}])");
  const auto compared = read_compared(folder / "rows.json");
  const auto rows = comparison_rows({example()}, compared);
  EXPECT_EQ(rows[0], (TableRow{"mIoU", "ade20k_150_test_sem_seg", "source"}));
  EXPECT_EQ(rows[1], (TableRow{"this run", "12.3", ""}));
  EXPECT_EQ(rows[2], (TableRow{"another", "11.2", "its paper"}));
  EXPECT_THAT(results_table({example()}, compared), HasSubstr("its paper"));
  write_results(folder / "eval", {example()}, compared);
  EXPECT_THAT(read_text(folder / "eval/results.md"), HasSubstr("| another | 11.2 | its paper |"));
  write_text(folder / "rows.json", R"([{"name": "without a source", "scores": {}}])");
  EXPECT_ERROR(read_compared(folder / "rows.json"), HasSubstr("row 0 is none"));
}

TEST(Report, AScoreOfPartOfASetIsMarkedInTheTable) {
  SetResult part = example();
  part.listed = part.scored = 700;
  part.failed = part.unpaired = 0;
  part.expected = 1449;
  EXPECT_THAT(results_table({part}), AllOf(HasSubstr("ONLY 48.3 % OF THE SET: 700 of 1449 images"),
                                           HasSubstr("700 of 1449 ")));
  part.unlabelled = 49;
  part.listed = 749;
  EXPECT_THAT(results_table({part}), HasSubstr("ONLY 50.0 % OF THE SET: 700 of 1400 images"));
  part.expected = 749;
  EXPECT_EQ(coverage_remark(part), "");
  part.scored = 699;
  EXPECT_THAT(coverage_remark(part), HasSubstr("ONLY 99.9 %"));
  const TempFolder folder;
  part.expected = 1449;
  write_results(folder / "eval", {part});
  EXPECT_THAT(read_text(folder / "eval/results.md"), HasSubstr("OF THE SET"));
  EXPECT_EQ(
      read_json(folder / "eval/results.json")["ade20k_150_test_sem_seg"]["evaluation"]["expected"],
      1449);
}

TEST(Report, TablesAlignColumnsOfNumbersToTheRight) {
  const std::vector<TableRow> rows = {{"set", "mIoU", "remarks", "mean"},
                                      {"a", "12.30 (14.0)", "7 of them", "nan"},
                                      {"b", "–", "some, \"odd\"", "4"}};
  std::ostringstream markdown, csv;
  write_markdown(markdown, rows);
  EXPECT_THAT(markdown.str(), HasSubstr("|---|--:|---|--:|\n"));
  write_csv(csv, rows);
  EXPECT_THAT(csv.str(), HasSubstr("b,–,\"some, \"\"odd\"\"\",4\n"));
  EXPECT_THAT(plain_table(rows), HasSubstr("b               –  some, \"odd\"     4\n"));
}

TEST(Report, CopypasteLinesAreDetectron2s) {
  EXPECT_EQ(copypaste_lines(example()),
            "copypaste: Task: sem_seg\ncopypaste: mIoU,fwIoU,mACC,pACC\n"
            "copypaste: 12.3457,20.5000,30.0000,40.0000\n");
}

TEST(Report, FilesHoldEveryScoreInItsOrder) {
  const TempFolder folder;
  write_results(folder / "eval", {example()});
  const std::string json = read_text(folder / "eval/results.json");
  EXPECT_THAT(json, HasSubstr("\"IoU-a\": null"));
  EXPECT_LT(json.find("mIoU"), json.find("fwIoU"));
  const auto parsed = nlohmann::json::parse(json);
  EXPECT_EQ(parsed["ade20k_150_test_sem_seg"]["sem_seg"]["mIoU"], 12.345678);
  EXPECT_EQ(parsed["ade20k_150_test_sem_seg"]["sem_seg"]["IoU-b \"c\""], 3.25);
  EXPECT_THAT(read_text(folder / "eval/results.md"),
              HasSubstr("| ade20k_150_test_sem_seg | 12.35 |"));
  EXPECT_THAT(read_text(folder / "eval/results.csv"),
              HasSubstr("ade20k_150_test_sem_seg,12.345678,20.500000,30.000000,40.000000,1999,2000,"
                        "0,3,1,yes,abc-def"));
  write_single_result(folder / "results.json", example());
  EXPECT_THAT(read_text(folder / "results.json"), Not(HasSubstr("ade20k")));
  EXPECT_THAT(read_text(folder / "results.json"), HasSubstr("\"sem_seg\": {"));
}

TEST(Report, TheConfusionIsATableWithNames) {
  const TempFolder folder;
  write_confusion(folder / "c.csv", example());
  EXPECT_EQ(read_text(folder / "c.csv"),
            "predicted \\ true,a,\"b, c\",ignored\na,1,2,3\n\"b, c\",4,5,6\n");
}

}  // namespace
}  // namespace pixelclip
