#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "command.hpp"
#include "image/codec.hpp"
#include "io/safetensors.hpp"
#include "support/tensors.hpp"
#include "support/tiny_dino.hpp"

namespace pixelclip::cli {
namespace {
using ::testing::HasSubstr;
using testing::run_command;
using testing::TempFolder;

/// A small CLIP of patch 8 that sees 48×48, a small DINO of patch 4, and an image.
class MethodsTest : public ::testing::Test {
 protected:
  MethodsTest() {
    testing::write_tiny_clip(folder_ / "clip.pth");
    testing::write_tiny_dino(folder_ / "dino.pth");
    write_text(folder_ / "config.yaml",
               "INPUT: {MIN_SIZE_TEST: 64}\nMODEL: {CLIP_RESOLUTION: [48, 48]}\n");
    Image image(40, 70, 3);
    for (size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = static_cast<uint8_t>(i / 40 % 2 * 200 + i % 3 * 20);
    write_png(folder_ / "p.png", image);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  testing::Outcome run(void (*add)(CLI::App&), const std::string& name,
                       std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {name, path("p.png"), "--device", "cpu"});
    return run_command(add, flags);
  }
  torch::Tensor dense(const std::vector<std::string>& method) const {
    std::vector<std::string> flags = {"--weights", path("clip.pth"), "--out",
                                      path("f.safetensors")};
    flags.insert(flags.end(), method.begin(), method.end());
    EXPECT_EQ(run(add_features, "features", flags).error, "");
    return read_safetensors(path("f.safetensors")).tensors.at("dense.p").clone();
  }
  TempFolder folder_;
};

TEST_F(MethodsTest, FeaturesAreThoseOfTheMethodOnItsGrid) {
  const auto usual = dense({});
  EXPECT_EQ(usual.size(0), 6);
  EXPECT_TRUE(torch::equal(dense({"--method", "pixelclip"}), usual));
  const auto naclip = dense({"--method", "naclip"});
  EXPECT_EQ(naclip.sizes(), usual.sizes());
  EXPECT_FALSE(testing::close(naclip, usual, 1e-2));
  EXPECT_EQ(dense({"--method", "proxyclip", "--helper", path("dino.pth")}).size(0), 12);
  write_text(folder_ / "config.yaml",
             "INPUT: {MIN_SIZE_TEST: 64}\n"
             "MODEL: {CLIP_RESOLUTION: [48, 48], DENSE: {METHOD: naclip}}\n");
  EXPECT_TRUE(torch::equal(dense({}), naclip)) << "the configuration beside the weights";
}

TEST_F(MethodsTest, SegmentTakesEachMethod) {
  for (const std::string method : {"sclip", "proxyclip"}) {
    const auto outcome =
        run(add_segment, "segment",
            {"--weights", path("clip.pth"), "--names", "dog; grass", "--templates", "single",
             "--out", path("out"), "--method", method, "--helper", path("dino.pth")});
    EXPECT_EQ(outcome.error, "") << method;
    EXPECT_EQ(read_labels(path("out/p_labels.png")).width, 70) << method;
  }
}

TEST_F(MethodsTest, MasksAreClustersOfTheMethodsFeatures) {
  const auto outcome = run(add_masks, "masks",
                           {"--weights", path("clip.pth"), "--method", "naclip", "--clusters", "3",
                            "--out", path("out"), "--min-area", "0"});
  EXPECT_EQ(outcome.error, "");
  const auto json = read_json(path("out/annotations/p.json"));
  int64_t area = 0;
  for (const auto& mask : json["annotations"]) area += mask["area"].get<int64_t>();
  EXPECT_EQ(area, 40 * 70) << "together they cover the image once";
  EXPECT_EQ(run(add_masks, "masks",
                {"--helper", path("dino.pth"), "--clusters", "3", "--out", path("dino")})
                .error,
            "");
  EXPECT_THAT(run(add_masks, "masks",
                  {"--helper", path("dino.pth"), "--method", "naclip", "--out", path("out")})
                  .error,
              HasSubstr("give its --weights"));
}

TEST_F(MethodsTest, SayInOneSentenceWhatIsMissingOrOfAnotherKind) {
  const auto error = [&](const std::vector<std::string>& method) {
    std::vector<std::string> flags = {"--weights", path("clip.pth"), "--out",
                                      path("f.safetensors")};
    flags.insert(flags.end(), method.begin(), method.end());
    return run(add_features, "features", flags).error;
  };
  EXPECT_THAT(error({"--method", "proxyclip"}),
              HasSubstr("the dense method proxyclip needs another model's features"));
  EXPECT_THAT(error({"--method", "proxyclip", "--helper", path("clip.pth")}),
              HasSubstr("clip.pth: it holds no DINO vision transformer"));
  EXPECT_THAT(error({"--method", "proxyclip", "--helper", "dino_vitb8"}),
              HasSubstr("dino_vitbase8_pretrain.pth was not found"));
  EXPECT_THAT(error({"--method", "naclipp"}), HasSubstr("naclip"));
}

}  // namespace
}  // namespace pixelclip::cli
