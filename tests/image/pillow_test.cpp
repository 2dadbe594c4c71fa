#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "image/augment.hpp"
#include "image/codec.hpp"
#include "image/resize.hpp"
#include "support/support.hpp"
#include "synthetic_image.hpp"

/// The image functions against Pillow itself, where $PIXELCLIP_PYTHON (default python3) has it.
namespace pixelclip::testing {
namespace {

using nlohmann::json;

/// A case, and our own answer to it; for a JPEG that comes when Pillow has written the file.
struct Case {
  std::string op;
  json value;
  Image image;
};

Image our_answer(const Case& c, const fs::path& out) {
  Image image = c.image;
  BlurScratch scratch;
  if (c.op == "resize") return resize_bilinear(image, c.value[0], c.value[1]);
  if (c.op == "jpeg") return read_rgb(out.string() + ".jpg");
  if (c.op == "grey") make_grey(image);
  if (c.op == "brightness") adjust_brightness(image, c.value);
  if (c.op == "contrast") adjust_contrast(image, c.value);
  if (c.op == "saturation") adjust_saturation(image, c.value);
  if (c.op == "hue") adjust_hue(image, c.value);
  if (c.op == "blur") gaussian_blur(image, c.value, scratch);
  return image;
}

/// A factor that float32 holds exactly, so that both sides read the same from the file.
double factor(Random& random, double low, double high) {
  return static_cast<float>(random.uniform(low, high));
}

std::vector<Case> make_cases() {
  Random random(31);
  std::vector<Case> cases;
  for (int i = 0; i < 25; ++i) {
    const Image image = synthetic_image(random.integer(1, 90), random.integer(1, 90), 3, i);
    const auto add = [&](const char* op, json value) { cases.push_back({op, value, image}); };
    add("resize", {random.integer(1, 150), random.integer(1, 150)});
    add("brightness", factor(random, 0.5, 1.5));
    add("contrast", factor(random, 0.5, 1.5));
    add("saturation", factor(random, 0.5, 1.5));
    add("hue", random.uniform(-0.25, 0.25));
    add("grey", nullptr);
    add("blur", factor(random, 0.1, 2.0));
    add("blur", factor(random, 2.0, 12.0));
    const char* mode = i % 8 == 6 ? "L" : i % 8 == 7 ? "CMYK" : "RGB";
    add("jpeg", {mode, i % 3, i % 2, 1 + i % 8});
  }
  return cases;
}

TEST(Pillow, ComputesTheSame) {
  const char* named = std::getenv("PIXELCLIP_PYTHON");
  const std::string python = named ? named : "python3";
  const TempFolder folder;
  const auto cases = make_cases();
  json list = json::array();
  for (size_t i = 0; i < cases.size(); ++i) {
    const Image& image = cases[i].image;
    write_text(folder / str(i, ".in"), {image.pixels.begin(), image.pixels.end()});
    list.push_back({{"op", cases[i].op},
                    {"value", cases[i].value},
                    {"in", str(i, ".in")},
                    {"height", image.height},
                    {"width", image.width},
                    {"out", str(i, ".out")}});
  }
  write_json(folder / "cases.json", list);
  const std::string command =
      str("'", python, "' '", PIXELCLIP_SOURCE_DIR, "/tests/image/pillow_reference.py' '",
          folder.path().string(), "' > '", (folder / "log").string(), "' 2>&1");
  const int status = std::system(command.c_str());
  if (status == 77 * 256 || status == 127 * 256) {
    GTEST_SKIP() << python << " has no Pillow and NumPy: " << read_text(folder / "log");
  }
  ASSERT_EQ(status, 0) << read_text(folder / "log");
  for (size_t i = 0; i < cases.size(); ++i) {
    const Image ours = our_answer(cases[i], folder / str(i, ".out"));
    const std::string theirs = read_text(folder / str(i, ".out"));
    EXPECT_TRUE(std::equal(ours.pixels.begin(), ours.pixels.end(), theirs.begin(), theirs.end(),
                           [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); }))
        << "case " << i << ": " << cases[i].op << " " << cases[i].value;
  }
}

}  // namespace
}  // namespace pixelclip::testing
