#include "image/image.hpp"

#include "support/support.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Image, ACropMustHavePixelsAndLieInsideTheImage) {
  EXPECT_NO_THROW(check_crop({0, 0, 6, 4}, 4, 6));
  EXPECT_NO_THROW(check_crop({5, 3, 1, 1}, 4, 6));
  for (const Rect& crop : {Rect{0, 0, 0, 4}, Rect{0, 0, 6, 0}, Rect{-1, 0, 2, 2}, Rect{0, -1, 2, 2},
                           Rect{1, 0, 6, 4}, Rect{0, 1, 6, 4}, Rect{0, 0, -3, 2}}) {
    EXPECT_ERROR(check_crop(crop, 4, 6, "a.jpg: "),
                 AllOf(StartsWith("a.jpg: the crop at"), HasSubstr("an image of 4 x 6")));
  }
}

}  // namespace
}  // namespace pixelclip::testing
