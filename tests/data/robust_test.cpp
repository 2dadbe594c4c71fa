#include <png.h>
#include <torch/types.h>

#include "base/file.hpp"
#include "data/mapper.hpp"
#include "data/synthetic_sa1b.hpp"
#include "data/train_set.hpp"
#include "support/loading.hpp"

/// Every kind of odd or broken training sample has one defined outcome.
namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace testing;

constexpr int64_t kHeight = 24, kWidth = 40;

class OddSamples : public ::testing::Test {
 protected:
  void SetUp() override {
    config_.datasets.train = {"sam"};
    config_.datasets.sam_root = root_.path().string();
    config_.input.min_size_train = {32};
    config_.input.crop.enabled = true;
    config_.input.crop.type = CropType::absolute;
    config_.input.crop.size = {30, 30};
    config_.model.mask_resolution = {16, 16};
    fs::create_directories(root_ / "images");
    fs::create_directories(root_ / "annotations");
  }

  void put(const std::string& name, std::span<const uint8_t> image, const std::string& annotation) {
    write_file(root_ / "images" / name, {image.begin(), image.end()});
    write_file(annotation_of(name), annotation);
  }
  fs::path annotation_of(const std::string& name) const {
    return root_ / "annotations" / fs::path(name).replace_extension(".json");
  }
  TrainSample made(const std::string& name) const {
    return mapper_of(config_)({(root_ / "images" / name).string(), annotation_of(name).string()},
                              Random(1));
  }
  void expect_usable(const std::string& name) const {
    const TrainSample sample = made(name);
    EXPECT_EQ(sample.image.sizes(), (std::vector<int64_t>{3, 30, 30})) << name;
    EXPECT_EQ(sample.mask_bits.size(0), 1) << name;
  }

  static std::string masks(int64_t height = kHeight, int64_t width = kWidth) {
    return sa1b_json(height, width, {rectangle(height, width, {0, 0, width, height})}).dump();
  }
  static std::vector<uint8_t> jpeg() { return encode_jpeg(synthetic_image(kHeight, kWidth, 3)); }
  static std::vector<uint8_t> turned_jpeg(uint8_t orientation) {
    const std::vector<uint8_t> exif = {
        0xFF, 0xE1, 0, 34,   'E', 'x', 'i', 'f', 0, 0, 'M', 'M',         0, 42, 0, 0, 0, 8,
        0,    1,    1, 0x12, 0,   3,   0,   0,   0, 1, 0,   orientation, 0, 0,  0, 0, 0, 0};
    auto bytes = jpeg();
    bytes.insert(bytes.begin() + 2, exif.begin(), exif.end());
    return bytes;
  }
  /// `format` is libpng's; with PNG_FORMAT_FLAG_LINEAR samples have 16 bits.
  static std::vector<uint8_t> png(png_uint_32 format) {
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    image.height = static_cast<png_uint_32>(kHeight),
    image.width = static_cast<png_uint_32>(kWidth);
    image.format = format;
    const std::vector<uint16_t> samples(PNG_IMAGE_SIZE(image), 77);
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::vector<uint8_t> bytes(size);
    EXPECT_TRUE(
        png_image_write_to_memory(&image, bytes.data(), &size, 0, samples.data(), 0, nullptr));
    bytes.resize(size);
    return bytes;
  }

  TempFolder root_;
  Config config_;
};

TEST_F(OddSamples, ImagesOfEveryKindAreUsable) {
  Image grey(kHeight, kWidth, 1);
  put("grey.jpg", encode_jpeg(grey), masks());
  put("rgb.png", png(PNG_FORMAT_RGB), masks());
  put("alpha.png", png(PNG_FORMAT_RGBA), masks());
  put("sixteen.png", png(PNG_FORMAT_LINEAR_Y), masks());
  put("sixteen_rgb.png", png(PNG_FORMAT_LINEAR_RGB), masks());
  put("misnamed.jpg", png(PNG_FORMAT_RGB), masks());
  for (const char* name :
       {"grey.jpg", "rgb.png", "alpha.png", "sixteen.png", "sixteen_rgb.png", "misnamed.jpg"}) {
    expect_usable(name);
  }
}

