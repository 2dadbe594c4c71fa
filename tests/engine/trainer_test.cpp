#include "engine/trainer.hpp"

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"
#include "data/train_set.hpp"
#include "engine/runs.hpp"
#include "engine/starting_point.hpp"
#include "engine/training_step.hpp"
#include "image/codec.hpp"
#include "io/torch_file.hpp"
#include "solver/lr_scheduler.hpp"
#include "support/loading.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

TEST(Trainer, ARunLeavesItsLogItsNumbersItsConfigurationAndItsCheckpoints) {
  const TinyWorld world;
  ASSERT_EQ(world.train("out", {"SOLVER.MAX_ITER", "20", "SOLVER.CHECKPOINT_PERIOD", "8",
                                "VIS_PERIOD", "10"}),
            0);
  const auto lines = world.metrics("out");
  ASSERT_EQ(lines.size(), 20u);
  EXPECT_EQ(lines[3]["iteration"], 3);
  for (const char* key : {"total_loss", "loss_masks", "lr", "time", "data_time", "eta_seconds",
                          "grad_norm", "masks", "clusters_used", "cluster_entropy"}) {
    EXPECT_EQ(column(lines, key).size(), 20u) << key;
  }
  EXPECT_THAT(column(lines, "clusters_used"), AllOf(Each(Ge(1)), Each(Le(4))));
  EXPECT_THAT(column(lines, "cluster_entropy"), AllOf(Each(Ge(0)), Each(Le(1 + 1e-9))));
  EXPECT_THAT(column(lines, "masks"), Each(Ge(4)));
  const auto distances = column(lines, "teacher_distance");
  ASSERT_EQ(distances.size(), 1u);
  EXPECT_GT(distances[0], 0);
  EXPECT_LT(distances[0], 0.1);
  EXPECT_THAT(world.log("out"), AllOf(HasSubstr("iter: 19  total_loss: "), HasSubstr("images/s"),
                                      HasSubstr("peak memory"), HasSubstr("trained parameters:")));
  EXPECT_NO_THROW(load_config(world / "out/config.yaml"));
  for (const char* name : {"model_0000007.pth", "model_0000015.pth", "model_final.pth"}) {
    EXPECT_TRUE(fs::exists(world / "out" / name)) << name;
  }
  EXPECT_EQ(read_text(world / "out/last_checkpoint"), "model_final.pth");
  const auto state = flattened(world / "out/model_0000007.pth");
  EXPECT_EQ(state.at("/iteration").item<int64_t>(), 7);
  EXPECT_TRUE(state.contains("/trainer/_trainer/optimizer/state/0/exp_avg"));
}

TEST(Trainer, AllNumberedCheckpointsAreKeptAlsoThatOfTheLastIteration) {
  const TinyWorld world;
  ASSERT_EQ(world.train("out", {"SOLVER.MAX_ITER", "6", "SOLVER.CHECKPOINT_PERIOD", "1"}), 0);
  for (int i = 0; i < 6; ++i)
    EXPECT_TRUE(fs::exists(world / str("out/model_000000", i, ".pth"))) << i;
  EXPECT_TRUE(same_state(world / "out/model_0000005.pth", world / "out/model_final.pth"));
}

TEST(Trainer, DatasetsTestIsScoredAfterTheLastStepUnderDetectron2sNames) {
  const TinyWorld world;
  fs::create_directories(world / "set/images");
  fs::create_directories(world / "set/labels");
  Image picture(40, 60, 3);
  write_file(world / "set/images/a.png", [&] {
    const auto bytes = encode_png(picture);
    return std::string(bytes.begin(), bytes.end());
  }());
  write_label_png(world / "set/labels/a.png", LabelMap{40, 60, std::vector<int32_t>(40 * 60, 1)});
  write_file(world / "names.json", R"(["cat", "dog"])");
  const std::vector<std::string> changes = {
      "DATASETS.CUSTOM",
      str("[{name: own, images: ", (world / "set/images").string(),
          ", labels: ", (world / "set/labels").string(), ", names: [cat, dog]}]"),
      "DATASETS.TEST",
      "(\"own\",)",
      "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON",
      (world / "names.json").string(),
      "TEST.EVAL_PERIOD",
      "0",
      "TEST.EVAL_START",
      "True",
      "SOLVER.MAX_ITER",
      "2"};
  ASSERT_EQ(world.train("out", changes), 0);
  const auto scores = column(world.metrics("out"), "sem_seg/mIoU");
  EXPECT_EQ(scores.size(), 2u);
  EXPECT_EQ(column(world.metrics("out"), "sem_seg/IoU-dog").size(), 2u);
  const auto log = world.log("out");
  EXPECT_THAT(log, HasSubstr("scoring CLIP before training"));
  const auto last = log.rfind("results\n");
  EXPECT_THAT(log.substr(0, last), HasSubstr("CLIP before training"));
  EXPECT_THAT(log.substr(last), Not(HasSubstr("CLIP before training")));
  // What could not be scored or compared is refused before the first step.
  write_file(world / "rows.json", "[1]");
  for (const auto& [key, value] : {std::pair("TEST.BEST_METRIC", std::string("IoU-cow")),
                                   std::pair("TEST.COMPARE", (world / "rows.json").string())}) {
    auto wrong = changes;
    wrong.insert(wrong.end(), {key, value});
    EXPECT_EQ(world.train("refused", wrong), 1) << key;
    EXPECT_TRUE(world.metrics("refused").empty()) << key;
  }
}

