#include <pixelclip/model.hpp>
#include <pixelclip/picture.hpp>
#include <pixelclip/segments.hpp>

#include "image/codec.hpp"
#include "inference/segmentation.hpp"
#include "inference/segmenter.hpp"
#include "support/tiny_clip.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;
using testing::TempFolder;

TEST(Library, FindsWhatTheSegmenterFinds) {
  const TempFolder folder;
  const auto weights = testing::write_tiny_clip(folder / "clip.pth").string();
  Image image(61, 97, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<uint8_t>(i / 13 * 31 % 256);
  write_png(folder / "p.png", image);

  const Model model(weights, {.templates = "single", .device = "cpu"});
  const auto encoded = model.encode(load_picture(folder / "p.png"));
  FindOptions options;
  options.background_cosine = 0.02;
  options.background = {"sky"};
  const Segments found = find_words(model, encoded, {"dog", "cat"}, options);

  SegmenterOptions same;
  same.weights = weights;
  same.templates = "single";
  same.device = "cpu";
  const Segmenter segmenter(same);
  const auto expected =
      segment(segmenter.encode(image), segmenter.words({"dog", "cat"}, {0.02, {"sky"}}));
  EXPECT_EQ(found.labels, expected.labels.ids);
  ASSERT_EQ(found.words.size(), 3u);
  EXPECT_EQ(found.words[2].name, "background");
  for (const Region& region : regions(expected)) {
    EXPECT_EQ(found.words[region.id].area, region.area);
    EXPECT_EQ(found.words[region.id].score, region.score);
  }
}

TEST(Library, ReportsBadInputAsOneSentence) {
  const TempFolder folder;
  try {
    const Model model((folder / "none.pth").string());
    ADD_FAILURE() << "no error";
  } catch (const std::runtime_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("none.pth"));
  }
}

}  // namespace
}  // namespace pixelclip
