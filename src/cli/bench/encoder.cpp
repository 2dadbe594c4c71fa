#include "cli/bench/encoder.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "cli/bench/report.hpp"
#include "cli/output.hpp"
#include "clip/clip.hpp"
#include "clip/dense_encoder.hpp"
#include "nn/autocast.hpp"
#include "nn/linear.hpp"
#include "nn/seeded_init.hpp"

namespace pixelclip::cli {
namespace {
using torch::Tensor;

struct EncoderBench {
  std::vector<std::string> backbones = {"vit", "convnext"}, precisions = {"float32", "bfloat16"},
                           methods = {};
  int64_t batch = 1;
  int rounds = 5;
  std::string json;
};

/// `count` products [m, k] × [k, n], each batched `batches` times.
struct Product {
  int64_t count, m, k, n, batches = 1;
  double work() const { return 2.0 * count * batches * m * k * n; }
};

/// All matrix products of the dense output of `batch` images.
std::vector<Product> products_of(const VitOptions& vit, int64_t side, int64_t batch) {
  const int64_t w = vit.width, patches = side / vit.patch * (side / vit.patch),
                tokens = patches + 1;
  const int64_t all = batch * tokens, kept = batch * patches, blocks = vit.layers - 1,
                heads = w / 64;
  return {{1, kept, 3 * vit.patch * vit.patch, w},
          {blocks, all, w, 3 * w},
          {blocks, tokens, 64, tokens, batch * heads},
          {blocks, tokens, tokens, 64, batch * heads},
          {blocks, all, w, w},
          {blocks, all, w, 4 * w},
          {blocks, all, 4 * w, w},
          {2, kept, w, w},
          {1, kept, w, 4 * w},
          {1, kept, 4 * w, w},  // the last block: no queries, no keys
          {1, kept, w, vit.embedding}};
}

/// Excludes the depthwise convolutions, which are not matrix products.
std::vector<Product> products_of(const ConvNextOptions& convnext, int64_t side, int64_t batch) {
  std::vector<Product> products;
  int64_t previous = 12;  // 3 channels of 4×4 pixels are 4·12
  for (size_t s = 0; s < 4; ++s) {
    const int64_t cell = int64_t{4} << s, rows = batch * (side / cell) * (side / cell),
                  w = convnext.widths[s];
    products.push_back({1, rows, 4 * previous, w});
    products.push_back({convnext.depths[s], rows, w, 4 * w});
    products.push_back({convnext.depths[s], rows, 4 * w, w});
    previous = w;
    if (s == 3) products.push_back({1, rows, w, convnext.embedding});
  }
  return products;
}

/// One product with its operands, ready to be timed.
struct Operands {
  Operands(const Product& p, torch::ScalarType type)
      : a(torch::randn({p.batches, p.m, p.k}).to(type)),
        b(torch::randn({p.batches, p.n, p.k}).to(type)) {}
  double seconds() {
    const Stopwatch watch;
    a.size(0) == 1 ? linear(a[0], b[0], Tensor()) : at::bmm(a, b.transpose(1, 2));
    return watch.seconds();
  }
  Tensor a, b;
};

struct Times {
  double encoder, products,
      peak;  // seconds a batch, seconds of its products alone, operations a second
};

/// The best of several rounds that alternate between encoder and products, since other load only
/// adds time.
Times measure(ImageEncoder& encoder, const Tensor& images, const std::vector<Product>& products,
              torch::ScalarType type, int rounds) {
  const Product square{1, 2048, 2048, 2048};
  Operands large(square, type);
  std::vector<Operands> operands;
  for (const auto& product : products) operands.emplace_back(product, type);
  constexpr double kNever = std::numeric_limits<double>::infinity();
  double best = kNever, best_square = kNever;
  std::vector<double> best_product(products.size(), kNever);
  for (int round = 0; round <= rounds; ++round) {  // round 0 warms up
    const Stopwatch watch;
    {
      const Autocast autocast(torch::kCPU,
                              type == torch::kFloat ? std::nullopt : std::optional(type));
      encoder->dense(images);
    }
    const double seconds = watch.seconds();
    if (round > 0) best = std::min(best, seconds);
    for (size_t i = 0; i < products.size(); ++i)
      best_product[i] = std::min(best_product[i], operands[i].seconds());
    best_square = std::min(best_square, large.seconds());
  }
  double sum = 0;
  for (size_t i = 0; i < products.size(); ++i) sum += products[i].count * best_product[i];
  return {best, sum, square.work() / best_square};
}

/// Times of dense methods over the default's. Each is timed between two runs of the default, so
/// that a load that changes meets both alike; the median of the rounds counts.
void run_methods(const EncoderBench& bench, BenchReport& report) {
  constexpr int64_t kSide = 320, kHelperGrid = kSide / 8;  // as DINO ViT-B/8's
  const VitOptions vit;
  auto encoder = std::make_shared<VisionTransformerImpl>(vit);
  encoder->eval();
  const auto images = torch::randn({bench.batch, 3, kSide, kSide});
  const auto helper = torch::randn({bench.batch, 768, kHelperGrid, kHelperGrid});
  const auto seconds = [&](const DenseOptions& options) {
    const Stopwatch watch;
    encoder->dense_by(images, {options}, helper);
    return watch.seconds();
  };
  for (const auto& name : bench.methods) {
    const DenseOptions method{.method = dense_method(name)};
    std::vector<double> ratios;
    seconds(method);  // warms up
    double before = seconds({});
    for (int round = 0; round < bench.rounds; ++round) {
      const double own = seconds(method), after = seconds({});
      ratios.push_back(own / std::sqrt(before * after));
      before = after;
    }
    std::sort(ratios.begin(), ratios.end());
    const auto quantile = [&](double share) {
      return ratios[static_cast<size_t>(share * static_cast<double>(ratios.size() - 1) + 0.5)];
    };
    report.add(pixelclip::str("vit_", name), quantile(0.5), "",
               pixelclip::str(name, ": time over pixelclip's, ViT-B/16 at 320×320, float32"));
    report.add(pixelclip::str("vit_", name, "_low"), quantile(0.25), "", "  lower quartile");
    report.add(pixelclip::str("vit_", name, "_high"), quantile(0.75), "", "  upper quartile");
  }
}

void run(const EncoderBench& bench) {
  torch::NoGradGuard no_grad;
  const SeededInit seeded(0);
  BenchReport report("encoder");
  if (!bench.methods.empty()) {
    run_methods(bench, report);
    report.publish(bench.json);
    return;
  }
  for (const auto& backbone : bench.backbones) {
    ClipArchitecture architecture;
    const bool vit = backbone == "vit";
    const int64_t side = vit ? 320 : 640;  // CLIP_RESOLUTION of the two public configurations
    if (vit) architecture.vit.emplace();
    if (!vit) architecture.convnext.emplace();
    const auto products = vit ? products_of(*architecture.vit, side, bench.batch)
                              : products_of(*architecture.convnext, side, bench.batch);
    double work = 0;
    for (const auto& product : products) work += product.work();
    const auto images = torch::randn({bench.batch, 3, side, side});
    for (const auto& precision : bench.precisions) {
      const auto type = autocast_type(precision).value_or(torch::kFloat);
      auto encoder = make_image_encoder(architecture);
      encoder->eval();
      if (type == torch::kBFloat16) keep_matrices_in_bfloat16(*encoder);
      const auto times = measure(encoder, images, products, type, bench.rounds);
      const auto add = [&](const char* key, double value, const char* unit,
                           const std::string& meaning) {
        report.add(pixelclip::str(backbone, "_", precision, "_", key), value, unit, meaning);
      };
      add("rate", bench.batch / times.encoder, "images/s",
          pixelclip::str(vit ? "ViT-B/16" : "ConvNeXt-B", " at ", side, "×", side, ", ", precision,
                         ", batches of ", bench.batch));
      add("bound", times.products / times.encoder, "",
          "  share of the time that its matrix products alone take");
      add("peak", work / times.encoder / times.peak, "",
          pixelclip::str("  share of the matmul peak of ", static_cast<int64_t>(times.peak / 1e9),
                         " GFLOP/s"));
    }
  }
  report.publish(bench.json);
}

}  // namespace

void add_bench_encoder(CLI::App& bench) {
  auto* command =
      bench.add_subcommand("encoder", "Images a second of the image encoders on the CPU");
  auto options = std::make_shared<EncoderBench>();
  command->add_option("--backbone", options->backbones, "vit, convnext (default both)")
      ->check(CLI::IsMember({"vit", "convnext"}));
  command->add_option("--precision", options->precisions, "float32, bfloat16 (default both)")
      ->check(CLI::IsMember({"float32", "bfloat16"}));
  command
      ->add_option("--method", options->methods,
                   "compare these dense methods of a ViT with pixelclip, and measure nothing else; "
                   "proxyclip without its helper's own time")
      ->check(CLI::IsMember(all_spellings<DenseMethod>()));
  command->add_option("--batch", options->batch, "images at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--rounds", options->rounds,
                   "rounds; the best counts, or with --method the median")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_json_file(*command, options->json);
  const auto output = add_quiet_flag(*command);
  command->callback([options, output] { run(*options); });
}

}  // namespace pixelclip::cli
