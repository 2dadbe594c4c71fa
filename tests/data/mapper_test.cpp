#include "data/mapper.hpp"

#include <cmath>

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"
#include "image/augment.hpp"
#include "image/resize.hpp"
#include "io/safetensors.hpp"
#include "support/loading.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace testing;

Config plain_config() {
  Config config;
  config.input.format = ChannelOrder::rgb;
  config.input.random_flip = Flip::none;
  config.input.min_size_train = {1024};
  config.input.crop.type = CropType::absolute;
  config.input.crop.size = {640, 640};
  return config;
}

Sa1bSample sample_of(const fs::path& root, const std::string& stem) {
  return {(root / "images/sa_000000" / (stem + ".jpg")).string(),
          (root / "annotations/sa_000000" / (stem + ".json")).string()};
}

/// [M, H, 8 · ceil(W / 8)] of 0 and 1.
torch::Tensor unpack(const torch::Tensor& bits) {
  const auto shifts = torch::arange(7, -1, -1, torch::kUInt8);
  return bits.unsqueeze(-1).bitwise_right_shift(shifts).bitwise_and(1).flatten(2);
}

TEST(Mapper, MeetsTheGoldenGeometry) {
  SKIP_WITHOUT_SHARED();
  const fs::path folder = shared_folder() / "golden/data";
  const auto golden = read_safetensors(folder / "sa1b_geometry.safetensors").tensors;
  const auto cases = read_json(folder / "sa1b_geometry.json");
  const Sa1bMapper mapper = mapper_of(plain_config());
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& c = cases[i];
    const fs::path image = folder / c["file"].get<std::string>();
    fs::path masks = folder / "sa1b/resized_annotations/sa_000000" / image.stem();
    masks += ".json";
    CropGeometry geometry;
    geometry.height = c["resized_hw"][0], geometry.width = c["resized_hw"][1];
    const auto& crop = c["crop_xywh"];
    geometry.crop = {crop[0], crop[1], crop[2], crop[3]};
    geometry.flip_x = c["hflip"];
    const TrainSample sample = mapper.map({image.string(), masks.string()}, geometry, Random(0));

    const auto expected = golden.at(str(i, ".image")).permute({2, 0, 1}).to(torch::kInt);
    EXPECT_TRUE(close(sample.image.to(torch::kInt), expected, 0, 1)) << image;

    // The golden masks stand in the order of the file and hold those that vanish on the grid.
    const auto json = read_json(masks);
    std::vector<std::pair<int64_t, int64_t>> order;
    for (const auto& item : json["annotations"]) {
      const auto& s = item["segmentation"];
      const Rle rle = decode_rle(s["counts"].get<std::string>(), s["size"][0], s["size"][1]);
      order.emplace_back(-rle_area(rle.counts), static_cast<int64_t>(order.size()));
    }
    std::sort(order.begin(), order.end());
    std::vector<torch::Tensor> rows;
    for (const auto& [area, index] : order) {
      const auto bits = golden.at(str(i, ".mask256_bits"))[index].view({1, 256, 32});
      if (unpack(bits).sum().item<int64_t>() > 1) rows.push_back(bits);
    }
    ASSERT_GT(rows.size(), 10u);
    EXPECT_TRUE(torch::equal(sample.mask_bits, torch::cat(rows))) << image;
  }
}

TEST(Mapper, DrawsTheGoldenSizes) {
  SKIP_WITHOUT_SHARED();
  const auto cases = read_json(shared_folder() / "golden/data/sa1b_geometry.json");
  Random random(1);
  for (const auto& c : cases) {
    const auto geometry =
        draw_geometry(plain_config().input, c["source_hw"][0], c["source_hw"][1], random);
    EXPECT_EQ(geometry.height, c["resized_hw"][0]);
    EXPECT_EQ(geometry.width, c["resized_hw"][1]);
  }
}

