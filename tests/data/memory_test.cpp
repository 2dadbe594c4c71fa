#include <malloc.h>
#include <torch/types.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "data/mapper.hpp"
#include "data/synthetic_sa1b.hpp"
#include "data/train_set.hpp"
#include "support/loading.hpp"

namespace {
std::atomic<int64_t> allocations{0};
}

// Counts what this program allocates through `new`.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace pixelclip {
namespace {

using namespace testing;

Config small_config(const fs::path& root) {
  Config config;
  config.datasets.train = {"sam"};
  config.datasets.sam_root = root.string();
  config.input.min_size_train = {64};
  config.input.color_aug_ssd = config.input.strong_aug = true;
  config.model.mask_resolution = {32, 32};
  config.solver.ims_per_batch = 4;
  config.dataloader.num_workers = 0;
  config.dataloader.aspect_ratio_grouping = false;  // so that no sample waits
  return config;
}

void write_masks(const fs::path& root, const std::string& stem, int64_t count) {
  std::vector<std::vector<uint8_t>> masks;
  for (int64_t m = 0; m < count; ++m) masks.push_back(rectangle(60, 80, {m % 30, m % 20, 30, 30}));
  write_file(root / "annotations/sa_000000" / (stem + ".json"), sa1b_json(60, 80, masks).dump());
}

TEST(Memory, NothingIsAllocatedForAMask) {
  const TempFolder root;
  const std::vector<int64_t> counts = {2, 40, 400};
  for (size_t i = 0; i < counts.size(); ++i) {
    make_sample(root.path(), str("sa_", i), 60, 80, 1);
    write_masks(root.path(), str("sa_", i), counts[i]);
  }
  const Config config = small_config(root.path());
  const Sa1bIndex index = open_training_set(config.datasets);
  const Sa1bMapper mapper = mapper_of(config);
  std::vector<int64_t> used;
  for (int round = 0; round < 2; ++round) {  // the first one fills the working memory
    used.clear();
    for (int64_t i = index.size() - 1; i >= 0; --i) {
      const Sa1bSample sample = index[i];
      const int64_t before = allocations;
      const auto made = mapper(sample, Random(1));
      used.push_back(allocations - before);
      EXPECT_GT(made.mask_bits.size(0), counts[i] / 2);
    }
  }
  // A stable sort takes one buffer for all masks.
  EXPECT_NEAR(static_cast<double>(used[0]), static_cast<double>(used[2]), 2);
  EXPECT_NEAR(static_cast<double>(used[1]), static_cast<double>(used[2]), 2);
}

TEST(Memory, IsConstantFromEpochToEpoch) {
  const TempFolder root;
  for (int i = 0; i < 12; ++i) make_sample(root.path(), str("sa_", i), 60 + 5 * i, 80, i);
  const auto loader = loader_of(small_config(root.path()), 3);
  const auto epochs = [&](int count) {
    for (int b = 0; b < 3 * count; ++b) loader->next();
    return static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd);
  };
  epochs(5);
  const double before = epochs(1);
  EXPECT_NEAR(epochs(10), before, 100e3);
}

}  // namespace
}  // namespace pixelclip