TEST(Trainer, PythonReadsTheCheckpoints) {
  const std::string python = PIXELCLIP_SOURCE_DIR "/.deps/venv/bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << "no Python with torch here";
  const TinyWorld world;
  ASSERT_EQ(world.train("out"), 0);
  const auto state = flattened(world / "out/model_final.pth");
  Program program({"-c", R"(
import sys, torch
state = torch.load(sys.argv[1], weights_only=True)
optimizer = state["trainer"]["_trainer"]["optimizer"]
print("iteration", state["iteration"], "tensors", len(state["model"]), "groups", len(optimizer["param_groups"]))
print("sum %.6f" % state["model"]["head.proj.weight"].double().sum().item())
parameters = [torch.nn.Parameter(torch.zeros_like(optimizer["state"][i]["exp_avg"])) for i in range(len(optimizer["state"]))]
own = torch.optim.AdamW([{"params": [p]} for p in parameters])
settings = set(own.state_dict()["param_groups"][0]) | {"initial_lr"}
own.load_state_dict(optimizer)
print("settings", settings == set(optimizer["param_groups"][0]))
for p in parameters: p.grad = torch.ones_like(p)
own.step()
print("optimiser fits")
)",
                   (world / "out/model_final.pth").string()},
                  {}, python);
  const auto outcome = program.wait();
  std::ostringstream sum;
  sum << std::fixed << std::setprecision(6)
      << state.at("/model/head.proj.weight").to(torch::kDouble).sum().item<double>();
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("iteration 3 "), HasSubstr("sum " + sum.str()),
                                    HasSubstr("settings True"), HasSubstr("optimiser fits")));
}

TEST(Trainer, TwoRanksMatchOneProcessThatEmulatesBoth) {
  const TinyWorld world(/*convnext=*/true);  // with stochastic depth
  const Outcome two = Program(world.command("two", {}, 2)).wait();
  ASSERT_EQ(two.status, 0) << two.output;
  ASSERT_EQ(world.train("one", {"SOLVER.ACCUMULATE_STEPS", "2"}), 0);
  EXPECT_TRUE(same_state(world / "one/model_final.pth", world / "two/model_final.pth", 1e-6));
  // The masks of all parts are assigned together, so one process that plays one rank differs.
  ASSERT_EQ(world.train("plain"), 0);
  EXPECT_FALSE(same_state(world / "plain/model_final.pth", world / "two/model_final.pth", 1e-6));
}

TEST(Trainer, ARankWithoutMasksTakesPart) {
  const TinyWorld world;
  for (int i = 1; i < 6; ++i) {
    fs::remove(world / str("sam/images/sa_000000/sa_", i, ".jpg"));
    fs::remove(world / str("sam/annotations/sa_000000/sa_", i, ".json"));
  }
  make_sample(world / "sam", "sa_9", 64, 64, 5);
  write_file(world / "sam/annotations/sa_000000/sa_9.json", sa1b_json(64, 64, {}).dump());
  // Two pictures, one of them without masks: each step one rank has none.
  const std::vector<std::string> changes = {"SOLVER.IMS_PER_BATCH", "2",
                                            "DATALOADER.FILTER_EMPTY_ANNOTATIONS", "False"};
  const Outcome two = Program(world.command("two", changes, 2)).wait();
  ASSERT_EQ(two.status, 0) << two.output;
  EXPECT_THAT(column(world.metrics("two"), "masks"), Each(Le(3)));
  auto alone = changes;
  alone.insert(alone.end(), {"SOLVER.ACCUMULATE_STEPS", "2"});
  ASSERT_EQ(world.train("one", alone), 0);
  EXPECT_TRUE(same_state(world / "one/model_final.pth", world / "two/model_final.pth", 1e-6));
}

