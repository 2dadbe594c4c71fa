#include "cli/bench/kmeans.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/error.hpp"
#include "base/listing.hpp"
#include "base/stopwatch.hpp"
#include "cli/bench/report.hpp"
#include "cli/output.hpp"
#include "image/codec.hpp"
#include "modeling/dino.hpp"
#include "nn/functional.hpp"
#include "nn/seeded_init.hpp"

namespace pixelclip::cli {
namespace {
namespace fs = std::filesystem;
using torch::Tensor;

struct KMeansBench {
  std::string images, weights, json;
  int count = 20;
  int64_t clusters = 16;
};

/// DINO's ViT-S/16 with random values.
StateDict random_dino() {
  constexpr int64_t kWidth = 384, kLayers = 12;
  const auto drawn = [](std::vector<int64_t> shape) { return 0.05 * torch::randn(shape); };
  StateDict weights{{"cls_token", drawn({1, 1, kWidth})},
                    {"pos_embed", drawn({1, 197, kWidth})},
                    {"patch_embed.proj.weight", drawn({kWidth, 3, 16, 16})},
                    {"patch_embed.proj.bias", drawn({kWidth})}};
  const auto norm = [&](const std::string& name) {
    weights[name + ".weight"] = torch::ones({kWidth});
    weights[name + ".bias"] = torch::zeros({kWidth});
  };
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    weights[name + ".weight"] = drawn({out, in});
    weights[name + ".bias"] = torch::zeros({out});
  };
  norm("norm");
  for (int64_t i = 0; i < kLayers; ++i) {
    const auto block = str("blocks.", i, ".");
    norm(block + "norm1");
    norm(block + "norm2");
    linear(block + "attn.qkv", 3 * kWidth, kWidth);
    linear(block + "attn.proj", kWidth, kWidth);
    linear(block + "mlp.fc1", 4 * kWidth, kWidth);
    linear(block + "mlp.fc2", kWidth, 4 * kWidth);
  }
  return weights;
}

std::vector<fs::path> first_images(const fs::path& folder, size_t count) {
  std::vector<fs::path> images;
  for (auto& file : list_files_below(folder).files) {
    if (file.extension() == ".jpg") images.push_back(std::move(file));
  }
  if (images.empty()) fail(folder.string(), ": there is no .jpg below it");
  images.resize(std::min(images.size(), count));
  return images;
}

/// Totals of one k-means variant over all images.
struct ClusterTally {
  double seconds = 0, left = 0, used = 0;

  void add(const Tensor& features, const Tensor& clusters, int64_t count) {  // [1, N, C], [1, N]
    const auto x = features[0];
    const auto members = torch::one_hot(clusters[0], count).to(torch::kFloat);
    const auto sizes = members.sum(0).unsqueeze(1);
    const auto means = members.t().matmul(x) / sizes.clamp_min(1);
    left +=
        ((x - means.index_select(0, clusters[0])).square().sum() / (x - x.mean(0)).square().sum())
            .item<double>();
    used += sizes.gt(0).sum().item<double>();
  }
};

void run(const KMeansBench& bench) {
  torch::NoGradGuard no_grad;
  const SeededInit seeded(0);
  Dino dino(bench.weights.empty() ? random_dino() : read_state_dict(bench.weights),
            bench.weights.empty() ? "random weights" : bench.weights);
  const ModelConfig config;
  const auto mean = torch::tensor(config.pixel_mean, torch::kFloat).view({3, 1, 1});
  const auto deviation = torch::tensor(config.pixel_std, torch::kFloat).view({3, 1, 1});
  const auto images = first_images(bench.images, static_cast<size_t>(bench.count));
  ClusterTally random, plusplus;
  double patches = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    Image image = read_rgb(images[i]);
    const auto pixels =
        torch::from_blob(image.pixels.data(), {image.height, image.width, 3}, torch::kUInt8);
    const auto x = ((pixels.permute({2, 0, 1}).to(torch::kFloat) - mean) / deviation).unsqueeze(0);
    const int64_t patch = dino->patch();
    const auto features =
        dino(resize_bilinear(x, image.height / patch * patch, image.width / patch * patch));
    patches += static_cast<double>(features.size(1));
    const std::vector<uint64_t> seeds = {i};
    Stopwatch watch;
    const auto by_random = kmeans_random(features, bench.clusters, seeds);
    random.seconds += watch.lap();
    const auto by_plusplus = kmeans_plusplus(features, bench.clusters, /*seed=*/0);
    plusplus.seconds += watch.lap();
    random.add(features, by_random, bench.clusters);
    plusplus.add(features, by_plusplus, bench.clusters);
  }
  BenchReport report("kmeans");
  const double each = 1.0 / static_cast<double>(images.size());
  report.add("patches", patches * each, "", str("an image, of ", images.size(), " images"));
  for (const auto& [name, tally] :
       {std::pair<std::string, ClusterTally>("random", random), {"plusplus", plusplus}}) {
    report.add(name + "_time", tally.seconds * each * 1e3, "ms", "an image, k-means alone");
    report.add(name + "_left", tally.left * each, "",
               "of the features' variance is inside the clusters");
    report.add(name + "_used", tally.used * each, "",
               str("clusters with a patch, of ", bench.clusters));
  }
  report.publish(bench.json);
}

}  // namespace

void add_bench_kmeans(CLI::App& bench) {
  auto* command =
      bench.add_subcommand("kmeans", "MODEL.DINO_KMEANS: time and quality of both kinds on images");
  auto options = std::make_shared<KMeansBench>();
  command->add_option("--images,--pictures", options->images, "folder of JPEGs")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--weights", options->weights, "DINO ViT-S/16; none: random values")
      ->check(CLI::ExistingFile);
  command->add_option("--count", options->count, "images")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--clusters", options->clusters, "an image")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  add_json_file(*command, options->json);
  const auto output = add_quiet_flag(*command);
  command->callback([options, output] { run(*options); });
}

}  // namespace pixelclip::cli
