#include <torch/utils.h>

#include "inference/class_scorer.hpp"
#include "io/load_into.hpp"
#include "io/safetensors.hpp"
#include "io/state_dict.hpp"
#include "modeling/pixelclip.hpp"
#include "solver/lr_scheduler.hpp"
#include "solver/optimizer.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

namespace fs = std::filesystem;
using testing::close;
using torch::Tensor;

constexpr char kPrefix[] = "sem_seg_head.predictor.clip_model.";

/// Which model: a small one that lies in tests/golden, or the larger one of the shared folder,
/// whose numbers are complete.
struct Case {
  std::string kind;
  bool small;

  fs::path folder() const {
    return small ? testing::test_files() / "tests/golden" / kind
                 : testing::shared_folder() / "golden" / kind;
  }
  bool missing() const { return !small && testing::shared_folder().empty(); }
};

/// A model with the numbers that the public implementation computed for it.
struct Golden {
  explicit Golden(const Case& which) {
    const auto& kind = which.kind;
    const auto folder = which.folder();
    const std::string yaml = "pixelclip_" + kind + "_base.yaml";
    const auto expected = read_safetensors(folder / "expected.safetensors");
    tensors = expected.tensors;
    const auto weights = read_state_dict(folder / "model.pth");
    std::vector<std::string> overrides{"MODEL.SEM_SEG_HEAD.NUM_CLASSES",
                                       "8",
                                       "MODEL.SEM_SEG_HEAD.PROMPT_LENGTH",
                                       "4",
                                       "MODEL.MASK_RESOLUTION",
                                       "(48, 48)",
                                       "SOLVER.MAX_ITER",
                                       "10",
                                       "MODEL.DROP_PATH_RATE",
                                       "0",
                                       "MODEL.CLIP_RESOLUTION",
                                       kind == "vit" ? "(96, 96)" : "(128, 128)"};
    config = load_config(testing::test_files() / "configs" / yaml, overrides);
    model = PixelCLIP(config.model, clip_architecture(weights, kPrefix), config.solver.amp);
    load_into(*model, weights);
    set_trainable(model, config.model.sem_seg_head.clip_finetune);
    model->to(torch::Device(testing::device()));
  }

  const Tensor& operator[](const std::string& name) const { return tensors.at(name); }

  TrainBatch batch() const {
    TrainBatch result;
    for (int i = 0; i < 3; ++i) {
      const auto masks = (*this)[str("in.masks.", i)];
      const auto index = (torch::arange(48) * masks.size(1)).div(48, "floor").to(torch::kLong);
      const auto grid = masks.index_select(1, index).index_select(2, index);
      result.push_back({(*this)[str("in.image.", i)], (*this)[str("in.image_strong.", i)],
                        pack_masks(grid), str("image ", i)});
    }
    return result;
  }

  std::map<std::string, Tensor> tensors;
  Config config;
  PixelCLIP model{nullptr};
};

/// Scores at the image's own size, as the public sem_seg output has them.
Tensor sem_seg(Golden& golden, const Tensor& image, const Tensor& classes, int64_t height,
               int64_t width) {
  const auto size = golden.config.model.clip_resolution;
  const ClassScorer scorer(golden.model, golden.config.model, golden.config.test);
  const auto scores = scorer({{{image, size}}}, one_row_a_class(classes)).front();
  return at::upsample_bilinear2d(scores.unsqueeze(0), {height, width}, false)[0];
}

/// In the fourth step of the ConvNeXt model one input of a ReLU in the decoder (image 0, cluster 7,
/// channel 51) is 1e-7 in exact arithmetic, less than single precision tells from 0, and the public
/// run came out below 0. Its gradient is all or nothing there, so the comparison first moves that
/// channel below as well.
std::optional<std::pair<Tensor, double>> beside_the_kink(PixelCLIP& model, const Case& which) {
  if (which.kind != "convnext" || which.small) return std::nullopt;
  torch::NoGradGuard no_grad;
  const double amount = -1e-6;
  const auto bias = model->named_parameters()["head.conv1.double_conv.1.bias"].detach()[51];
  bias.add_(amount);
  return std::pair(bias, amount);
}

StateDict clones(StateDict tensors) {
  for (auto& [name, tensor] : tensors) tensor = tensor.clone();
  return tensors;
}

double distance(const Tensor& a, const Tensor& b) {
  return (a.cpu() - b.cpu()).norm().item<double>();
}

/// How far a parameter of the small models may be from `expected`, which four steps made of
/// `before`: 1 % of the way, beside rounding. In the second step of the public run one of a million
/// inputs of the decoder's ReLUs is on the other side of zero: -1.7e-7 (ViT) and 2.4e-7 (ConvNeXt)
/// in exact arithmetic, less than single precision tells from 0. Computed in double precision with
/// that input moved across zero, all parameters agree within 2.0e-7 and 9.2e-7; without, prompts
/// differ by up to 1.2e-4, 0.2 % of their way. Which inputs fall where depends on the processor, so
/// these models get no closer bound; the larger ones do.
double largest_distance(const Tensor& before, const Tensor& expected) {
  return 0.01 * distance(before, expected) + 1e-7 * expected.norm().item<double>();
}

