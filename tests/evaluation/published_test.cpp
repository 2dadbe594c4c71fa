#include "evaluation/published.hpp"

#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::ElementsAre;

ClipArchitecture with_vit(int64_t width, int64_t patch) {
  ClipArchitecture architecture;
  architecture.vit = VitOptions{.width = width, .patch = patch};
  return architecture;
}

ClipArchitecture with_convnext() {
  ClipArchitecture architecture;
  architecture.convnext = ConvNextOptions{};
  return architecture;
}

/// The figures of a row in the order of the paper's table.
std::vector<double> figures(const std::vector<ComparedRow>& rows) {
  EXPECT_EQ(rows.size(), 1u);
  std::vector<double> values;
  for (const char* set :
       {"coco_2017_test_stuff_all_sem_seg", "ade20k_150_test_sem_seg", "context_59_test_sem_seg",
        "cityscapes_fine_sem_seg_val", "voc_2012_test_sem_seg"}) {
    values.push_back(score_of(rows.at(0).scores, set));
  }
  return values;
}

TEST(PublishedResults, TheRowOfTheBackboneAndItsMasksIsFound) {
  EXPECT_THAT(figures(published_rows(with_vit(768, 16), /*dino_masks=*/true)),
              ElementsAre(22.2, 17.4, 34.3, 22.9, 83.8));
  EXPECT_THAT(figures(published_rows(with_vit(768, 16), false)),
              ElementsAre(23.6, 18.7, 37.9, 27.2, 85.9));
  EXPECT_THAT(figures(published_rows(with_convnext(), true)),
              ElementsAre(20.2, 19.4, 32.7, 30.0, 62.9));
  EXPECT_THAT(figures(published_rows(with_convnext(), false)),
              ElementsAre(21.4, 20.3, 35.4, 34.8, 67.2));
  EXPECT_THAT(published_rows(with_convnext(), false)[0].source,
              ::testing::HasSubstr("arXiv 2409.19846"));
}

TEST(PublishedResults, OtherArchitecturesHaveNone) {
  EXPECT_TRUE(published_rows(with_vit(768, 32), false).empty());
  EXPECT_TRUE(published_rows(with_vit(1024, 14), true).empty());
}

}  // namespace
}  // namespace pixelclip