/// The reference's chain on whole bitmaps, pixel by pixel.
torch::Tensor naive_masks(const std::vector<std::vector<uint8_t>>& bitmaps, int64_t height,
                          int64_t width, const CropGeometry& g, const Size2& frame,
                          const Size2& grid, const Rect& cut) {
  // Pillow adds up its step, which decides where (i + ½) · in / out is a whole number.
  const auto nearest = [](int64_t i, int64_t in, int64_t out) {
    const double step = static_cast<double>(in) / static_cast<double>(out);
    double position = step * 0.5;
    for (; i > 0; --i) position += step;
    return std::min(static_cast<int64_t>(position), in - 1);
  };
  const auto sampled = [](int64_t i, int64_t in, int64_t out) {
    return std::min(static_cast<int64_t>(static_cast<float>(in) / static_cast<float>(out) * i),
                    in - 1);
  };
  std::vector<torch::Tensor> rows;
  for (const auto& bitmap : bitmaps) {
    auto mask = torch::zeros({grid.height, (grid.width + 7) / 8 * 8}, torch::kUInt8);
    for (int64_t i = 0; i < grid.height; ++i) {
      for (int64_t j = 0; j < grid.width; ++j) {
        int64_t y = sampled(i, frame.height, grid.height), x = sampled(j, frame.width, grid.width);
        if (y >= g.crop.height || x >= g.crop.width) continue;
        if (y >= cut.y && y < cut.y + cut.height && x >= cut.x && x < cut.x + cut.width) continue;
        if (g.flip_y) y = g.crop.height - 1 - y;
        if (g.flip_x) x = g.crop.width - 1 - x;
        y = nearest(y + g.crop.y, height, g.height), x = nearest(x + g.crop.x, width, g.width);
        mask[i][j] = bitmap[y * width + x];
      }
    }
    if (mask.sum().item<int64_t>() > 1) rows.push_back(mask);
  }
  return rows.empty() ? torch::zeros({0, grid.height, (grid.width + 7) / 8 * 8}, torch::kUInt8)
                      : torch::stack(rows);
}

TEST(Mapper, MasksEqualTheNaiveChain) {
  const TempFolder root;
  Random random(11);
  int64_t kept = 0;
  for (int round = 0; round < 60; ++round) {
    const int64_t height = random.integer(1, 60), width = random.integer(1, 60);
    Config config = plain_config();
    config.input.strong_aug = round % 2 == 1;
    config.input.min_size_train = {random.integer(1, 70)};
    config.input.random_flip = round % 3 == 0   ? Flip::horizontal
                               : round % 3 == 1 ? Flip::vertical
                                                : Flip::none;
    config.input.crop.enabled = round % 4 != 0;
    config.input.crop.type = round % 8 < 4 ? CropType::absolute : CropType::relative_range;
    if (round % 8 < 4)
      config.input.crop.size = {20, 24};
    else
      config.input.crop.size = {0.4, 0.3};
    config.model.mask_resolution = {random.integer(1, 40), random.integer(1, 40)};
    std::vector<std::vector<uint8_t>> bitmaps;
    for (int m = 0; m < 4; ++m) {
      std::vector<uint8_t> bitmap(height * width);
      for (auto& pixel : bitmap) pixel = random.chance(0.15 + 0.25 * m);
      bitmaps.push_back(bitmap);
    }
    const auto area = [](const auto& b) { return std::count(b.begin(), b.end(), 1); };
    std::stable_sort(bitmaps.begin(), bitmaps.end(),
                     [&](const auto& a, const auto& b) { return area(a) > area(b); });
    make_sample(root.path(), "sa_1", height, width, round);
    const Sa1bSample sample = sample_of(root.path(), "sa_1");
    write_text(sample.annotation, sa1b_json(height, width, bitmaps).dump());

    Random geometry_draws(round);
    const auto g = draw_geometry(config.input, height, width, geometry_draws);
    Random draws(round, 1);
    const TrainSample out = mapper_of(config).map(sample, g, draws);
    Rect cut;
    if (config.input.strong_aug) {
      cut = StrongAugment::draw(draws, g.crop.height, g.crop.width).cutout;
    }
    const Size2 frame{out.image.size(1), out.image.size(2)};
    const auto expected =
        naive_masks(bitmaps, height, width, g, frame, config.model.mask_resolution, cut);
    ASSERT_TRUE(torch::equal(unpack(out.mask_bits), expected))
        << "round " << round << ": " << height << "×" << width << " → " << g.height << "×"
        << g.width;
    kept += expected.size(0);
    if (!out.masks_in) continue;
    const Size2 larger{frame.height + random.integer(0, 20), frame.width + random.integer(0, 20)};
    ASSERT_TRUE(torch::equal(
        unpack(out.masks_in(larger)),
        naive_masks(bitmaps, height, width, g, larger, config.model.mask_resolution, cut)))
        << "round " << round;
  }
  EXPECT_GT(kept, 60);
}

