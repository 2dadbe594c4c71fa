#include "cli/bench/train.hpp"

#include <sys/resource.h>
#include <torch/nn/init.h>
#include <torch/utils.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/parallel.hpp"
#include "cli/bench/report.hpp"
#include "cli/bench/synthetic_samples.hpp"
#include "cli/overrides.hpp"
#include "data/train_set.hpp"
#include "dist/gpu_memory.hpp"
#include "engine/build.hpp"
#include "engine/training_step.hpp"

namespace pixelclip::cli {
namespace {

namespace fs = std::filesystem;

struct TrainBench {
  std::string backbone = "vit_base";
  std::string config_file;
  std::vector<std::string> overrides;
  int64_t images = 2, masks = 60, steps = 3;
  bool own_data = false;
  std::string json;
};

constexpr int64_t kImages = 16, kSide = 1024;

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return t.tv_sec + 1e-6 * t.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024.0;
}

/// Made images in a folder that is removed at the end.
class MadeData {
 public:
  MadeData() : folder_(fs::temp_directory_path() / str("pixelclip-bench-", getpid())) {
    make_samples(folder_, kImages, kSide, kSide);
  }
  ~MadeData() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

Config configuration(const TrainBench& bench) {
  const auto file = bench.config_file.empty()
                        ? find_data_file(str("configs/pixelclip_", bench.backbone, ".yaml"))
                        : fs::path(bench.config_file);
  std::vector<std::string> overrides = {"SOLVER.IMS_PER_BATCH", str(bench.images),
                                        "MODEL.LIMIT_MASKS",    "True",
                                        "MODEL.MAX_MASKS",      str(bench.masks)};
  // Of an image's hundred masks more than half fall into a crop of 640 pixels.
  if (!bench.own_data) overrides.insert(overrides.end(), {"INPUT.MIN_SIZE_TRAIN", "[768]"});
  overrides.insert(overrides.end(), bench.overrides.begin(), bench.overrides.end());
  return load_config(file, overrides);
}

PixelCLIP random_model(const Config& config, bool convnext) {
  torch::manual_seed(0);
  ClipArchitecture architecture;
  if (convnext) {
    architecture.convnext = ConvNextOptions();
    architecture.text = {
        .width = 640, .heads = 10, .embedding = 640, .activation = Activation::gelu};
  } else {
    architecture.vit = VitOptions();
  }
  PixelCLIP model(config, architecture);
  set_trainable(model, config.model.sem_seg_head.clip_finetune);
  torch::nn::init::normal_(model->prompt_tokens(), 0, 0.02);
  model->to(pick_device(config));
  model->train();
  return model;
}

void run(const TrainBench& bench) {
  Config config = configuration(bench);
  std::optional<MadeData> made;
  if (!bench.own_data) {
    made.emplace();
    config.datasets.train = {"sam_resized"};
    config.datasets.sam_root = made->folder().string();
  }
  set_up_torch(config);
  auto model = random_model(config, bench.backbone == "convnext_base");
  Comm alone;
  TrainingStep step(config, model, alone);
  const auto loader = make_train_loader(config, 0, 0, 1, 0, model->device().is_cuda());
  step.run(loader->next(), 0, 0, 1.0);  // warms memory and caches up

  StepTimes times;
  double data = 0;
  int64_t masks = 0;
  const double start = now(), begun = processor_seconds();
  for (int64_t i = 1; i <= bench.steps; ++i) {
    const double before = now();
    const auto batch = loader->next();
    data += now() - before;
    masks += step.run(batch, i, 0, 1.0, &times).masks;
  }
  const double each = 1.0 / static_cast<double>(bench.steps), seconds = (now() - start) * each;

  BenchReport report("train " + bench.backbone);
  report.add("images_per_second", static_cast<double>(config.solver.ims_per_batch) / seconds,
             "images/s", "");
  report.add("step", seconds, "s",
             str("a step of ", config.solver.ims_per_batch, " images; of it:"));
  const auto part = [&](const char* key, double value, const char* meaning) {
    report.add(key, value * each, "s", meaning);
  };
  part("data", data, "  waiting for the loader");
  part("teacher", times.teacher, "  teacher: moving average, features, pooling");
  part("prompts", times.prompts, "  text encoder on the prompts");
  part("assignment", times.assignment, "  Sinkhorn assignment");
  part("student", times.student, "  student features and cost maps");
  part("decoder", times.decoder, "  decoder, targets and loss");
  part("backward", times.backward, "  backward pass");
  part("optimizer", times.optimizer, "  norm, clipping, update");
  report.add("data_share", data * each / seconds, "", "share of the step spent waiting for data");
  report.add("processor", (processor_seconds() - begun) * each, "s",
             "processor time of a step, all threads, loader included");
  report.add("masks", static_cast<double>(masks) * each, "", "masks in a step");
  report.add("memory", peak_memory(), "MiB", "largest resident memory");
  const auto gpu = peak_gpu_memory(model->device());
  if (gpu > 0)
    report.add("gpu_memory", static_cast<double>(gpu) / 1048576.0, "MiB",
               "largest GPU memory in tensors");
  report.print();
  report.write(bench.json);
}

}  // namespace

void add_bench_train(CLI::App& bench) {
  auto* command =
      bench.add_subcommand("train", "Time of a training step at true model size, by part");
  auto options = std::make_shared<TrainBench>();
  command
      ->add_option("--backbone", options->backbone,
                   "vit_base (default) or convnext_base, random weights")
      ->check(CLI::IsMember({"vit_base", "convnext_base"}));
  command->add_option("--config-file,--config", options->config_file,
                      "YAML file (default: the backbone's)");
  command->add_option("--images", options->images, "images a step (default 2)")
      ->check(CLI::Range(1, 100000));
  command->add_option("--masks", options->masks, "masks used of an image at most (default 60)")
      ->check(CLI::Range(1, 10000));
  command->add_option("--steps", options->steps, "steps measured, after one more (default 3)")
      ->check(CLI::Range(1, 100000));
  command->add_flag("--own-data", options->own_data, "load DATASETS.TRAIN instead of made images");
  command->add_option("--json", options->json, "write the figures to this file");
  add_overrides(*command, options->overrides);
  command->callback([options] { run(*options); });
}

}  // namespace pixelclip::cli
