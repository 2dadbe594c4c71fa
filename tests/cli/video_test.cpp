#include "cli/video.hpp"

#include "base/file.hpp"
#include "support/support.hpp"

#if __has_include(<opencv2/videoio.hpp>)
#include <opencv2/videoio.hpp>
#define HAVE_VIDEO 1
#endif

namespace pixelclip::cli {
namespace {
using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::TempFolder;

TEST(Video, AFileThatIsNoneIsNamed) {
  const TempFolder folder;
  write_text(folder / "film.mp4", "no film");
  EXPECT_ERROR(Video(folder / "film.mp4"),
               AnyOf(HasSubstr("film.mp4: is no video that OpenCV can read"),
                     HasSubstr("built without OpenCV's videoio")));
}

#ifdef HAVE_VIDEO
TEST(Video, FramesComeInOrderAsRgb) {
  const TempFolder folder;
  cv::VideoWriter writer((folder / "film.avi").string(),
                         cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), 10, {64, 48});
  if (!writer.isOpened()) GTEST_SKIP() << "this OpenCV writes no AVI";
  for (int i = 0; i < 3; ++i)
    writer.write(cv::Mat(48, 64, CV_8UC3, cv::Scalar(0, 0, 100 + 50 * i)));  // red, as BGR
  writer.release();
  Video video(folder / "film.avi");
  Image frame;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(video.next(frame)) << i;
    EXPECT_EQ(frame.height, 48);
    EXPECT_EQ(frame.width, 64);
    EXPECT_NEAR(frame.pixels[0], 100 + 50 * i, 8) << i;
    EXPECT_NEAR(frame.pixels[2], 0, 8) << i;
  }
  EXPECT_FALSE(video.next(frame));
}
#endif

}  // namespace
}  // namespace pixelclip::cli