TEST(Mapper, PadsNothingButSamplesTheMasksInALargerFrame) {
  const TempFolder root;
  make_sample(root.path(), "sa_1", 40, 60, 1);
  const Sa1bSample sample = sample_of(root.path(), "sa_1");
  write_text(sample.annotation, sa1b_json(40, 60, {rectangle(40, 60, {0, 0, 60, 40})}).dump());
  Config config = plain_config();
  config.input.min_size_train = {40};
  config.input.size_divisibility = 80;  // without effect
  config.input.strong_aug = true;
  config.model.mask_resolution = {80, 80};
  const TrainSample out = mapper_of(config)(sample, Random(0));
  ASSERT_EQ(out.image.sizes(), (std::vector<int64_t>{3, 40, 60}));
  ASSERT_EQ(out.image_strong.sizes(), (std::vector<int64_t>{3, 40, 60}));
  EXPECT_EQ(out.source_size, (Size2{40, 60}));
  const auto mask = unpack(out.masks_in({80, 80}))[0];
  EXPECT_EQ(mask.slice(0, 40).sum().item<int64_t>(), 0);
  EXPECT_EQ(mask.slice(1, 60).sum().item<int64_t>(), 0);
  // What is cut out of the strong image is cut out of the mask, and nothing else is.
  const auto black = (out.image_strong == 0).all(0);
  const auto inside = mask.slice(0, 0, 40).slice(1, 0, 60);
  EXPECT_EQ((black & (inside == 1)).sum().item<int64_t>(), 0);
  const int64_t cut = 2400 - inside.sum().item<int64_t>();
  EXPECT_GE(cut, 4 * 6);
  EXPECT_LE(cut, 20 * 30);

  // A crop that no other can exceed holds nothing back, nor do masks that are stretched.
  config.input.crop.enabled = true;
  config.input.crop.size = {40, 60};
  EXPECT_FALSE(mapper_of(config)(sample, Random(0)).masks_in);
  config.input.crop.size = {40, 61};
  EXPECT_TRUE(mapper_of(config)(sample, Random(0)).masks_in);
  config.input.pad_masks = false;
  EXPECT_FALSE(mapper_of(config)(sample, Random(0)).masks_in);
}

TEST(Mapper, LimitsMasksOnlyWhenAsked) {
  const TempFolder root;
  make_sample(root.path(), "sa_1", 40, 60, 1);
  Config config = plain_config();
  config.input.min_size_train = {40};
  config.model.max_masks = 2;
  const Sa1bSample sample = sample_of(root.path(), "sa_1");
  EXPECT_EQ(mapper_of(config)(sample, Random(0)).mask_bits.size(0), 3);
  config.model.limit_masks = true;
  EXPECT_EQ(mapper_of(config)(sample, Random(0)).mask_bits.size(0), 2);
}

TEST(Mapper, WithoutStrongViewOrAnnotationsThoseAreUndefined) {
  const TempFolder root;
  make_sample(root.path(), "sa_1", 40, 60, 1);
  Config config = plain_config();
  config.input.min_size_train = {40};
  config.model.dino = true;
  const TrainSample out = mapper_of(config)({sample_of(root.path(), "sa_1").image, ""}, Random(0));
  EXPECT_FALSE(out.image_strong.defined());
  EXPECT_FALSE(out.mask_bits.defined());
  EXPECT_EQ(out.image.sizes(), (std::vector<int64_t>{3, 40, 60}));
  EXPECT_THAT(out.file_name, HasSubstr("sa_1.jpg"));
}

