#include "image/shown_image.hpp"

#include "support/support.hpp"

namespace pixelclip {
namespace {

TEST(ShownImage, AHugeJpegIsReadSmaller) {
  const testing::TempFolder folder;
  write_jpeg(folder / "wide.jpg", Image(900, 60000, 3), 50);
  EXPECT_EQ(ShownImageFile(folder / "wide.jpg", 200).pixels(), 225 * 15000);
  const ShownImage image = read_shown_image(folder / "wide.jpg", 200);
  EXPECT_EQ(image.height, 900);
  EXPECT_EQ(image.width, 60000);
  EXPECT_EQ(image.rgb.height, 225);
  EXPECT_EQ(image.rgb.width, 15000);
  EXPECT_EQ(ShownImageFile(folder / "wide.jpg", 0).decode().rgb.width, 60000);
}

}  // namespace
}  // namespace pixelclip
