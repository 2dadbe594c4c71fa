#include "cli/bench/eval.hpp"

#include <malloc.h>
#include <torch/utils.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

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
#include "nn/device_thread.hpp"
#include "nn/seeded_init.hpp"
#include "nn/torch_threads.hpp"

namespace pixelclip::cli {
namespace {

namespace fs = std::filesystem;
using torch::Tensor;

struct EvalBench {
  int64_t images = 8;
  int rounds = 5;
  bool published_sets = false;
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

/// Resident memory in MiB: now ("VmRSS") or at most so far ("VmHWM").
double memory(const std::string& what) {
  std::ifstream lines("/proc/self/status");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(what + ":")) return std::stod(line.substr(what.size() + 1)) / 1024;
  }
  return 0;
}

/// The memory in MiB that `work` takes at most beyond what is taken before it.
double memory_of(const std::function<void()>& work) {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5;  // resets VmHWM
  const double before = memory("VmRSS");
  work();
  return memory("VmHWM") - before;
}

/// The fused step against LibTorch's upsampling, argmax and bincount, one thread each.
void bench_fused(BenchReport& report, int rounds, int64_t classes, int64_t height, int64_t width,
                 bool noise) {
  const auto scores = synthetic_scores(classes, noise);
  const LabelMap truth = synthetic_labels(classes, height, width);
  LabelMap labels;
  const auto fused_step = [&] {
    labels = argmax_upsampled(scores.const_data_ptr<float>(), static_cast<int>(classes), 64, 64,
                              height, width, 1);
    Confusion(static_cast<int>(classes)).add(labels, truth, 255);
  };
  const auto true_ids = torch::tensor(truth.ids, torch::kInt64).clamp_max(classes);
  Tensor expected;
  const auto plain_step = [&] {
    expected =
        at::upsample_bilinear2d(scores.unsqueeze(0), {height, width}, false)[0].argmax(0).flatten();
    torch::bincount(expected * (classes + 1) + true_ids, {}, (classes + 1) * (classes + 1));
  };
  const double fused_memory = memory_of(fused_step), plain_memory = memory_of(plain_step);
  const double fused = median_time(rounds, fused_step), plain = median_time(rounds, plain_step);
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
  report.add("fused_memory_" + key, fused_memory, "MiB", "  memory of the fused step");
  report.add("plain_memory_" + key, plain_memory, "MiB", "  memory of LibTorch's operations");
  report.add("equal_" + key, 100 * equal, "%", "  labels that are equal");
}

/// Classes and image size of a test set.
struct SetShape {
  const char* name;
  int64_t classes, height, width;
};
/// Images of these sets differ in size; these sizes are common or the mean.
constexpr SetShape kPublishedSets[] = {{"coco_stuff", 171, 480, 640},
                                       {"ade20k", 150, 512, 683},
                                       {"context", 59, 375, 500},
                                       {"cityscapes", 19, 1024, 2048},
                                       {"voc", 20, 375, 500}};

/// A set of synthetic images.
DatasetInfo make_set(const fs::path& folder, int64_t images, const SetShape& shape) {
  DatasetInfo info;
  info.name = "synthetic";
  info.images = {folder / "images"};
  info.labels = {{.path = folder / "labels"}};
  for (int64_t c = 0; c < shape.classes; ++c) info.names.push_back(str("class ", c));
  fs::create_directories(info.images[0]);
  fs::create_directories(info.labels[0].path);
  Random random(1);
  for (int64_t i = 0; i < images; ++i) {
    Image image(shape.height, shape.width, 3);
    for (auto& value : image.pixels) value = static_cast<uint8_t>(random.integer(96, 160));
    write_jpeg(info.images[0] / str(i, ".jpg"), image);
    write_label_png(info.labels[0].path / str(i, ".png"),
                    synthetic_labels(shape.classes, shape.height, shape.width));
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

/// A ViT-B/16 of random weights that scores synthetic sets.
class ScoringBench {
 public:
  ScoringBench(const EvalBench& bench, const SetShape& shape)
      : images_(static_cast<double>(bench.images)),
        rounds_(std::max(1, bench.rounds / 2)),
        config_(load_config("", {"INPUT.MIN_SIZE_TEST", "640", "INPUT.MAX_SIZE_TEST", "2560",
                                 "INPUT.FORMAT", "RGB", "MODEL.DEVICE", bench.device})),
        info_(make_set(scratch_.path(), bench.images, shape)) {
    runtime::set_up_gpu_math(config_.float32_precision, config_.cudnn_benchmark,
                             config_.deterministic);
    device_ = runtime::pick_device(config_.model.device);
    set_current_device(device_);
    const SeededInit seeded(0);
    model_ =
        PixelCLIP(config_.model,
                  ClipArchitecture{.vit = VitOptions(), .convnext = {}, .text = TextOptions()});
    model_->eval();
    model_->to(device_);
    const auto classes = torch::randn({shape.classes, 512});
    bank_ = one_row_a_class((classes / classes.norm(2, -1, true)).to(device_));
  }

  /// Images a second, one after the other in LibTorch.
  double plain_rate() {
    const SemSegSet set(info_);
    return images_ / median_time(rounds_, [&] {
             score_plainly(ClassScorer(model_, config_.model, config_.test), config_, bank_, set);
           });
  }

  /// Images a second of the program's evaluation.
  double rate(FloatType precision) {
    config_.model.precision = precision;
    const ClassScorer scorer(model_, config_.model, config_.test);
    DeviceThread thread(device_);
    const BatchScoreFunction scores = [&](const std::vector<Image>& images) {
      auto views =
          views_of(images, config_.input, config_.test, config_.model.clip_resolution, device_);
      std::vector<Tensor> scored;
      thread.run([&] { scored = scorer(upload(std::move(views), device_), bank_); });
      return scored;
    };
    EvaluateOptions options;
    options.predictions = scratch_.path() / "out";
    options.batch = device_.is_cpu() ? 1 : 8;
    return images_ / median_time(rounds_, [&] { evaluate(info_, scores, options); });
  }

 private:
  const double images_;
  const int rounds_;
  Config config_;
  const ScratchFolder scratch_;
  const DatasetInfo info_;
  torch::Device device_ = torch::kCPU;
  PixelCLIP model_{nullptr};
  ClassBank bank_;
};

constexpr FloatType kPrecisions[] = {FloatType::float32, FloatType::bfloat16};

void bench_images(BenchReport& report, const EvalBench& bench) {
  const TorchThreads threads(available_cores());
  ScoringBench scoring(bench, {"", 150, 480, 640});
  const double plain = scoring.plain_rate();
  report.add("plain", plain, "images/s",
             str("ViT-B/16, 320×320, 150 classes: one image after the other in LibTorch"));
  for (const FloatType type : kPrecisions) {
    const std::string precision = to_string(type);
    const double rate = scoring.rate(type);
    report.add(precision, rate, "images/s",
               str("  evaluation in ", precision, ", predictions and boundary scores included"));
    report.add(str("ratio_", precision), rate / plain, "times", "  faster");
  }
}

void bench_published_sets(BenchReport& report, const EvalBench& bench) {
  const TorchThreads threads(available_cores());
  for (const SetShape& shape : kPublishedSets) {
    ScoringBench scoring(bench, shape);
    for (const FloatType type : kPrecisions) {
      report.add(str(shape.name, "_", to_string(type)), scoring.rate(type), "images/s",
                 str(shape.classes, " classes, ", shape.height, "×", shape.width, ", ViT-B/16 in ",
                     to_string(type)));
    }
  }
}

void run(const EvalBench& bench) {
  BenchReport report("eval");
  if (bench.published_sets) {
    bench_published_sets(report, bench);
    report.publish(bench.json);
    return;
  }
  const TorchThreads threads(1);
  for (const bool noise : {false, true}) {
    bench_fused(report, bench.rounds, 150, 480, 640, noise);
    bench_fused(report, bench.rounds, 171, 480, 640, noise);
    bench_fused(report, bench.rounds, 459, 480, 640, noise);
    bench_fused(report, bench.rounds, 847, 480, 640, noise);
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
  command->add_flag("--published-sets", options->published_sets,
                    "only score images from end to end, in the sizes and with the classes of the "
                    "five published test sets");
  command->add_option("--device", options->device, "cpu, cuda or cuda:N (default cpu)");
  add_json_file(*command, options->json);
  const auto output = add_quiet_flag(*command);
  command->callback([options, output] { run(*options); });
}

}  // namespace pixelclip::cli