TEST_F(OddSamples, ExifTurnsTheImageUnlessTheMasksWereDrawnOnTheStoredOne) {
  config_.input.random_flip = Flip::none;
  config_.input.crop.enabled = false;
  put("plain.jpg", jpeg(), masks());
  put("stored.jpg", turned_jpeg(6), masks(kHeight, kWidth));
  put("shown.jpg", turned_jpeg(6), masks(kWidth, kHeight));
  put("neither.jpg", turned_jpeg(6), masks(kWidth, kWidth));
  EXPECT_TRUE(torch::equal(made("stored.jpg").image, made("plain.jpg").image));
  const auto shown = made("shown.jpg"), plain = made("plain.jpg");
  EXPECT_EQ(shown.image.size(1), plain.image.size(2));
  EXPECT_FALSE(torch::equal(shown.image, plain.image.transpose(1, 2)));  // turned, not mirrored
  const auto difference =
      shown.image.slice(1, 0, 53).slice(2, 0, 32).to(torch::kInt) -
      plain.image.slice(1, 0, 32).slice(2, 0, 53).to(torch::kInt).rot90(-1, {1, 2});
  EXPECT_LE(difference.abs().max().item<int>(), 1);  // the axes are resized in another order
  EXPECT_ERROR(made("neither.jpg"),
               AllOf(HasSubstr("neither.json"), HasSubstr("40×40"), HasSubstr("40×24")));
}

TEST_F(OddSamples, AJpegThatIsCutIsBadAndOneWithoutEndMarkGoodWhateverCropIsDrawn) {
  const Image image = synthetic_image(120, 160, 3);
  const auto whole = encode_jpeg(image);
  const std::string annotation = masks(120, 160);
  put("cut.jpg", std::span(whole).first(whole.size() * 9 / 10), annotation);
  put("unmarked.jpg", std::span(whole).first(whole.size() - 2), annotation);
  auto longer = whole;
  longer.insert(longer.end(), 1000, uint8_t{'x'});
  put("longer.jpg", longer, annotation);
  put("whole.jpg", whole, annotation);
  config_.input.min_size_train = {120};
  const Sa1bMapper mapper = mapper_of(config_);
  const auto sample = [&](const std::string& name, uint64_t seed) {
    return mapper({(root_ / "images" / name).string(), annotation_of(name).string()}, Random(seed))
        .image;
  };
  for (uint64_t seed = 0; seed < 8; ++seed) {
    EXPECT_ERROR(sample("cut.jpg", seed), AllOf(HasSubstr("cut.jpg"), HasSubstr("truncated JPEG")));
    EXPECT_TRUE(torch::equal(sample("unmarked.jpg", seed), sample("whole.jpg", seed)));
    EXPECT_TRUE(torch::equal(sample("longer.jpg", seed), sample("whole.jpg", seed)));
  }
}

TEST_F(OddSamples, BrokenImagesAreNamed) {
  const auto whole = jpeg();
  put("cut.jpg", std::span(whole).first(whole.size() * 9 / 10), masks());
  put("text.jpg", std::vector<uint8_t>{'t', 'e', 'x', 't'}, masks());
  put("empty.jpg", {}, masks());
  for (const char* name : {"cut.jpg", "text.jpg", "empty.jpg", "missing.jpg"}) {
    EXPECT_ERROR(made(name), HasSubstr(name));
  }
}

TEST_F(OddSamples, BrokenAnnotationsAreNamed) {
  const auto expect = [&](const std::string& annotation, const char* text) {
    put("a.jpg", jpeg(), annotation);
    EXPECT_ERROR(made("a.jpg"), AllOf(HasSubstr("a.json"), HasSubstr(text)));
  };
  const std::string good = masks();
  expect(good.substr(0, good.size() - 2), "cut short");
  expect("", "cut short");
  expect(masks(kHeight + 1, kWidth), "25×40");
  expect(R"({"annotations": [{"segmentation": {"size": [24, 40], "counts": [5, 6, 7]}}]})",
         "sum to 18");
  expect(R"({"annotations": [{"segmentation": {"size": [24, 40], "counts": "zzzz"}}]})", "RLE");
  expect(R"({"annotations": [{"segmentation": {"size": [24000000, 40], "counts": [1]}}]})",
         "1048576");
  expect(R"({"annotations": [{"segmentation": {"size": [1048576, 1048576], "counts": [1]}}]})",
         "can");
  expect(R"({"x": )" + std::string(100000, '['), "nesting");
  expect(R"({"annotations": [{"segmentation": {"size": [24, 40], "counts": [1e400]}}]})",
         "not a length");
  expect("7", "object");
  put("a.jpg", jpeg(), good);
  fs::resize_file(annotation_of("a.jpg"), (uint64_t{1} << 30) + 1);  // a hole: it takes no space
  EXPECT_ERROR(made("a.jpg"), AllOf(HasSubstr("a.json"), HasSubstr("1073741825 bytes")));
}