TEST(Mapper, TheRandomStreamDecidesEverything) {
  const TempFolder root;
  make_sample(root.path(), "sa_1", 90, 120, 1);
  Config config = plain_config();
  config.input.min_size_train = {90};
  config.input.random_flip = Flip::horizontal;
  config.input.crop.enabled = true;
  config.input.crop.size = {48, 48};
  config.input.color_aug_ssd = config.input.strong_aug = true;
  config.model.mask_resolution = {16, 16};
  const Sa1bMapper mapper = mapper_of(config);
  const Sa1bSample sample = sample_of(root.path(), "sa_1");
  const auto first = mapper(sample, Random(1, 2, 3)), again = mapper(sample, Random(1, 2, 3));
  EXPECT_TRUE(torch::equal(first.image, again.image));
  EXPECT_TRUE(torch::equal(first.image_strong, again.image_strong));
  EXPECT_TRUE(torch::equal(first.mask_bits, again.mask_bits));
  EXPECT_FALSE(torch::equal(first.image, mapper(sample, Random(1, 2, 4)).image));
}

TEST(Mapper, CropsAreUniformAndFlipsAreFair) {
  InputConfig input = plain_config().input;
  input.min_size_train = {100};
  input.max_size_train = 1000;
  input.random_flip = Flip::horizontal;
  input.crop.enabled = true;
  input.crop.size = {40, 50};
  const int draws = 20000;
  double flips = 0, x = 0, xx = 0;
  int64_t left = 1000, right = 0, top = 1000, bottom = 0;
  for (int i = 0; i < draws; ++i) {
    Random random(3, 0, static_cast<uint64_t>(i));
    const auto g = draw_geometry(input, 100, 200, random);
    ASSERT_EQ(g.crop.height, 40);
    ASSERT_EQ(g.crop.width, 50);
    flips += g.flip_x;
    x += static_cast<double>(g.crop.x), xx += static_cast<double>(g.crop.x * g.crop.x);
    left = std::min(left, g.crop.x), right = std::max(right, g.crop.x);
    top = std::min(top, g.crop.y), bottom = std::max(bottom, g.crop.y);
  }
  EXPECT_NEAR(flips / draws, 0.5, 0.018);  // five standard deviations
  const double mean = x / draws, deviation = std::sqrt(xx / draws - mean * mean);
  EXPECT_NEAR(mean, 75, 5 * 43.6 / std::sqrt(draws));
  EXPECT_NEAR(deviation, std::sqrt((151.0 * 151.0 - 1) / 12), 0.6);
  EXPECT_EQ(left, 0);
  EXPECT_EQ(right, 150);
  EXPECT_EQ(top, 0);
  EXPECT_EQ(bottom, 60);
}

TEST(Mapper, EachKindOfCropHasItsSize) {
  InputConfig input = plain_config().input;
  input.min_size_train = {100};
  input.crop.enabled = true;
  const auto sizes = [&](CropType type, std::vector<double> size) {
    input.crop.type = type;
    input.crop.size = std::move(size);
    std::pair<int64_t, int64_t> low{1000, 1000}, high{0, 0};
    for (int i = 0; i < 5000; ++i) {
      Random random(9, 0, static_cast<uint64_t>(i));
      const Rect crop = draw_geometry(input, 100, 200, random).crop;
      EXPECT_GE(crop.x, 0);
      EXPECT_LE(crop.x + crop.width, 200);
      EXPECT_LE(crop.y + crop.height, 100);
      low = {std::min(low.first, crop.height), std::min(low.second, crop.width)};
      high = {std::max(high.first, crop.height), std::max(high.second, crop.width)};
    }
    return std::pair(low, high);
  };
  using P = std::pair<int64_t, int64_t>;
  EXPECT_EQ(sizes(CropType::absolute, {640, 30}), std::pair(P(100, 30), P(100, 30)));
  EXPECT_EQ(sizes(CropType::relative, {0.5, 0.25}), std::pair(P(50, 50), P(50, 50)));
  EXPECT_EQ(sizes(CropType::relative_range, {0.9, 0.5}), std::pair(P(90, 100), P(100, 200)));
  EXPECT_EQ(sizes(CropType::absolute_range, {20, 30}), std::pair(P(20, 20), P(30, 30)));
}

