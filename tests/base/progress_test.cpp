#include "base/progress.hpp"

#include "support/support.hpp"

namespace pixelclip {
namespace {

TEST(Progress, TellsCountRateAndTimeLeft) {
  EXPECT_EQ(progress_text("coco", "images", 12, 40, 4),
            "coco: 12 of 40 images, 3 a second, 9 s left");
  EXPECT_EQ(progress_text("coco", "images", 1, 101, 1.5),
            "coco: 1 of 101 images, 0.7 a second, 2 min 30 s left");
  EXPECT_EQ(progress_text("sa1b", "samples", 10, 110'000, 10),
            "sa1b: 10 of 110000 samples, 1 a second, 30 h 33 min left");
}

TEST(Progress, GivesNoRateBeforeItMeansSomething) {
  EXPECT_EQ(progress_text("coco", "images", 2, 40, 0.1), "coco: 2 of 40 images");
  EXPECT_EQ(progress_text("coco", "images", 0, 40, 30), "coco: 0 of 40 images");
}

}  // namespace
}  // namespace pixelclip