TEST_F(OddSamples, TinyImagesAndMasksBesideTheCropAreUsable) {
  put("tiny.png", encode_png(Image(1, 1, 3)), masks(1, 1));
  put("thin.png", encode_png(Image(1, 200, 3)), masks(1, 200));
  expect_usable("tiny.png");
  EXPECT_EQ(made("thin.png").mask_bits.dim(), 3);
  put("none.jpg", jpeg(), sa1b_json(kHeight, kWidth, {}).dump());
  EXPECT_EQ(made("none.jpg").mask_bits.size(0), 0);
}

TEST_F(OddSamples, TheLoaderCountsAndNamesAnnotationsThatItLeavesOutAlone) {
  auto odd = sa1b_json(kHeight, kWidth,
                       {rectangle(kHeight, kWidth, {0, 0, kWidth, kHeight}),
                        rectangle(kHeight, kWidth, {0, 0, 20, 20})});
  odd["annotations"][1]["iscrowd"] = 1;
  odd["annotations"].push_back({{"id", 4711}, {"bbox", {1, 2, 3, 4}}});
  put("odd.jpg", jpeg(), odd.dump());
  put("good.jpg", jpeg(), masks());
  config_.solver.ims_per_batch = 2;
  config_.datasets.crowd_regions = CrowdRegions::leave_out;
  const auto loader = loader_of(config_, 5);
  ::testing::internal::CaptureStderr();
  for (int epoch = 0; epoch < 3; ++epoch) loader->next();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(loader->counts().masks, 3);
  EXPECT_EQ(loader->counts().crowds, 3);
  EXPECT_EQ(loader->counts().bad, 0);
  const std::string line =
      "left out 1 annotations of " + (root_ / "images/odd.jpg").string() + " alone: ";
  EXPECT_THAT(log, AllOf(HasSubstr(line), HasSubstr("annotation 2 (id 4711)"),
                         HasSubstr("DATASETS.CROWD_REGIONS")));
  EXPECT_EQ(log.find(line), log.rfind(line)) << "named once";
}

TEST_F(OddSamples, TheLoaderLeavesOutCountsAndNamesThemOnce) {
  for (int i = 0; i < 6; ++i) put(str("good", i, ".jpg"), jpeg(), masks());
  const auto whole = jpeg();
  put("cut.jpg", std::span(whole).first(300), masks());
  put("size.jpg", jpeg(), masks(9, 9));
  put("none.jpg", jpeg(), sa1b_json(kHeight, kWidth, {}).dump());
  config_.solver.ims_per_batch = 9;
  config_.dataloader.max_bad_samples = 1;
  for (const int workers : {0, 3}) {
    config_.dataloader.num_workers = workers;
    const auto loader = loader_of(config_, 5);
    ::testing::internal::CaptureStderr();
    for (int epoch = 0; epoch < 4; ++epoch) {
      for (const TrainSample& sample : loader->next())
        EXPECT_THAT(sample.file_name, HasSubstr("good"));
    }
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(loader->counts().delivered, 36);
    EXPECT_GE(loader->counts().bad, 8);  // each epoch meets two, and substitutes may be bad too
    EXPECT_GE(loader->counts().empty, 4);
    for (const char* name : {"cut.jpg", "size.json", "none.jpg"}) {
      std::istringstream lines(log);
      int named = 0;
      for (std::string line; std::getline(lines, line);)
        named += line.find(name) != std::string::npos;
      EXPECT_EQ(named, 1) << name << ":\n" << log;
    }
  }
}

}  // namespace
}  // namespace pixelclip