TEST(Mapper, DrawsSizesByChoiceAndByRange) {
  InputConfig input = plain_config().input;
  input.min_size_train = {50, 60};
  const auto drawn = [&] {
    std::map<int64_t, int> out;
    for (int i = 0; i < 2000; ++i) {
      Random random(4, 0, static_cast<uint64_t>(i));
      ++out[draw_geometry(input, 100, 200, random).height];
    }
    return out;
  };
  auto counts = drawn();
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts[50], 1000, 112);
  input.min_size_train_sampling = SizeSampling::range;
  EXPECT_EQ(drawn().size(), 11u);
}

TEST(Mapper, FastDecodingDiffersLittle) {
  SKIP_WITHOUT_SHARED();
  const fs::path folder = shared_folder() / "golden/data/sa1b";
  const Sa1bSample sample{(folder / "resized_images/sa_000000/sa_1.jpg").string(),
                          (folder / "resized_annotations/sa_000000/sa_1.json").string()};
  Config config = plain_config();
  config.input.min_size_train = {160};
  const auto exact = mapper_of(config)(sample, Random(0));
  config.input.fast_decode = true;
  const auto fast = mapper_of(config)(sample, Random(0));
  const auto difference = (exact.image.to(torch::kFloat) - fast.image.to(torch::kFloat)).abs();
  EXPECT_LT(difference.mean().item<double>(), 3.0);
  EXPECT_GT(difference.max().item<double>(), 0.0);
  EXPECT_TRUE(torch::equal(exact.mask_bits, fast.mask_bits));
}

TEST(Mapper, TheFormatOrdersTheChannels) {
  const TempFolder root;
  make_sample(root.path(), "sa_1", 40, 60, 1);
  Config config = plain_config();
  config.input.strong_aug = config.input.color_aug_ssd = true;
  const auto rgb = mapper_of(config)(sample_of(root.path(), "sa_1"), Random(3));
  config.input.format = ChannelOrder::bgr;
  const auto bgr = mapper_of(config)(sample_of(root.path(), "sa_1"), Random(3));
  EXPECT_TRUE(torch::equal(bgr.image.flip(0), rgb.image));
  EXPECT_TRUE(torch::equal(bgr.image_strong.flip(0), rgb.image_strong));
}

TEST(Mapper, BadFilesAreErrorsThatNameThem) {
  const TempFolder root;
  make_sample(root.path(), "sa_1", 40, 60, 1);
  const Sa1bSample sample = sample_of(root.path(), "sa_1");
  const Sa1bMapper mapper = mapper_of(plain_config());
  const std::string jpeg = read_text(sample.image), json = read_text(sample.annotation);

  write_text(sample.annotation, json.substr(0, json.size() / 2));
  EXPECT_ERROR(mapper(sample, Random(0)), AllOf(HasSubstr("sa_1.json"), HasSubstr("cut short")));
  write_text(sample.annotation, sa1b_json(60, 40, {rectangle(60, 40, {0, 0, 9, 9})}).dump());
  EXPECT_ERROR(mapper(sample, Random(0)),
               AllOf(HasSubstr("sa_1.json"), HasSubstr("60×40"), HasSubstr("40×60")));
  write_text(sample.annotation, json);
  write_text(sample.image, jpeg.substr(0, jpeg.size() / 2));
  EXPECT_ERROR(mapper(sample, Random(0)), HasSubstr("sa_1.jpg"));
  write_text(sample.image, "not an image");
  EXPECT_ERROR(mapper(sample, Random(0)), HasSubstr("sa_1.jpg"));
  fs::remove(sample.image);
  EXPECT_ERROR(mapper(sample, Random(0)), HasSubstr("sa_1.jpg"));
}

}  // namespace
}  // namespace pixelclip
