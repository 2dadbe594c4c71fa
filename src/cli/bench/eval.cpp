#include "cli/bench/eval.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <mutex>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "base/scope_exit.hpp"
#include "base/stopwatch.hpp"
#include "cli/bench/report.hpp"
#include "cli/bench/scratch_folder.hpp"
#include "cli/output.hpp"
#include "config/config.hpp"
#include "engine/runtime.hpp"
#include "evaluation/evaluate.hpp"
#include "image/codec.hpp"
#include "inference/argmax.hpp"
#include "inference/class_scorer.hpp"
#include "inference/views.hpp"
#include "nn/seeded_init.hpp"
#include "nn/torch_threads.hpp"

namespace pixelclip::cli {
namespace {

namespace fs = std::filesystem;
using torch::Tensor;

struct EvalBench {
  int64_t images = 8;
  int rounds = 5;
  std::string device = "cpu";
  std::string json;
};

/// Median of `rounds` durations in seconds after a warm-up round.
double median_time(int rounds, const std::function<void()>& work) {
  work();
  std::vector<double> times;
  for (int r = 0; r < rounds; ++r) {
    const Stopwatch watch;
    work();
    times.push_back(watch.seconds());
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[rounds / 2];
}

/// Scores like those of a model: features of a 20×20 grid resized to 64×64, normalised, times
/// random class embeddings; or, with `noise`, independent random values.
Tensor synthetic_scores(int64_t classes, bool noise) {
  const SeededInit seeded(classes);
  const auto unit = [](const Tensor& x) { return x / x.norm(2, -1, true); };
  if (noise) return torch::randn({classes, 64, 64});
  const auto features = at::upsample_bilinear2d(torch::randn({1, 512, 20, 20}), {64, 64}, false)[0];
  return torch::matmul(unit(torch::randn({classes, 512})), unit(features.flatten(1).t()).t())
      .view({classes, 64, 64})
      .contiguous();
}

/// Square regions of classes, some of them ignored.
LabelMap synthetic_labels(int64_t classes, int64_t height, int64_t width) {
  LabelMap truth{height, width, std::vector<int32_t>(height * width)};
  Random random(3);
  std::vector<int32_t> fields((height / 80 + 1) * (width / 80 + 1));
  for (int32_t& id : fields)
    id = random.chance(0.1) ? 255 : static_cast<int32_t>(random.integer(0, classes));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x)
      truth.ids[y * width + x] = fields[y / 80 * (width / 80 + 1) + x / 80];
  }
  return truth;
}

/// The fused step against LibTorch's upsampling, argmax and bincount, one thread each.
void bench_fused(BenchReport& report, int rounds, int64_t classes, int64_t height, int64_t width,
                 bool noise) {
  const auto scores = synthetic_scores(classes, noise);
  const LabelMap truth = synthetic_labels(classes, height, width);
  LabelMap labels;
  const double fused = median_time(rounds, [&] {
    labels = argmax_upsampled(scores.const_data_ptr<float>(), static_cast<int>(classes), 64, 64,
                              height, width, 1);
    Confusion(static_cast<int>(classes)).add(labels, truth, 255);
  });
  const auto true_ids = torch::tensor(truth.ids, torch::kInt64).clamp_max(classes);
  Tensor expected;
  const double plain = median_time(rounds, [&] {
    expected =
        at::upsample_bilinear2d(scores.unsqueeze(0), {height, width}, false)[0].argmax(0).flatten();
    torch::bincount(expected * (classes + 1) + true_ids, {}, (classes + 1) * (classes + 1));
  });
  const double equal = (torch::tensor(labels.ids, torch::kInt64) == expected)
                           .to(torch::kDouble)
                           .mean()
                           .item<double>();
  const std::string key = str(classes, '_', height, 'x', width, noise ? "_noise" : "");
  const std::string what = str(classes, " classes, ", height, "×", width,
                               noise ? ", scores without any smoothness" : "");
  report.add("fused_" + key, fused * 1e3, "ms",
             what + ": upsampling, argmax and confusion in one step");
  report.add("plain_" + key, plain * 1e3, "ms", "  LibTorch's upsampling, argmax and bincount");
  report.add("ratio_" + key, plain / fused, "times", "  faster");
  report.add("equal_" + key, 100 * equal, "%", "  labels that are equal");
}

/// A set of synthetic images in ADE's size.
DatasetInfo make_set(const fs::path& folder, int64_t images) {
  DatasetInfo info;
  info.name = "synthetic";
  info.images = {folder / "images"};
  info.labels = {{.path = folder / "labels"}};
  for (int c = 0; c < 150; ++c) info.names.push_back(str("class ", c));
  fs::create_directories(info.images[0]);
  fs::create_directories(info.labels[0].path);
  Random random(1);
  for (int64_t i = 0; i < images; ++i) {
    Image image(480, 640, 3);
    for (auto& value : image.pixels) value = static_cast<uint8_t>(random.integer(96, 160));
    write_jpeg(info.images[0] / str(i, ".jpg"), image);
    write_label_png(info.labels[0].path / str(i, ".png"), synthetic_labels(150, 480, 640));
  }
  return info;
}

/// Processes one image after another like the public code: read, resize, encode with all threads
/// per operation, upsample all scores, argmax, count.
void score_plainly(const ClassScorer& scorer, const Config& config, const ClassBank& bank,
                   const SemSegSet& set) {
  auto counts = torch::zeros({151 * 151}, torch::kInt64);
  for (const SemSegItem& item : set.items()) {
    const auto views =
        views_of(read_rgb(item.image), config.input, config.test, config.model.clip_resolution);
    const LabelMap truth = set.labels(item, 150);
    const auto scores = scorer({views}, bank).front();
    const auto labels =
        at::upsample_bilinear2d(scores.unsqueeze(0), {truth.height, truth.width}, false)[0].argmax(
            0);
    const auto true_ids = torch::tensor(truth.ids, torch::kInt64).clamp_max(150);
    counts += torch::bincount(labels.flatten().to(torch::kCPU) * 151 + true_ids, {}, 151 * 151);
  }
}

void bench_images(BenchReport& report, const EvalBench& bench) {
  const ScratchFolder scratch;
  const DatasetInfo info = make_set(scratch.path(), bench.images);
  Config config = load_config("", {"INPUT.MIN_SIZE_TEST", "640", "INPUT.MAX_SIZE_TEST", "2560",
                                   "INPUT.FORMAT", "RGB", "MODEL.DEVICE", bench.device});
  runtime::set_up_gpu_math(config.float32_precision, config.cudnn_benchmark);
  const torch::Device device = runtime::pick_device(config.model.device);
  set_current_device(device);
  const SeededInit seeded(0);
  PixelCLIP model(config.model,
                  ClipArchitecture{.vit = VitOptions(), .convnext = {}, .text = TextOptions()});
  model->eval();
  model->to(device);
  const auto classes = torch::randn({150, 512});
  const auto bank = one_row_a_class((classes / classes.norm(2, -1, true)).to(device));
  const auto images = static_cast<double>(bench.images);
  const int rounds = std::max(1, bench.rounds / 2);
  const SemSegSet set(info);
  std::mutex gpu;
  const TorchThreads threads(available_cores());
  const double plain =
      images / median_time(rounds, [&] {
        score_plainly(ClassScorer(model, config.model, config.test), config, bank, set);
      });
  report.add("plain", plain, "images/s",
             str("ViT-B/16, 320×320, 150 classes: one image after the other in LibTorch"));
  for (const FloatType type : {FloatType::float32, FloatType::bfloat16}) {
    config.model.precision = type;
    const std::string precision = to_string(type);
    const ClassScorer scorer(model, config.model, config.test);
    const BatchScoreFunction scores = [&](const std::vector<Image>& images) {
      std::vector<std::vector<View>> views;
      for (const Image& image : images)
        views.push_back(views_of(image, config.input, config.test, config.model.clip_resolution));
      std::unique_lock lock(gpu, std::defer_lock);
      if (device.is_cuda()) lock.lock();
      return scorer(views, bank);
    };
    EvaluateOptions options;
    options.predictions = scratch.path() / "out";
    options.batch = device.is_cpu() ? 1 : 8;
    const double rate = images / median_time(rounds, [&] { evaluate(info, scores, options); });
    report.add(precision, rate, "images/s",
               str("  evaluation in ", precision, ", predictions and boundary scores included"));
    report.add(str("ratio_", precision), rate / plain, "times", "  faster");
  }
}

void run(const EvalBench& bench) {
  BenchReport report("eval");
  const TorchThreads threads(1);
  for (const bool noise : {false, true}) {
    bench_fused(report, bench.rounds, 150, 480, 640, noise);
    bench_fused(report, bench.rounds, 171, 480, 640, noise);
    bench_fused(report, bench.rounds, 19, 1024, 2048, noise);
  }
  if (bench.images > 0) bench_images(report, bench);
  report.publish(bench.json);
}

}  // namespace

void add_bench_eval(CLI::App& bench) {
  auto* command =
      bench.add_subcommand("eval", "Segmenting and scoring against LibTorch's plain operations");
  auto options = std::make_shared<EvalBench>();
  command
      ->add_option("--images,--pictures", options->images,
                   "images scored from end to end, 0: none (default 8)")
      ->check(CLI::Range(0, 100000));
  command->add_option("--rounds", options->rounds, "rounds, the median counts (default 5)")
      ->check(CLI::Range(1, 1000));
  command->add_option("--device", options->device, "cpu, cuda or cuda:N (default cpu)");
  command->add_option("--json", options->json, "write the figures to this file, - to print them");
  const auto output = add_quiet_flag(*command);
  command->callback([options, output] { run(*options); });
}

}  // namespace pixelclip::cli