class GoldenModel : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (GetParam().missing()) GTEST_SKIP() << "no ../shared folder here";
  }
};

TEST_P(GoldenModel, MeetsTheTextFeatures) {
  Golden golden(GetParam());
  const std::vector<std::string> single = class_templates(golden.config.model);
  const auto train = encode_classes(golden.model->clip(),
                                    {"cat", "traffic light", "sky, cloud", "an old car"}, single);
  EXPECT_TRUE(close(train[0], golden["text.features_train"].squeeze(1), 1e-5));
  EXPECT_TRUE(close(golden.model->encode_clusters(), golden["text.prompted"], 1e-5));
}

TEST_P(GoldenModel, MeetsTheEvaluationOutputs) {
  Golden golden(GetParam());
  const bool small = GetParam().small;
  golden.model->eval();
  const auto names = std::vector<std::string>{"wall",  "building", "sky, cloud",
                                              "grass", "orange",   "person, man, woman"};
  const auto classes = golden.model->class_embeddings(names, class_templates(golden.config.model));
  EXPECT_TRUE(close(classes, golden["text.features_test"].squeeze(1), 1e-5));
  const auto image = golden["in.image.0"],
             other = golden["in.image.1"].slice(1, 0, small ? 72 : 96);
  EXPECT_TRUE(close(sem_seg(golden, image, classes, small ? 50 : 150, small ? 41 : 101),
                    golden["eval.0.sem_seg"], 1e-5));
  EXPECT_TRUE(close(sem_seg(golden, other, classes, small ? 30 : 70, small ? 63 : 133),
                    golden["eval.1.sem_seg"], 1e-5));
}

TEST_P(GoldenModel, MeetsFourTrainingSteps) {
  Golden golden(GetParam());
  auto& model = golden.model;
  model->train();
  const auto before = clones(state_of(*model));
  const auto batch = model->upload(golden.batch());
  Optimizer optimizer(parameter_groups(*model, golden.config.solver), golden.config.solver);
  for (int step = 0; step < 4; ++step) {
    model->update_teacher();
    const auto clusters = model->encode_clusters();
    const auto targets = model->teacher_targets(batch, clusters);
    const auto q = sinkhorn(targets.logits, [](Tensor&) {});
    const auto assignment = q.argmax(1);
    const auto nudged = step == 3 ? beside_the_kink(model, GetParam()) : std::nullopt;
    const auto merged = model->mask_targets(batch.masks, assignment);
    const auto loss = mask_loss(model->decode(model->cost_maps(batch, clusters)), merged);
    EXPECT_NEAR(loss.item<double>(), golden["train.losses"][step].item<double>(), 1e-5)
        << "step " << step;
    optimizer.zero_grad();
    loss.backward();
    if (step == 0) {
      EXPECT_TRUE(close(model->teacher_features(batch).permute({0, 3, 1, 2}),
                        golden["train.step0.teacher"], 1e-5));
      EXPECT_TRUE(close(targets.logits, golden["train.step0.logits"], 1e-5));
      EXPECT_TRUE(close(q, golden["train.step0.q"], 1e-5));
      if (golden.tensors.count("train.step0.target")) {
        EXPECT_TRUE(torch::equal(merged.cpu(), golden["train.step0.target"]));
      }
      for (const auto& group : optimizer.groups()) {
        const auto expected = golden.tensors.find("grad0." + group.name);
        if (expected == golden.tensors.end() && GetParam().small) continue;
        EXPECT_TRUE(close(group.parameter.grad(), golden["grad0." + group.name], 1e-3, 1e-9))
            << group.name;
      }
    }
    const double factor = learning_rate_factor(golden.config.solver, step);
    for (const auto& group : optimizer.groups()) {
      const int column = group.name.find("prompt") != std::string::npos       ? 0
                         : group.name.find("clip_model") != std::string::npos ? 1
                                                                              : 2;
      EXPECT_NEAR(group.learning_rate * factor,
                  golden["train.lrs_prompt_clip_head"][step][column].item<double>(), 1e-12);
    }
    if (nudged) nudged->first.add_(-nudged->second);
    optimizer.step(factor);
  }
  const auto state = state_of(*model);
  int compared = 0;
  for (const auto& [name, tensor] : golden.tensors) {
    if (!name.starts_with("after4.") || name == "after4.text.prompted") continue;
    ++compared;
    const auto& now = state.at(name.substr(7));
    if (GetParam().small) {
      EXPECT_LE(distance(now, tensor), largest_distance(before.at(name.substr(7)), tensor)) << name;
    } else {
      EXPECT_TRUE(close(now, tensor, 0, 1e-6 + 1e-4 * 2e-3)) << name;
    }
  }
  if (GetParam().small) {
    EXPECT_GE(compared, 20);
    return;
  }
  EXPECT_GT(compared, 50);
  EXPECT_TRUE(close(model->encode_clusters(), golden["after4.text.prompted"], 1e-4));
}

INSTANTIATE_TEST_SUITE_P(Backbones, GoldenModel,
                         ::testing::Values(Case{"vit", true}, Case{"convnext", true},
                                           Case{"vit", false}, Case{"convnext", false}),
                         [](const auto& info) {
                           return (info.param.small ? "small_" : "") + info.param.kind;
                         });

}  // namespace
}  // namespace pixelclip
