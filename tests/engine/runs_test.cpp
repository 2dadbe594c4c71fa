#include "engine/runs.hpp"

#include <torch/utils.h>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "config/check.hpp"
#include "data/catalog.hpp"
#include "data/synthetic_sa1b.hpp"
#include "demo/prepare.hpp"
#include "engine/run.hpp"
#include "engine/runtime.hpp"
#include "engine/trainer.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip::testing {
namespace {

void write_clip(const fs::path& path, bool convnext) {
  torch::manual_seed(1);
  ClipArchitecture architecture;
  architecture.text = {.width = 16, .layers = 2, .heads = 1, .context = 20, .embedding = 32};
  if (convnext) {
    architecture.convnext =
        ConvNextOptions{.depths = {1, 1, 2, 1}, .widths = {8, 16, 24, 32}, .embedding = 32};
  } else {
    architecture.vit = VitOptions{.width = 64, .layers = 2, .patch = 8, .grid = 4, .embedding = 32};
  }
  CLIP clip(architecture);
  torch::NoGradGuard no_grad;
  for (auto& item : clip->named_parameters()) {
    if (item.key().ends_with("gamma")) item.value().fill_(0.5);  // so that the blocks matter
  }
  write_torch_file(path, to_value(state_of(*clip)));
}

/// What the command line prepares for a run with the demo's small CLIP.
void prepare(Config& config, Purpose, bool) {
  if (config.model.sem_seg_head.clip_pretrained != "demo") return;
  prepare_demo(DatasetRoots::find(config.datasets.root).test / "demo");
}

int run(RunOptions options, bool resume) {
  options.resume = resume;
  options.prepare = prepare;
  return run_on_ranks(options, Purpose::train, "", [resume](Config& config, Comm& comm) {
    Trainer trainer(config, starting_point(config, comm, resume), comm);
    trainer.run();
    return trainer.finished() ? 0 : signals::exit_status(0);
  });
}

void flatten(const Value& value, const std::string& path,
             std::map<std::string, torch::Tensor>& out) {
  if (const auto* tensor = value.get_if<torch::Tensor>()) out[path] = *tensor;
  if (const auto* number = value.get_if<double>())
    out[path] = torch::tensor(*number, torch::kDouble);
  if (const auto* number = value.get_if<int64_t>()) out[path] = torch::tensor(*number);
  if (const auto* list = value.get_if<ValueList>()) {
    for (size_t i = 0; i < list->size(); ++i) flatten((*list)[i], str(path, "/", i), out);
  }
  if (const auto* dict = value.get_if<Dict>()) {
    for (const auto& [key, item] : dict->items) {
      const auto* name = key.get_if<std::string>();
      flatten(item, path + "/" + (name ? *name : str(key.as_int())), out);
    }
  }
}

}  // namespace

TinyWorld::TinyWorld(bool convnext) {
  write_clip(folder_ / "clip.pth", convnext);
  for (int i = 0; i < 6; ++i)
    make_sample(folder_ / "sam", str("sa_", i), 48 + 8 * i, 80 - 4 * i, i + 1);
  write_file(folder_ / "tiny.yaml", str(R"(
MODEL:
  DEVICE: "cpu"
  CLIP_RESOLUTION: )",
                                        convnext ? "[64, 64]" : "[32, 32]", R"(
  MASK_RESOLUTION: [16, 16]
  DROP_PATH_RATE: 0.3
  SEM_SEG_HEAD: {NUM_CLASSES: 4, PROMPT_LENGTH: 2, CLIP_FINETUNE: )",
                                        convnext ? "full" : "attention", R"(}
DATASETS: {TRAIN: [sam_resized]}
SOLVER: {IMS_PER_BATCH: 4, MAX_ITER: 4, BASE_LR: 0.001, LR_SCHEDULER_NAME: WarmupCosineLR, WARMUP_ITERS: 0,
         CLIP_MULTIPLIER: 0.01, CLIP_GRADIENTS: {ENABLED: True, CLIP_TYPE: full_model, CLIP_VALUE: 1.0}}
INPUT: {MIN_SIZE_TRAIN: [40], FORMAT: RGB, STRONG_AUG: True, COLOR_AUG_SSD: True,
        CROP: {ENABLED: True, TYPE: absolute, SIZE: [32, 32]}}
DATALOADER: {NUM_WORKERS: 2}
SEED: 7
)"));
}

