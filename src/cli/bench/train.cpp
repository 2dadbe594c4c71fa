#include "cli/bench/train.hpp"

#include <sys/resource.h>
#include <torch/cuda.h>
#include <torch/nn/init.h>
#include <torch/utils.h>

#include <filesystem>
#include <map>
#include <memory>

#include "base/error.hpp"
#include "base/parallel.hpp"
#include "base/stopwatch.hpp"
#include "cli/bench/operation_counter.hpp"
#include "cli/bench/report.hpp"
#include "cli/bench/scratch_folder.hpp"
#include "cli/bench/synthetic_samples.hpp"
#include "cli/bench/timeline.hpp"
#include "cli/output.hpp"
#include "cli/overrides.hpp"
#include "config/class_names.hpp"
#include "config/config.hpp"
#include "data/train_set.hpp"
#include "dist/gpu.hpp"
#include "engine/runtime.hpp"
#include "engine/training_step.hpp"
#include "nn/seeded_init.hpp"

namespace pixelclip::cli {
namespace {

namespace fs = std::filesystem;

struct TrainBench {
  std::string backbone = "vit_base";
  std::string config_file;
  std::vector<std::string> overrides;
  int64_t images = 2, masks = 60, steps = 3;
  bool own_data = false;
  std::string json, timeline;
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

PixelCLIP random_model(const Config& config, bool convnext, torch::Device device) {
  const SeededInit seeded(0);
  ClipArchitecture architecture;
  if (convnext) {
    architecture.convnext = ConvNextOptions();
    architecture.text = {
        .width = 640, .heads = 10, .embedding = 640, .activation = Activation::gelu};
  } else {
    architecture.vit = VitOptions();
  }
  PixelCLIP model(config.model, architecture, config.solver.amp);
  set_trainable(model, config.model.sem_seg_head.clip_finetune);
  torch::nn::init::normal_(model->prompt_tokens(), 0, 0.02);
  model->to(device);
  model->train();
  return model;
}

/// MiB of distinct memory.
double size_of(const std::vector<torch::Tensor>& tensors) {
  std::map<const void*, size_t> storages;
  for (const auto& tensor : tensors) storages[tensor.storage().data()] = tensor.storage().nbytes();
  size_t bytes = 0;
  for (const auto& [address, size] : storages) bytes += size;
  return static_cast<double>(bytes) / 1048576.0;
}

void add_memory(BenchReport& report, const PixelCLIP& model, const Optimizer& optimizer,
                torch::Device device) {
  auto weights = model->parameters();
  const auto buffers = model->buffers();
  weights.insert(weights.end(), buffers.begin(), buffers.end());
  const double of_weights = size_of(weights), of_gradients = size_of(optimizer.gradients()),
               of_optimizer = size_of(optimizer.state_tensors());
  report.add("memory", peak_memory(), "MiB", "largest resident memory");
  const auto peak = static_cast<double>(peak_gpu_memory(device)) / 1048576.0;
  if (peak > 0) report.add("gpu_memory", peak, "MiB", "largest GPU memory in tensors");
  report.add("weights_memory", of_weights, "MiB", "  weights: student, teacher, text, decoder");
  report.add("gradients_memory", of_gradients, "MiB", "  gradients");
  report.add("optimizer_memory", of_optimizer, "MiB", "  the optimiser's moments");
  if (peak > 0) {
    report.add("other_memory", peak - of_weights - of_gradients - of_optimizer, "MiB",
               "  the rest: activations, inputs, masks");
  }
}

void run(const TrainBench& bench) {
  Config config = configuration(bench);
  const ScratchFolder synthetic;
  if (!bench.own_data) {
    make_samples(synthetic.path(), kImages, kSide, kSide);
    config.datasets.train = {"sam_resized"};
    config.datasets.sam_root = synthetic.path().string();
  }
  runtime::set_up_torch();
  runtime::set_up_gpu_math(config.float32_precision, config.cudnn_benchmark, config.deterministic);
  const auto device = runtime::pick_device(config.model.device);
  set_current_device(device);
  auto model = random_model(config, bench.backbone == "convnext_base", device);
  Comm alone;
  TrainingStep step(config.solver, model, alone);
  const auto loader = make_train_loader(config.datasets, config.input, config.model,
                                        loader_options(config.dataloader, config.solver),
                                        /*seed=*/0, model->device().is_cuda());
  step.run(loader->next(), 0, 0, 1.0);  // warms memory and caches up

  const bool gpu = device.is_cuda();
  StepTimes times;
  const double begun = processor_seconds();
  double data = 0;
  int64_t masks = 0, iteration = 1;
  const auto fetch = [&] {
    const Stopwatch waited;
    auto samples = loader->next();
    data += waited.seconds();
    return step.prepare(std::move(samples));
  };
  // As in training: on a GPU the next batch is prepared during the backward pass.
  const auto measure = [&](StepTimes* parts) {
    auto batch = fetch();
    data = 0;
    if (gpu) torch::cuda::synchronize(device.index());
    const Stopwatch watch;
    for (int64_t i = 0; i < bench.steps; ++i) {
      std::optional<PreparedBatch> next;
      const auto ahead = [&] { next = fetch(); };
      masks += step.run(batch, iteration++, 0, 1.0, ahead, parts).masks;
      batch = std::move(*next);
    }
    if (gpu) torch::cuda::synchronize(device.index());
    return watch.seconds();
  };
  // On a GPU the times of the parts need synchronisation, which would slow the step down.
  const double each = 1.0 / static_cast<double>(bench.steps);
  const double seconds = measure(gpu ? nullptr : &times) * each;
  const double processor = (processor_seconds() - begun) * each, waiting = data * each,
               masks_a_step = static_cast<double>(masks) * each;
  if (gpu) measure(&times);
  const auto counted_batch = loader->next();
  const auto counts = [&] {
    const OperationCounter counter;
    step.run(counted_batch, iteration, 0, 1.0);
    return counter.counts();
  }();
  if (!bench.timeline.empty()) {
    write_timeline(bench.timeline, gpu, [&] {
      step.run(loader->next(), iteration + 1, 0, 1.0);
      if (gpu) torch::cuda::synchronize(device.index());
    });
  }

  BenchReport report("train " + bench.backbone);
  report.add("images_per_second", static_cast<double>(config.solver.ims_per_batch) / seconds,
             "images/s", "");
  report.add("step", seconds, "s",
             str("a step of ", config.solver.ims_per_batch, " images; of it:"));
  report.add("data", waiting, "s", "  waiting for the loader");
  const auto part = [&](const char* key, double value, const char* meaning) {
    report.add(key, value * each, "s", meaning);
  };
  part("teacher", times.teacher, "  teacher: moving average, features, pooling");
  part("prompts", times.prompts, "  text encoder on the prompts");
  part("assignment", times.assignment, "  Sinkhorn assignment");
  part("student", times.student, "  student features and cost maps");
  part("decoder", times.decoder, "  decoder, targets and loss");
  part("backward", times.backward, "  backward pass");
  part("optimizer", times.optimizer, "  norm, clipping, update");
  report.add("data_share", waiting / seconds, "", "share of the step spent waiting for data");
  report.add("processor", processor, "s", "processor time of a step, all threads, loader included");
  report.add("masks", masks_a_step, "", "masks in a step");
  const auto count = [&](const char* key, int64_t value, const char* meaning) {
    report.add(key, static_cast<double>(value), "", meaning);
  };
  count("operations", counts.operations, "operations in a step, on a GPU about one launch each");
  count("allocations", counts.allocations, "tensors allocated in a step");
  count("synchronized", counts.synchronized, "waits of the host for the GPU in a step");
  count("to_device", counts.to_device, "copies to the GPU in a step");
  count("to_host", counts.to_host, "copies from the GPU in a step");
  add_memory(report, model, step.optimizer(), device);
  report.publish(bench.json);
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
  command->add_flag("--own-data", options->own_data,
                    "load DATASETS.TRAIN instead of synthetic images");
  add_result_file(*command, "--timeline", options->timeline,
                  "write when each operation of one more step ran to this file, for "
                  "chrome://tracing or ui.perfetto.dev");
  add_json_file(*command, options->json);
  const auto output = add_quiet_flag(*command);
  add_overrides(*command, options->overrides);
  command->callback([options, output] { run(*options); });
}

}  // namespace pixelclip::cli
