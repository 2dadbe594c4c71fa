#include "cli/bench/loader.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/stopwatch.hpp"
#include "cli/bench/report.hpp"
#include "cli/bench/scratch_folder.hpp"
#include "cli/bench/synthetic_samples.hpp"
#include "cli/output.hpp"
#include "cli/overrides.hpp"
#include "config/config.hpp"
#include "data/mapper.hpp"
#include "data/train_set.hpp"
#include "image/codec.hpp"

namespace pixelclip::cli {
namespace {

struct LoaderBench {
  std::string config_file;
  std::vector<std::string> overrides;
  int64_t samples = 64;
  int rounds = 5;
  std::string json, made;
};

/// Writes synthetic samples of the size "HEIGHTxWIDTH" to `root`.
void make_samples_of_size(const std::filesystem::path& root, const std::string& size) {
  constexpr int64_t kSamples = 16;
  const size_t cross = size.find('x');
  const int64_t height = std::atoll(size.c_str());
  const int64_t width = cross == std::string::npos ? 0 : std::atoll(size.c_str() + cross + 1);
  if (height < 1 || width < 1 || height > 16384 || width > 16384) {
    fail("--made is ", size, "; expected HEIGHTxWIDTH in pixels, for example 1500x2250");
  }
  make_samples(root, kSamples, height, width);
}

/// One pass over the samples: seconds to decode the whole files and to make the samples.
struct Round {
  double decode = 0, make = 0;
  MapperTimes parts;
};

Round one_thread(const Sa1bIndex& index, const Sa1bMapper& mapper, int64_t samples, int round) {
  Round out;
  std::vector<uint8_t> file;
  for (int64_t i = 0; i < samples; ++i) {
    const Sa1bSample sample = index[i % index.size()];
    Stopwatch watch;
    sample.read_image(file);
    decode_rgb(file, sample.image);
    out.decode += watch.lap();
    mapper(sample, Random(0, static_cast<uint64_t>(round), static_cast<uint64_t>(i)), &out.parts);
    out.make += watch.lap();
  }
  return out;
}

/// The round with the median time.
Round median_round(const Sa1bIndex& index, const Sa1bMapper& mapper, const LoaderBench& bench) {
  one_thread(index, mapper, std::min<int64_t>(bench.samples, 8), 0);  // warms caches and memory up
  std::vector<Round> rounds;
  for (int r = 0; r < bench.rounds; ++r) {
    rounds.push_back(one_thread(index, mapper, bench.samples, r));
  }
  const auto middle = rounds.begin() + static_cast<int64_t>(rounds.size() / 2);
  std::nth_element(rounds.begin(), middle, rounds.end(),
                   [](const Round& a, const Round& b) { return a.make < b.make; });
  return *middle;
}

/// Samples per second of the loader.
double rate(Config config, int workers, int64_t samples) {
  config.dataloader.num_workers = workers;
  config.solver.ims_per_batch = 8;
  const auto loader =
      make_train_loader(config.datasets, config.input, config.model,
                        loader_options(config.dataloader, config.solver), /*seed=*/0);
  loader->next();
  const Stopwatch watch;
  const int64_t batches = std::max<int64_t>(1, samples / 8);
  for (int64_t b = 0; b < batches; ++b) loader->next();
  return static_cast<double>(batches * 8) / watch.seconds();
}

void run(const LoaderBench& bench) {
  Config config = load_config(bench.config_file, bench.overrides);
  log_passed_over(config);
  const ScratchFolder synthetic;
  if (!bench.made.empty()) {
    make_samples_of_size(synthetic.path(), bench.made);
    config.datasets.sam_root = synthetic.path().string();
  }
  const Sa1bIndex index = open_training_set(config.datasets, !config.model.dino);
  const Sa1bMapper mapper(config.input, config.model, config.datasets.exif_orientation);
  const Round round = median_round(index, mapper, bench);
  const double each = 1e3 / static_cast<double>(bench.samples);

  BenchReport report("loader");
  const auto part = [&](const char* key, double seconds, const char* meaning) {
    report.add(key, seconds * each, "ms", meaning);
  };
  part("decode_full", round.decode, "libjpeg-turbo decodes the whole file, one thread");
  part("sample", round.make, "one sample, one thread; of it:");
  part("read", round.parts.read, "  open the file, read its header");
  part("annotations", round.parts.annotations, "  read the masks into runs");
  part("decode", round.parts.decode, "  decode what the crop needs");
  part("resize", round.parts.resize, "  resize the crop");
  part("tensors", round.parts.tensors, "  memory of the tensors, padding");
  part("augment", round.parts.augment, "  SSD jitter and strong view, into the tensors");
  part("masks", round.parts.masks, "  sample the masks to bits");
  report.add("ratio", round.make / round.decode, "", "sample / full decoding");
  const int cores = available_cores();
  const double single = rate(config, 1, bench.samples * 2);
  const double all = rate(config, cores, bench.samples * 2 * cores);
  report.add("rate_1", single, "samples/s", "loader with 1 worker");
  report.add("rate_all", all, "samples/s", str("loader with ", cores, " workers"));
  report.add("scaling", all / single / cores, "", "of linear growth with the workers");
  report.publish(bench.json);
}

}  // namespace

void add_bench_loader(CLI::App& bench) {
  auto* command = bench.add_subcommand("loader", "Time to make training samples, by part");
  auto options = std::make_shared<LoaderBench>();
  command->add_option("--config-file,--config", options->config_file, "YAML file")->required();
  command->add_option("--samples", options->samples, "samples a round (default 64)")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--rounds", options->rounds, "rounds, the median counts (default 5)")
      ->check(CLI::Range(1, 1000));
  add_json_file(*command, options->json);
  const auto output = add_quiet_flag(*command);
  command->add_option(
      "--made", options->made,
      "HEIGHTxWIDTH: make samples of that size, for example 1500x2250, in place of DATASETS.TRAIN");
  add_overrides(*command, options->overrides);
  command->callback([options, output] { run(*options); });
}

}  // namespace pixelclip::cli
