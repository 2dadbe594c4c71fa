#include <httplib.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "cli/serve/web_service.hpp"
#include "data/synthetic_sa1b.hpp"
#include "gpu/gpu.hpp"
#include "inference/segmenter.hpp"
#include "io/safetensors.hpp"
#include "support/tensors.hpp"
#include "support/tiny_clip.hpp"
#include "support/tiny_dino.hpp"

// Commands and the segmenter, which the library wraps, on a GPU and on the CPU.
namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// The share of equal labels.
double agreement(const std::vector<int32_t>& actual, const std::vector<int32_t>& expected) {
  if (actual.size() != expected.size()) return 0;
  size_t equal = 0;
  for (size_t i = 0; i < actual.size(); ++i) equal += actual[i] == expected[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(expected.size());
}

class CommandsOnAGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    write_tiny_clip(folder_ / "clip.pth");
    write_tiny_dino(folder_ / "dino.pth", 8, 4);
    for (int i = 0; i < 2; ++i)
      write_jpeg(folder_ / str("image", i, ".jpg"), synthetic_image(60 + 20 * i, 90, i));
  }

  std::vector<std::string> with_images(std::vector<std::string> command) const {
    for (int i = 0; i < 2; ++i) command.push_back(folder_ / str("image", i, ".jpg"));
    return command;
  }
  Outcome run(const std::vector<std::string>& command) const {
    return Program(command, {{"NVIDIA_TF32_OVERRIDE", "0"}}, program()).wait();
  }
  /// Runs a command for each device, with --out to a place of the device's name.
  void run_on_both(const std::vector<std::string>& command, const std::string& out) const {
    for (const auto& [device, folder] : {std::pair(last_gpu(), "gpu"), {"cpu", "cpu"}}) {
      auto whole = command;
      whole.insert(whole.end(), {"--device", device, "--out", folder_ / (folder + out)});
      const auto outcome = run(whole);
      ASSERT_EQ(outcome.status, 0) << outcome.output;
    }
  }

  SegmenterOptions options(const std::string& device) const {
    return {.weights = folder_ / "clip.pth", .templates = "single", .device = device};
  }

  TempFolder folder_;
};

TEST_F(CommandsOnAGpu, SegmentLabelsAsOnTheCpu) {
  run_on_both(with_images({"segment", "--weights", folder_ / "clip.pth", "--names", "cat,dog,sky"}),
              "/segment");
  for (int i = 0; i < 2; ++i) {
    const auto labels = [&](const char* device) {
      return read_labels(folder_ / device / str("segment/image", i, "_labels.png")).ids;
    };
    EXPECT_GE(agreement(labels("gpu"), labels("cpu")), 0.999);
  }
}

TEST_F(CommandsOnAGpu, FeaturesAreThoseOfTheCpu) {
  fs::create_directories(folder_ / "gpu");
  fs::create_directories(folder_ / "cpu");
  run_on_both(with_images({"features", "--weights", folder_ / "clip.pth", "--names", "cat,dog"}),
              "/f.safetensors");
  const auto actual = read_safetensors(folder_ / "gpu/f.safetensors").tensors,
             expected = read_safetensors(folder_ / "cpu/f.safetensors").tensors;
  EXPECT_EQ(expected.size(), 5u);
  for (const auto& [name, tensor] : expected) EXPECT_TRUE(close(actual.at(name), tensor, 1e-4));
}

TEST_F(CommandsOnAGpu, DinosMasksAreThoseOfTheCpu) {
  run_on_both(with_images({"masks", "--dino-weights", folder_ / "dino.pth", "--clusters", "3",
                           "--short-side", "64"}),
              "/masks");
  for (int i = 0; i < 2; ++i) {
    const auto json = [&](const char* device) {
      return read_json(folder_ / device / str("masks/annotations/image", i, ".json"));
    };
    EXPECT_EQ(json("gpu"), json("cpu"));
  }
}

TEST_F(CommandsOnAGpu, TheSegmenterGivesTheCpusScoresAndFeatures) {
  const Segmenter gpu(options(last_gpu())), cpu(options("cpu"));
  const auto image = read_rgb(folder_ / "image1.jpg");
  const auto of = [&](const Segmenter& segmenter) {
    return segment(segmenter.encode(image), segmenter.words({"cat", "dog", "sky"}));
  };
  EXPECT_TRUE(close(of(gpu).scores, of(cpu).scores, 1e-4));
  EXPECT_GE(agreement(of(gpu).labels.ids, of(cpu).labels.ids), 0.999);
  EXPECT_TRUE(close(gpu.dense(image), cpu.dense(image), 1e-4));
  EXPECT_TRUE(close(gpu.pooled(image), cpu.pooled(image), 1e-4));
}

TEST_F(CommandsOnAGpu, TheServerAnswersFromItsOwnThread) {
  const Segmenter segmenter(options(last_gpu()));
  cli::WebService service(segmenter, {}, "dog, cat");
  httplib::Server server;
  service.attach(server, cli::OwnSite("127.0.0.1", ""));
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  httplib::Client client("127.0.0.1", port);
  const auto sent =
      client.Post("/api/images", read_text(folder_ / "image0.jpg"), "application/json");
  ASSERT_TRUE(sent);
  const auto image = nlohmann::json::parse(sent->body);
  const nlohmann::json request = {{"image", image["image"]}, {"names", {"dog", "cat"}}};
  const auto answer = client.Post("/api/segment", request.dump(), "application/json");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200) << answer->body;
  server.stop();
  thread.join();
}

TEST_F(CommandsOnAGpu, ADeviceThatIsNotThereIsRefusedInOneSentence) {
  for (const auto& command :
       {with_images({"segment", "--weights", folder_ / "clip.pth", "--names", "cat", "--out",
                     folder_ / "none", "--device", "cuda:99"}),
        with_images({"features", "--weights", folder_ / "clip.pth", "--out", folder_ / "none",
                     "--device", "cuda:99"})}) {
    const auto outcome = run(command);
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("cuda:99"), Not(HasSubstr("internal"))));
  }
}

}  // namespace
}  // namespace pixelclip::testing
