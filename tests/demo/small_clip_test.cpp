#include "demo/small_clip.hpp"

#include <torch/utils.h>

#include "demo/scene.hpp"
#include "io/load_into.hpp"
#include "io/state_dict.hpp"
#include "support/small_world.hpp"
#include "support/support.hpp"
#include "text/bpe_tokenizer.hpp"

namespace pixelclip {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::have_tokenizer;
using testing::kSmallClip;
using testing::kSmallWorld;
using testing::TempFolder;

TEST(DemoClip, IsReadLikeAnyClip) {
  if (!have_tokenizer()) GTEST_SKIP() << "no BPE merges here";
  const TempFolder folder;
  make_demo_world(folder / "demo", kSmallWorld);
  make_demo_clip(folder / "demo", kSmallClip);
  const StateDict weights = read_state_dict(folder / "demo/clip.pth");
  const ClipArchitecture architecture = clip_architecture(weights);
  ASSERT_TRUE(architecture.vit.has_value());
  EXPECT_EQ(architecture.vit->layers, 2);
  EXPECT_EQ(architecture.vit->patch, 8);
  EXPECT_EQ(architecture.text.vocabulary, 49408);
  EXPECT_EQ(architecture.embedding(), 32);
  CLIP clip(architecture);
  load_into(*clip, weights, {.source = "clip.pth", .may_be_missing = {}, .may_be_unused = {}});
  torch::NoGradGuard no_grad;
  EXPECT_EQ(clip->visual->dense(torch::zeros({1, 3, 24, 24})).sizes(),
            (std::vector<int64_t>{1, 3, 3, 32}));
}

TEST(DemoClip, EveryTokenMeansAWordOfTheCaptions) {
  if (!have_tokenizer()) GTEST_SKIP() << "no BPE merges here";
  const TempFolder folder;
  make_demo_world(folder / "demo", kSmallWorld);
  CLIP clip = train_demo_clip(folder / "demo", kSmallClip);
  const auto table = clip->named_parameters()["token_embedding.weight"].detach();
  const int64_t fish_id = BpeTokenizer::shared().encode("fish")[1],
                star_id = BpeTokenizer::shared().encode("star")[1];
  const auto fish = table[fish_id], star = table[star_id];
  EXPECT_FALSE(torch::equal(fish, star));
  DemoClipOptions none = kSmallClip;
  none.iterations = 0;
  const auto start =
      train_demo_clip(folder / "demo", none)->named_parameters()["token_embedding.weight"].detach();
  EXPECT_FALSE(torch::equal(fish, start[fish_id]));
  EXPECT_GT((table == fish).all(1).sum().item<int64_t>(), 100) << "other tokens that mean fish";
  const int64_t words = std::get<0>(at::unique_dim(table, 0)).size(0);
  EXPECT_TRUE(words >= 12 && words < 60) << words;
}

TEST(DemoClip, TrainingIsRepeatableAndTheFileIsKept) {
  if (!have_tokenizer()) GTEST_SKIP() << "no BPE merges here";
  const TempFolder folder;
  make_demo_world(folder / "demo", kSmallWorld);
  int64_t steps = 0;
  const auto count = [&](const std::string&, int64_t, int64_t) { ++steps; };
  make_demo_clip(folder / "demo", kSmallClip, count);
  EXPECT_EQ(steps, 12);
  make_demo_clip(folder / "demo", kSmallClip, count);
  EXPECT_EQ(steps, 12) << "trained again though nothing had changed";
  EXPECT_TRUE(demo_clip_ready(folder / "demo", kSmallClip));
  EXPECT_FALSE(demo_clip_ready(folder / "demo", {.seed = 2}));
  fs::remove(folder / "demo/clip.json");  // as a run killed between the two files leaves it
  make_demo_clip(folder / "demo", kSmallClip, count);
  EXPECT_EQ(steps, 24);
  EXPECT_ERROR(make_demo_clip(folder / "elsewhere", kSmallClip), HasSubstr("no demo world"));
}

}  // namespace
}  // namespace pixelclip
