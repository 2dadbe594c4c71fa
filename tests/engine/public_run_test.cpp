#include <torch/utils.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "io/torch_file.hpp"
#include "support/program.hpp"
#include "support/tensors.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// The command line that the golden public run was made with, as far as it matters here.
std::vector<std::string> command(const std::string& how, const fs::path& output,
                                 const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"--train",
                                    how,
                                    "1",
                                    PIXELCLIP_SOURCE_DIR "/configs/pixelclip_vit_base.yaml",
                                    "OUTPUT_DIR",
                                    output,
                                    "DATASETS.SAM_ROOT",
                                    shared_folder() / "golden/train_vit",
                                    "DATASETS.TEST",
                                    "()",
                                    "MODEL.DEVICE",
                                    "cpu",
                                    "SEED",
                                    "3",
                                    "MODEL.SEM_SEG_HEAD.NUM_CLASSES",
                                    "8",
                                    "MODEL.CLIP_RESOLUTION",
                                    "(96, 96)",
                                    "MODEL.MASK_RESOLUTION",
                                    "(48, 48)",
                                    "INPUT.CROP.SIZE",
                                    "(96, 96)",
                                    "INPUT.MIN_SIZE_TRAIN",
                                    "(120,)",
                                    "SOLVER.IMS_PER_BATCH",
                                    "2",
                                    "SOLVER.MAX_ITER",
                                    "4",
                                    "SOLVER.CHECKPOINT_PERIOD",
                                    "2",
                                    "DATALOADER.NUM_WORKERS",
                                    "1",
                                    "TEST.EVAL_PERIOD",
                                    "0"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Copies a folder of read-only files to where they may be changed.
void copy_folder(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    write_text(to / entry.path().filename(), read_text(entry.path()));
  }
}

/// Where two values have not the same keys, kinds and shapes; empty when they do.
std::string difference(const Value& a, const Value& b, const std::string& path) {
  if (a.data.index() != b.data.index()) return path + ": " + a.kind() + ", expected " + b.kind();
  if (const auto* tensor = a.get_if<torch::Tensor>()) {
    const auto& other = b.as_tensor();
    const bool same =
        tensor->sizes() == other.sizes() && tensor->scalar_type() == other.scalar_type();
    return same ? "" : path + ": another shape or type";
  }
  if (a.is<ValueList>() || a.is<Tuple>()) {
    const auto &one = a.as_list(), &two = b.as_list();
    if (one.size() != two.size())
      return str(path, ": ", one.size(), " items, expected ", two.size());
    for (size_t i = 0; i < one.size(); ++i) {
      if (auto found = difference(one[i], two[i], str(path, "/", i)); !found.empty()) return found;
    }
  }
  if (!a.is<Dict>()) return "";
  const auto &one = a.as_dict(), &two = b.as_dict();
  if (one.size() != two.size()) return str(path, ": ", one.size(), " keys, expected ", two.size());
  for (const auto& [key, item] : two.items) {
    const auto* name = key.get_if<std::string>();
    const auto* found = name ? one.find(*name) : one.find(key.as_int());
    const auto place = path + "/" + (name ? *name : str(key.as_int()));
    if (!found) return place + " is missing";
    if (auto inside = difference(*found, item, place); !inside.empty()) return inside;
  }
  return "";
}

const Dict& optimizer_of(const Value& checkpoint) {
  return checkpoint.as_dict()
      .at("trainer")
      .as_dict()
      .at("_trainer")
      .as_dict()
      .at("optimizer")
      .as_dict();
}

TEST(PublicRun, ResumesOptimizerScheduleAndIteration) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  copy_folder(shared_folder() / "golden/public_run", folder / "out");
  const auto metrics = read_text(folder / "out/metrics.json");
  const auto outcome = Program(command("resume", folder / "out")).wait();
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("model_0000001.pth at iteration 2"), Not(HasSubstr("starts anew")),
                    Not(HasSubstr("learning rates differ"))));

  const auto saved = read_torch_file(folder / "out/model_final.pth");
  EXPECT_EQ(saved.as_dict().at("iteration").as_int(), 3);
  const auto& state = optimizer_of(saved).at("state").as_dict();
  EXPECT_EQ(state.size(), 30u);
  for (const auto& [number, entry] : state.items)
    EXPECT_EQ(entry.as_dict().at("step").as_tensor().item<float>(), 4);
  // The rate of the step after the last, as there.
  const auto golden = read_torch_file(shared_folder() / "golden/public_run/model_final.pth");
  const auto rate = [](const Value& file) {
    return optimizer_of(file).at("param_groups").as_list()[0].as_dict().at("lr").as_double();
  };
  EXPECT_NEAR(rate(saved), rate(golden), 1e-12);

  const auto lines = read_text(folder / "out/metrics.json");
  ASSERT_TRUE(lines.starts_with(metrics)) << lines;
  std::istringstream added(lines.substr(metrics.size()));
  std::vector<int> iterations;
  for (std::string line; std::getline(added, line);) {
    const auto entry = nlohmann::json::parse(line);
    iterations.push_back(entry.at("iteration"));
    EXPECT_NEAR(entry.at("lr").get<double>(),
                iterations.back() == 3 ? 0.00011464466094067263 : 0.00015, 1e-15);
  }
  EXPECT_THAT(iterations, ::testing::ElementsAre(2, 3));
  const auto config = read_text(folder / "out/config.yaml");
  EXPECT_THAT(config, AllOf(HasSubstr("RPN:"), HasSubstr("HEAD_NAME: \"StandardRPNHead\""),
                            HasSubstr("NUM_CLASSES: 8"),
                            HasSubstr(str("OUTPUT_DIR: \"", (folder / "out").string(), "\""))));
}

TEST(PublicRun, CheckpointsOfThisProgramHaveItsForm) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  const auto golden = shared_folder() / "golden/public_run";
  const auto outcome =
      Program(command("anew", folder / "out", {"MODEL.WEIGHTS", golden / "model_final.pth"}))
          .wait();
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  const auto own = read_torch_file(folder / "out/model_0000001.pth"),
             theirs = read_torch_file(golden / "model_0000001.pth");
  for (const char* part : {"model", "trainer", "iteration"}) {
    EXPECT_EQ(difference(own.as_dict().at(part), theirs.as_dict().at(part), part), "");
  }
  const auto& groups = optimizer_of(own).at("param_groups").as_list();
  const auto& expected = optimizer_of(theirs).at("param_groups").as_list();
  ASSERT_EQ(groups.size(), expected.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    for (const char* key : {"lr", "initial_lr", "weight_decay", "eps"}) {
      EXPECT_NEAR(groups[i].as_dict().at(key).as_double(),
                  expected[i].as_dict().at(key).as_double(), 1e-15)
          << i << ' ' << key;
    }
  }
  const auto hook = [](const Value& file) -> const Dict& {
    return file.as_dict().at("trainer").as_dict().at("hooks").as_dict().at("LRScheduler").as_dict();
  };
  EXPECT_EQ(hook(own).at("last_epoch").as_int(), hook(theirs).at("last_epoch").as_int());
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_NEAR(hook(own).at("base_lrs").as_list()[i].as_double(),
                hook(theirs).at("base_lrs").as_list()[i].as_double(), 1e-15);
  }
}

}  // namespace
}  // namespace pixelclip::testing