std::vector<std::string> TinyWorld::overrides(const std::string& output,
                                              const std::vector<std::string>& changes) const {
  std::vector<std::string> all = {"OUTPUT_DIR",
                                  (folder_ / output).string(),
                                  "DATASETS.SAM_ROOT",
                                  (folder_ / "sam").string(),
                                  "MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED",
                                  (folder_ / "clip.pth").string()};
  all.insert(all.end(), changes.begin(), changes.end());
  return all;
}

int TinyWorld::train(const std::string& output, const std::vector<std::string>& changes,
                     bool resume) const {
  RunOptions options;
  options.config_file = (folder_ / "tiny.yaml").string();
  options.overrides = overrides(output, changes);
  return run(options, resume);
}

std::vector<std::string> TinyWorld::command(const std::string& output,
                                            const std::vector<std::string>& changes, int processes,
                                            bool resume) const {
  std::vector<std::string> all = {"--train", resume ? "resume" : "anew", str(processes),
                                  (folder_ / "tiny.yaml").string()};
  const auto pairs = overrides(output, changes);
  all.insert(all.end(), pairs.begin(), pairs.end());
  return all;
}

std::vector<nlohmann::json> TinyWorld::metrics(const std::string& output) const {
  std::vector<nlohmann::json> lines;
  const auto path = folder_ / output / "metrics.json";
  if (!fs::exists(path)) return lines;
  std::istringstream in(read_text(path));
  for (std::string line; std::getline(in, line);) {
    if (nlohmann::json::accept(line)) lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

std::string TinyWorld::log(const std::string& output) const {
  return read_text(folder_ / output / "log.txt");
}

std::vector<double> column(const std::vector<nlohmann::json>& lines, const std::string& key) {
  std::vector<double> values;
  for (const auto& line : lines) {
    if (line.contains(key)) values.push_back(line[key].get<double>());
  }
  return values;
}

std::map<std::string, torch::Tensor> flattened(const fs::path& checkpoint) {
  std::map<std::string, torch::Tensor> out;
  flatten(read_torch_file(checkpoint), "", out);
  return out;
}

::testing::AssertionResult same_state(const fs::path& actual, const fs::path& expected,
                                      double tolerance) {
  const auto a = flattened(actual), e = flattened(expected);
  if (a.size() != e.size() || a.size() < 100) {
    return ::testing::AssertionFailure() << a.size() << " entries, expected " << e.size();
  }
  for (const auto& [name, tensor] : e) {
    if (!a.contains(name)) return ::testing::AssertionFailure() << name << " is missing";
    if (tolerance > 0 && (name.starts_with("/trainer") || name.starts_with("/pixelclip"))) continue;
    const auto result = close(a.at(name), tensor, 0, tolerance);
    if (!result) return ::testing::AssertionFailure() << name << ": " << result.message();
  }
  return ::testing::AssertionSuccess();
}

}  // namespace pixelclip::testing

/// Besides running the tests, this program trains: --train resume|anew PROCESSES CONFIG KEY VALUE
/// ...
int main(int argc, char** argv) {
  if (argc > 4 && argv[1] == std::string("--train")) {
    pixelclip::RunOptions options;
    options.argv.assign(argv, argv + argc);
    options.num_gpus = std::stoi(argv[3]);
    options.config_file = argv[4];
    options.overrides.assign(argv + 5, argv + argc);
    pixelclip::runtime::start_process();
    try {
      return pixelclip::testing::run(options, argv[2] == std::string("resume"));
    } catch (const std::exception& e) {
      pixelclip::log::error(e.what());
      return pixelclip::signals::exit_status(1);
    }
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
