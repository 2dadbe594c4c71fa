#include <pixelclip/model.hpp>
#include <pixelclip/picture.hpp>
#include <pixelclip/segments.hpp>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"
#include "support/program.hpp"
#include "support/tiny_clip.hpp"

// The library, the benches and the contexts that a program makes.
namespace pixelclip::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ProgramsOnFakeCuda : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_clip(folder_ / "clip.pth");
    write_jpeg(image_, synthetic_image(80, 90, 1));
  }

  Outcome run(const std::vector<std::string>& command) const {
    return Program(command, {{"FAKE_CUDA_REPORT", folder_.path()}}, PIXELCLIP_PROGRAM).wait();
  }
  nlohmann::json read(const char* file) const {
    return nlohmann::json::parse(read_text(folder_ / file));
  }

  TempFolder folder_;
  fs::path image_ = folder_ / "image.jpg";
};

TEST_F(ProgramsOnFakeCuda, TheLibraryFindsWhatItFindsOnTheCpu) {
  const auto found = [&](const char* device) {
    const Model model(folder_ / "clip.pth", {.templates = "single", .device = device});
    return find_words(model, model.encode(load_picture(image_)), {"cat", "dog"});
  };
  const auto gpu = found("cuda:1"), cpu = found("cpu");
  EXPECT_EQ(gpu.labels, cpu.labels);
  EXPECT_NEAR(gpu.words[0].score, cpu.words[0].score, 1e-4);
}

TEST_F(ProgramsOnFakeCuda, OnlyTheNamedGpuIsTouched) {
  const auto outcome = run({"segment", "--weights", folder_ / "clip.pth", "--names", "cat,dog",
                            "--device", "cuda:1", "--out", folder_ / "one", image_});
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(read("0.json").at("contexts"), nlohmann::json({1}));
}

TEST_F(ProgramsOnFakeCuda, TheBenchOfTrainingGivesMemoryOperationsAndCopies) {
  for (int i = 0; i < 2; ++i) make_sample(folder_ / "sam", str("sa_", i), 96, 96, i + 1);
  // clang-format off
  const auto outcome = run({
      "bench", "train", "--own-data", "--images", "1", "--masks", "3", "--steps", "1",
      "--json", folder_ / "bench.json", "MODEL.DEVICE", "cuda",
      "DATASETS.SAM_ROOT", folder_ / "sam", "DATASETS.TRAIN", "(\"sam_resized\",)",
      "MODEL.CLIP_RESOLUTION", "(32, 32)", "MODEL.MASK_RESOLUTION", "(16, 16)",
      "MODEL.SEM_SEG_HEAD.NUM_CLASSES", "2", "INPUT.MIN_SIZE_TRAIN", "[64]",
      "INPUT.CROP.SIZE", "(32, 32)"});
  // clang-format on
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  const std::string json = read("bench.json").dump();
  for (const char* key : {"images_per_second", "gpu_memory", "weights_memory", "gradients_memory",
                          "optimizer_memory", "other_memory", "operations", "synchronized"})
    EXPECT_THAT(json, HasSubstr(key));
  EXPECT_THAT(outcome.output, Not(HasSubstr("RecordFunction")));
}

}  // namespace
}  // namespace pixelclip::testing