TEST(Trainer, ALossThatIsNotFiniteStopsWithTheImagesNamesAndSavesThem) {
  const TinyWorld world;
  EXPECT_EQ(world.train("out", {"SOLVER.BASE_LR", "1e30", "SOLVER.CLIP_GRADIENTS.ENABLED", "False",
                                "SOLVER.MAX_SKIPPED_STEPS", "1", "SOLVER.MAX_ITER", "9"}),
            1);
  const auto log = world.log("out");
  EXPECT_THAT(log,
              AllOf(HasSubstr("the loss or a gradient is not finite; images: "),
                    ContainsRegex("(/sa_[0-5]\\.jpg, [^ ]*){3}/sa_[0-5]\\.jpg; they are saved in"),
                    HasSubstr("the step is skipped (1 of 1)"), HasSubstr("lower SOLVER.BASE_LR")));
  int saved = 0;
  for (const auto& entry : fs::directory_iterator(world / "out")) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with("non_finite_")) continue;
    ++saved;
    const auto batch = read_torch_file(entry.path());
    EXPECT_EQ(batch.as_list().size(), 4u);
    EXPECT_EQ(batch.as_list()[0].as_dict().at("image").as_tensor().dim(), 3);
  }
  EXPECT_EQ(saved, 2);
}

/// What eight steps of a run with these `changes` do.
std::vector<StepResult> eight_steps(const TinyWorld& world,
                                    const std::vector<std::string>& changes) {
  const Config config =
      load_config((world / "tiny.yaml").string(), world.overrides("steps", changes));
  Comm comm;
  auto start = starting_point(config, comm, /*resume=*/false);
  start.model->train();
  TrainingStep step(config.solver, start.model, comm);
  const auto loader = loader_of(config, 7);
  std::vector<StepResult> results;
  for (int64_t i = 0; i < 8; ++i) {
    results.push_back(step.run(loader->next(), i, 7, learning_rate_factor(config.solver, i)));
  }
  return results;
}

TEST(TrainingStep, LowerPrecisionGivesTheSameLossWhereMasksGoToTheSameClusters) {
  const TinyWorld world;
  std::vector<std::string> changes = {"SOLVER.MAX_ITER", "8", "SOLVER.BASE_LR", "0.0002"};
  const auto expected = eight_steps(world, changes);
  changes.insert(changes.end(), {"SOLVER.AMP.ENABLED", "True", "SOLVER.AMP.DTYPE", ""});
  for (const char* type : {"bfloat16", "float16"}) {
    changes.back() = type;
    const auto steps = eight_steps(world, changes);
    int same = 0;
    for (size_t i = 0; i < 8; ++i) {
      if (!torch::equal(steps[i].assignment, expected[i].assignment)) continue;
      ++same;
      EXPECT_NEAR(steps[i].loss, expected[i].loss, 0.001 * expected[i].loss)
          << type << ", step " << i;
    }
    EXPECT_GE(same, 6) << type;
  }
}

TEST(Trainer, OnlyFloat16ScalesItsLoss) {
  const TinyWorld world;
  for (const char* type : {"bfloat16", "float16"}) {
    ASSERT_EQ(world.train(type, {"SOLVER.MAX_ITER", "2", "SOLVER.AMP.ENABLED", "True",
                                 "SOLVER.AMP.DTYPE", type}),
              0);
    EXPECT_EQ(column(world.metrics(type), "loss_scale").size(),
              std::string(type) == "float16" ? 2u : 0u);
    // The public trainer asks for this entry whenever AMP is on.
    EXPECT_EQ(
        flattened(world / type / "model_final.pth").count("/trainer/_trainer/grad_scaler/scale"),
        1u);
  }
}

TEST(Trainer, OptimiserStateIsKeptOnlyForWhatTrains) {
  const TinyWorld world;
  ASSERT_EQ(
      world.train("out", {"SOLVER.MAX_ITER", "1", "MODEL.SEM_SEG_HEAD.CLIP_FINETUNE", "none"}), 0);
  const auto state = flattened(world / "out/model_final.pth");
  int64_t trained = 0, kept = 0;
  for (const auto& [name, tensor] : state) {
    trained +=
        name.starts_with("/model/head.") || name.ends_with("prompt_tokens") ? tensor.numel() : 0;
    kept += name.ends_with("/exp_avg") ? tensor.numel() : 0;
  }
  EXPECT_EQ(kept, trained);
}

}  // namespace
}  // namespace pixelclip::testing
