#include "visualization/sheet.hpp"

#include <array>
#include <cmath>

#include "image/codec.hpp"
#include "support/support.hpp"
#include "visualization/overlay.hpp"

namespace pixelclip {
namespace {
using ::testing::HasSubstr;
using testing::TempFolder;

SheetCell grey_cell(int width, int height, std::vector<int32_t> labels = {}) {
  SheetCell cell;
  cell.width = width;
  cell.height = height;
  cell.rgb.assign(static_cast<size_t>(3 * width * height), 128);
  cell.labels = std::move(labels);
  return cell;
}

std::array<int, 3> pixel(const Image& image, int64_t y, int64_t x) {
  const uint8_t* at = image.row(y) + 3 * x;
  return {at[0], at[1], at[2]};
}

/// As people without the cones for green see it (Viénot, Brettel and Mollon 1999), linear.
std::array<double, 3> deuteranopic(const Color& color) {
  const auto linear = [](uint8_t value) { return std::pow(value / 255.0, 2.2); };
  const double red = linear(color.red), green = linear(color.green), blue = linear(color.blue);
  const double yellow = 0.29275 * red + 0.70725 * green;
  return {yellow, yellow, -0.02234 * red + 0.02234 * green + blue};
}

TEST(Palette, ColorsStayApart) {
  const auto colors = distinct_colors(12), more = distinct_colors(20);
  ASSERT_EQ(colors.size(), 12u);
  for (size_t a = 0; a < colors.size(); ++a) {
    EXPECT_EQ(to_hex(colors[a]), to_hex(more[a])) << "a class keeps its color when others join";
    for (size_t b = 0; b < a; ++b) {
      const auto x = deuteranopic(colors[a]), y = deuteranopic(colors[b]);
      EXPECT_GT(std::abs(x[0] - y[0]) + std::abs(x[2] - y[2]), 0.08)
          << a << " and " << b << " for color-blind readers";
    }
  }
  for (size_t a = 0; a < colors.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const int distance = std::abs(colors[a].red - colors[b].red) +
                           std::abs(colors[a].green - colors[b].green) +
                           std::abs(colors[a].blue - colors[b].blue);
      EXPECT_GT(distance, 60) << a << " and " << b;
    }
  }
  EXPECT_EQ(distinct_colors(150).size(), 150u);
  EXPECT_TRUE(distinct_colors(0).empty());
}

TEST(Sheet, LabelsAreTintedAndIgnoredPixelsAreNot) {
  const TempFolder folder;
  std::vector<int32_t> labels(64 * 64, 0);
  for (size_t i = 32 * 64; i < labels.size(); ++i) labels[i] = 255;
  write_sheet(folder / "sheet.png", {{{grey_cell(64, 64), grey_cell(64, 64, labels)}}},
              {"image", "truth"}, {"grass"}, {{255, 0, 0}}, 64);
  const Image sheet = read_rgb(folder / "sheet.png");
  EXPECT_EQ(sheet.width, 12 + 2 * (64 + 12));
  // The second cell begins at column 88, the row at line 34.
  const auto tinted = pixel(sheet, 34 + 10, 88 + 30), plain = pixel(sheet, 34 + 50, 88 + 30);
  EXPECT_GT(tinted[0], tinted[1] + 100);
  EXPECT_GT(tinted[1], 30) << "the image cannot be seen through the color";
  EXPECT_EQ(plain, (std::array<int, 3>{128, 128, 128}));
  EXPECT_EQ(pixel(sheet, 34 + 10, 12 + 30), (std::array<int, 3>{128, 128, 128}));
}

TEST(Sheet, OnlyNamedClassesThatOccurAreInTheLegend) {
  const TempFolder folder;
  const std::vector<std::string> names = {"grass", "sand", "water"};
  const auto palette = distinct_colors(3);
  SheetCell masks = grey_cell(32, 32, std::vector<int32_t>(32 * 32, 2));
  masks.named = false;
  write_sheet(folder / "without.png", {{{masks}}}, {"masks"}, names, palette, 64);
  SheetCell truth = grey_cell(32, 32, std::vector<int32_t>(32 * 32, 1));
  write_sheet(folder / "with.png", {{{truth}}}, {"truth"}, names, palette, 64);
  EXPECT_LT(read_rgb(folder / "without.png").height, read_rgb(folder / "with.png").height);
}

TEST(Sheet, AnyShapeAndEmptyCellsFitTheirPlace) {
  const TempFolder folder;
  SheetCell noted = grey_cell(100, 10);
  noted.note = "mIoU 45.0, a rather long line that does not fit into its cell";
  const std::vector<SheetRow> rows = {{{grey_cell(10, 100), {}, noted}}, {{grey_cell(1, 1)}}};
  write_sheet(folder / "sheet.png", rows, {"a very long title for so narrow a column"}, {},
              distinct_colors(1), 48);
  const Image sheet = read_rgb(folder / "sheet.png");
  EXPECT_EQ(sheet.width, 12 + 3 * (48 + 12));
  write_sheet(folder / "empty.png", {}, {"nothing"}, {}, distinct_colors(1));
  EXPECT_GT(read_rgb(folder / "empty.png").height, 0);
}

TEST(Sheet, CellsWhoseNumbersDisagreeAreRefused) {
  const TempFolder folder;
  SheetCell wrong = grey_cell(8, 8, {1, 2, 3});
  EXPECT_ERROR(write_sheet(folder / "s.png", {{{wrong}}}, {"x"}, {"a"}, distinct_colors(1)),
               HasSubstr("labels"));
  EXPECT_ERROR(write_sheet(folder / "s.png", {}, {"x"}, {"a"}, {}), HasSubstr("colors"));
}

}  // namespace
}  // namespace pixelclip
