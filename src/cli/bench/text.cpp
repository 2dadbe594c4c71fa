#include "cli/bench/text.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "cli/bench/report.hpp"
#include "cli/output.hpp"
#include "config/class_names.hpp"
#include "config/config.hpp"
#include "modeling/prompt_learner.hpp"
#include "nn/functional.hpp"
#include "nn/seeded_init.hpp"
#include "text/bpe_tokenizer.hpp"
#include "text/prompts.hpp"

namespace pixelclip::cli {
namespace {
using torch::Tensor;

struct TextBench {
  std::string names = "datasets/coco.json", templates = "imagenet_select", json;
  int rounds = 3;
};

/// Encodes one class like the public code: its templates as one batch of 77 positions each. [T, C]
Tensor one_class(CLIP& clip, const std::string& name, const std::vector<std::string>& templates) {
  const auto tokens =
      torch::zeros({static_cast<int64_t>(templates.size()), BpeTokenizer::kContext}, torch::kLong);
  for (size_t t = 0; t < templates.size(); ++t) {
    const auto ids = BpeTokenizer::shared().encode(fill_template(templates[t], name));
    std::copy(ids.begin(), ids.end(), tokens[static_cast<int64_t>(t)].data_ptr<int64_t>());
  }
  return l2_normalise(clip->encode_text(tokens));
}

void run(const TextBench& bench) {
  torch::NoGradGuard no_grad;
  const SeededInit seeded(0);
  ClipArchitecture
      architecture;  // the text tower of ViT-B/16; of its image encoder nothing is used
  architecture.vit = VitOptions{.width = 64, .layers = 1};
  CLIP clip(architecture);
  clip->eval();
  auto names = read_class_names(bench.names);
  for (auto& name : names) name = split_synonyms(name).front();
  const auto sentences = templates(bench.templates);
  encode_classes(clip, {names.front()}, sentences);  // warms up

  // Alternate between both, so that other load affects both.
  std::vector<double> batched;
  double alone = 0;
  Tensor ours;
  std::vector<Tensor> theirs;
  for (int round = 0; round < bench.rounds; ++round) {
    Stopwatch watch;
    ours = encode_classes(clip, names, sentences);  // [T, N, C]
    batched.push_back(watch.lap());
    const size_t first = names.size() * round / bench.rounds,
                 end = names.size() * (round + 1) / bench.rounds;
    for (size_t i = first; i < end; ++i) theirs.push_back(one_class(clip, names[i], sentences));
    alone += watch.seconds();
  }
  std::sort(batched.begin(), batched.end());
  const double median = batched[batched.size() / 2];
  const double difference = (ours - torch::stack(theirs, 1)).abs().max().item<double>();
  // MODEL.TEXT_PRECISION, on a few names: not every processor has fast instructions for it.
  const std::vector<std::string> few(names.begin(),
                                     names.begin() + std::min<size_t>(names.size(), 20));
  const auto embedded = [&](const Tensor& classes) { return l2_normalise(classes.mean(0)); };
  const auto exact = embedded(encode_classes(clip, few, sentences));
  const auto rounded =
      embedded(encode_classes(*float16_text_encoder(*clip), false, few, sentences));

  BenchReport report("text");
  const double texts = static_cast<double>(names.size() * sentences.size());
  report.add("texts", texts, "",
             pixelclip::str(names.size(), " names × ", sentences.size(), " templates, float32"));
  report.add("alone", alone, "s", "one class at a time, 77 positions");
  report.add("batched", median, "s",
             pixelclip::str("batches cut to length, shared beginnings; median of ", bench.rounds));
  report.add("rate", texts / median, "texts/s", "batched");
  report.add("ratio", alone / median, "", "times faster");
  report.add("difference", difference, "", "largest between the two (normalised embeddings)");
  report.add("float16_difference", (rounded - exact).abs().max().item<double>(), "",
             pixelclip::str("largest of MODEL.TEXT_PRECISION float16, ", few.size(), " names"));
  report.add("float16_angle", (rounded - exact).norm(2, 1).max().item<double>(), "",
             "largest angle to float32's, radians");
  report.publish(bench.json);
  if (!(difference <= 1e-5))
    fail("batched and single embeddings differ by ", difference, ", more than 1e-5");
}

}  // namespace

void add_bench_text(CLI::App& bench) {
  auto* command =
      bench.add_subcommand("text", "Time to embed class names with the text tower of ViT-B/16");
  auto options = std::make_shared<TextBench>();
  command->add_option("--names", options->names, "JSON list of class names")->capture_default_str();
  command
      ->add_option("--templates", options->templates,
                   "single, imagenet_select, imagenet, vild or a file")
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "rounds, the median counts")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  add_json_file(*command, options->json);
  const auto output = add_quiet_flag(*command);
  command->callback([options, output] { run(*options); });
}

}  // namespace pixelclip::cli
