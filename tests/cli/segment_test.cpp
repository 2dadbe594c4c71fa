#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "command.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip::cli {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_command;
using testing::TempFolder;

Image stripes(int64_t height, int64_t width) {
  Image image(height, width, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<uint8_t>(i / 40 % 2 * 200 + i % 3 * 20);
  return image;
}

class CommandTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    testing::write_tiny_clip(*folder_ / "clip.pth");
    write_text(*folder_ / "config.yaml",
               "INPUT: {MIN_SIZE_TEST: 64}\nMODEL: {CLIP_RESOLUTION: [48, 48]}\n");
  }
  static void TearDownTestSuite() { delete folder_; }

  std::string path(const std::string& name) const { return (pictures_ / name).string(); }

  Outcome segment(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "segment");
    arguments.insert(arguments.end(), {"--weights", (*folder_ / "clip.pth").string(), "--device",
                                       "cpu", "--templates", "single", "--out", path("out")});
    return run_command(add_segment, arguments);
  }

  static inline TempFolder* folder_ = nullptr;
  TempFolder pictures_;
};

TEST_F(CommandTest, SegmentPrintsOneLineOfJsonForEachImage) {
  write_png(path("a.png"), stripes(40, 70));
  write_png(path("b.png"), stripes(50, 60));
  const auto outcome =
      segment({path("a.png"), path("b.png"), "--names", "dog, grass", "--json", "--quiet"});
  EXPECT_EQ(outcome.error, "");
  std::istringstream lines(outcome.out);
  std::vector<nlohmann::json> found;
  for (std::string line; std::getline(lines, line);) found.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], read_json(path("out/a.json")));
  EXPECT_EQ(found[1], read_json(path("out/b.json")));
  EXPECT_THAT(outcome.log, Not(HasSubstr("info")));
  EXPECT_THAT(segment({path("a.png"), "--names", "dog"}).log, HasSubstr("info"));
}

TEST_F(CommandTest, SegmentWritesLabelsOverlayAndFiguresThatAgree) {
  write_png(path("p.png"), stripes(40, 70));
  const auto outcome = segment({path("p.png"), "--names", "dog, cat; grass", "--logits"});
  EXPECT_EQ(outcome.error, "");
  const auto labels = read_labels(path("out/p_labels.png"));
  EXPECT_EQ(labels.height, 40);
  EXPECT_EQ(labels.width, 70);
  const auto json = read_json(path("out/p.json"));
  EXPECT_EQ(json["names"], nlohmann::json({"dog, cat", "grass"}));
  int64_t area = 0;
  for (const auto& entry : json["classes"]) {
    const auto rle = decode_rle(entry["rle"]["counts"].get<std::string>(), 40, 70);
    EXPECT_EQ(rle, rle_from_label(labels, entry["id"]));
    EXPECT_EQ(entry["name"], json["names"][entry["id"].get<size_t>()]);
    area += entry["area"].get<int64_t>();
  }
  EXPECT_EQ(area, 40 * 70);
  const auto overlay = read_rgb(path("out/p_overlay.png"));
  EXPECT_GT(overlay.height, 40) << "the legend needs room of its own";
  EXPECT_EQ(read_safetensors(path("out/p_logits.safetensors")).tensors.at("logits").sizes(),
            (std::vector<int64_t>{2, 64, 64}));
}

TEST_F(CommandTest, SegmentNamesEachBadPictureInOneSentenceAndDoesTheOthers) {
  write_png(path("good.png"), stripes(20, 30));
  write_png(path("dot.png"), stripes(1, 1));
  write_text(path("text.jpg"), "this is no picture");
  write_text(path("empty.png"), "");
  fs::create_directories(path("nothing"));
  const auto outcome =
      segment({path("none.jpg"), path("nothing"), path("text.jpg"), path("empty.png"),
               path("good.png"), path("dot.png"), "--names", "dog, cat"});
  EXPECT_THAT(outcome.error, HasSubstr("4 of 6 inputs failed"));
  EXPECT_THAT(outcome.log, HasSubstr("none.jpg: no such image"));
  EXPECT_THAT(outcome.log, HasSubstr("nothing: there are no images in this folder"));
  EXPECT_THAT(outcome.log, HasSubstr("text.jpg: "));
  EXPECT_THAT(outcome.log, HasSubstr("empty.png: the file is empty"));
  EXPECT_TRUE(fs::exists(path("out/good.json")));
  EXPECT_TRUE(fs::exists(path("out/dot.json")));
}

