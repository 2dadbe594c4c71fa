#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "rehearsal/steps.hpp"

namespace pixelclip::fake_cuda {
namespace {

void print(const char* what, int64_t images, const Counts& counts) {
  std::printf("| %s | %ld | %ld | %ld | %ld | %ld (%ld) | %ld (%ld) | %ld |\n", what, images,
              counts.operations, counts.synchronisations, counts.reads, counts.to_device,
              counts.blocking_to_device, counts.to_host, counts.blocking_to_host,
              counts.allocations);
  std::fflush(stdout);
}

void print_most_frequent(const Counts& counts) {
  std::vector<std::pair<int64_t, std::string>> names;
  for (const auto& [name, count] : counts.by_name) names.emplace_back(count, name);
  std::sort(names.rbegin(), names.rend());
  for (size_t i = 0; i < std::min<size_t>(names.size(), 60); ++i)
    std::printf("  %5ld %s\n", names[i].first, names[i].second.c_str());
}

/// A Markdown table of what training steps and scoring ask of a GPU: counts, not times.
void report(bool names) {
  std::printf(
      "| step of | images | operations | synchronisations | reads | copies to the device "
      "(blocking) | copies to the host (blocking) | allocations "
      "|\n|---|---|---|---|---|---|---|---|\n");
  for (const bool convnext : {false, true}) {
    for (const auto precision : {FloatType::float32, FloatType::bfloat16, FloatType::float16}) {
      auto settings = convnext ? convnext_base(/*narrow=*/false) : vit_base(/*narrow=*/false);
      settings.precision = precision;
      Steps steps(settings);
      steps.run(2, 20);
      const std::string what =
          std::string(convnext ? "ConvNeXt-B, " : "ViT-B/16, ") + to_string(precision);
      for (const int64_t images : {2, 12}) {
        const auto counts = steps.run(images, 20);
        print(what.c_str(), images, counts);
        if (names && images == 2) print_most_frequent(counts);
      }
      print((what + ": text encoder, forward").c_str(), 0, steps.run_prompts());
      print((what + ": image encoder, forward").c_str(), 2, steps.run_teacher(2));
    }
    const auto settings = convnext ? convnext_base(/*narrow=*/false) : vit_base(/*narrow=*/false);
    print(convnext ? "ConvNeXt-B, scoring" : "ViT-B/16, scoring", 8, score_batch(settings, 8));
  }
}

}  // namespace
}  // namespace pixelclip::fake_cuda

/// Besides running the tests, this program counts: --report [names].
int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--report") == 0) {
    pixelclip::fake_cuda::report(argc > 2);
    return 0;
  }
  setenv("PIXELCLIP_TEST_DEVICE", "cuda", /*overwrite=*/1);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