TEST_F(CommandTest, SegmentTilesAPanoramaOfSixtyThousandPixels) {
  write_jpeg(path("wide.jpg"), Image(1000, 60000, 3), 40);
  const auto outcome = segment({path("wide.jpg"), "--names", "dog, cat"});
  EXPECT_EQ(outcome.error, "");
  const auto json = read_json(path("out/wide.json"));
  EXPECT_EQ(json["width"], 60000);
  EXPECT_EQ(json["height"], 1000);
  EXPECT_LE(read_rgb(path("out/wide_overlay.png")).width, 2048);
}

TEST_F(CommandTest, SegmentRefusesBadNamesAndWeightsBeforeAnyPicture) {
  write_png(path("p.png"), stripes(20, 20));
  EXPECT_THAT(segment({path("p.png"), "--names", "dog, , cat"}).error,
              HasSubstr("a class name is empty"));
  EXPECT_THAT(segment({path("p.png"), "--names", "dog, cat, dog"}).error,
              HasSubstr("\"dog\" is listed twice"));
  std::string hundred = "a";
  for (int i = 0; i < 99; ++i) hundred += " word";
  EXPECT_THAT(segment({path("p.png"), "--names", hundred}).error, HasSubstr("at most 77"));
  EXPECT_FALSE(fs::exists(path("out/p.json")));
  write_torch_file(path("other.pth"), to_value({{"layer.weight", torch::zeros({3, 3})}}));
  const auto outcome =
      run_command(add_segment, {"segment", path("p.png"), "--names", "dog", "--weights",
                                path("other.pth"), "--out", path("out")});
  EXPECT_THAT(outcome.error, HasSubstr("CLIP"));
}

TEST_F(CommandTest, SegmentCallsTheRestBackground) {
  write_png(path("p.png"), stripes(20, 20));
  EXPECT_EQ(segment({path("p.png"), "--names", "dog", "--background", "1"}).error, "");
  const auto json = read_json(path("out/p.json"));
  ASSERT_EQ(json["classes"].size(), 1u);
  EXPECT_EQ(json["classes"][0]["name"], "background");
}

TEST_F(CommandTest, FeaturesAreWrittenByNameForOtherPrograms) {
  write_png(path("a.png"), stripes(30, 50));
  write_text(path("b.jpg"), "no picture");
  const auto outcome =
      run_command(add_features, {"features", path("a.png"), path("b.jpg"), "--names",
                                 "dog, cat, sky", "--weights", (*folder_ / "clip.pth").string(),
                                 "--device", "cpu", "--out", path("f.safetensors")});
  EXPECT_THAT(outcome.error, HasSubstr("1 of 2 inputs failed"));
  const auto file = read_safetensors(path("f.safetensors"));
  EXPECT_EQ(file.tensors.at("dense.a").sizes(), (std::vector<int64_t>{6, 6, 16}));
  EXPECT_EQ(file.tensors.at("pooled.a").sizes(), (std::vector<int64_t>{16}));
  EXPECT_EQ(file.tensors.at("text").sizes(), (std::vector<int64_t>{8, 3, 16}));
  EXPECT_EQ(file.metadata.at("names"), R"(["dog","cat","sky"])");
}

TEST(Completion, BashCompletesCommandsAndFlags) {
  CLI::App app("pixelclip");
  add_completion(app);
  add_segment(app);
  ::testing::internal::CaptureStdout();
  app.parse("completion bash");
  const TempFolder folder;
  write_text(folder / "completion.bash",
             ::testing::internal::GetCapturedStdout() +
                 "complete_words() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _pixelclip; "
                 "echo \"${COMPREPLY[@]}\"; }\n"
                 "complete_words pixelclip seg\ncomplete_words pixelclip segment --na\n");
  FILE* shell = popen(("bash " + (folder / "completion.bash").string() + " 2>&1").c_str(), "r");
  ASSERT_NE(shell, nullptr);
  char text[200] = "";
  const size_t size = fread(text, 1, sizeof text - 1, shell);
  EXPECT_EQ(pclose(shell), 0);
  EXPECT_EQ(std::string(text, size), "segment\n--names\n");
}

TEST(Completion, OtherShellsAreRefused) {
  EXPECT_THAT(run_command(add_completion, {"completion", "fish"}).error, HasSubstr("fish"));
}

}  // namespace
}  // namespace pixelclip::cli
