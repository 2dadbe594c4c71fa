#include "data/train_set.hpp"

#include <atomic>
#include <set>
#include <thread>

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"
#include "support/loading.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace testing;

/// A sample that tells its index and first draw; `masks` of them.
TrainSample told(int64_t index, Random random, int64_t masks = 1) {
  const auto image =
      torch::tensor({index, static_cast<int64_t>(random.next() >> 1)}).view({2, 1, 1});
  TrainSample sample{
      image, {}, torch::zeros({masks, 1, 1}, torch::kUInt8), "sample " + std::to_string(index)};
  sample.annotated = masks > 0;
  return sample;
}

/// Index and draw of each delivered sample.
using Told = std::pair<int64_t, int64_t>;
std::vector<Told> take(TrainLoader& loader, int batches) {
  std::vector<Told> out;
  for (int b = 0; b < batches; ++b) {
    for (const TrainSample& sample : loader.next()) {
      out.emplace_back(sample.image[0].item<int64_t>(), sample.image[1].item<int64_t>());
    }
  }
  return out;
}

TrainSample good(int64_t index, Random random) { return told(index, random); }

/// Every 7th is unreadable, every 5th empty; some take longer than others.
TrainSample uneven(int64_t index, Random random) {
  for (int64_t i = 0; i < 20 * (index % 4); ++i) std::this_thread::yield();
  if (index % 7 == 0) fail("sample ", index, ": broken");
  return told(index, random, index % 5 == 0 ? 0 : 1);
}

TEST(TrainLoader, DeliversTheSameForAnyNumberOfWorkers) {
  std::vector<Told> expected;
  for (const int workers : {0, 1, 4}) {
    TrainLoader loader(uneven, TrainingSampler(40, 5), {.batch_size = 3, .num_workers = workers});
    const auto taken = take(loader, 40);
    if (expected.empty()) expected = taken;
    EXPECT_EQ(taken, expected) << workers << " workers";
    EXPECT_GT(loader.counts().bad, 5);
    EXPECT_GT(loader.counts().empty, 5);
    EXPECT_EQ(loader.counts().delivered, 120);
    for (const auto& [index, draw] : taken) {
      EXPECT_NE(index % 7, 0);
      EXPECT_NE(index % 5, 0);
    }
  }
}

TEST(TrainLoader, EpochsCoverTheSetWithFreshDraws) {
  TrainLoader loader(good, TrainingSampler(12, 1), {.batch_size = 4, .num_workers = 2});
  const auto first = take(loader, 3), second = take(loader, 3);
  std::set<int64_t> indices, draws;
  for (const auto& [index, draw] : first) indices.insert(index), draws.insert(draw);
  EXPECT_EQ(indices.size(), 12u);
  for (const auto& [index, draw] : second) draws.insert(draw);
  EXPECT_EQ(draws.size(), 24u);
}

TEST(TrainLoader, TheGlobalBatchDoesNotDependOnTheNumberOfRanks) {
  TrainLoader alone(uneven, TrainingSampler(40, 5), {.batch_size = 4});
  TrainLoader zero(uneven, TrainingSampler(40, 5), {.batch_size = 2, .rank = 0, .world_size = 2});
  TrainLoader one(uneven, TrainingSampler(40, 5),
                  {.batch_size = 2, .num_workers = 2, .rank = 1, .world_size = 2});
  for (int b = 0; b < 25; ++b) {
    const auto whole = take(alone, 1), even = take(zero, 1), odd = take(one, 1);
    EXPECT_EQ(whole, (std::vector<Told>{even[0], odd[0], even[1], odd[1]}));
  }
  EXPECT_EQ(alone.position(), 100);
  EXPECT_EQ(zero.position(), 100);
}

TEST(TrainLoader, ResumesExactlyFromASavedPosition) {
  TrainLoader whole(uneven, TrainingSampler(40, 5), {.batch_size = 3, .num_workers = 2});
  take(whole, 7);
  const int64_t position = whole.position();
  const auto rest = take(whole, 10);
  TrainLoader resumed(uneven, TrainingSampler(40, 5),
                      {.batch_size = 3, .num_workers = 1, .start = position});
  EXPECT_EQ(take(resumed, 10), rest);
}

bool is_wide(int64_t index) { return index % 3 == 0; }

/// As `uneven`; every third image is wider than high.
TrainSample shaped(int64_t index, Random random) {
  TrainSample sample = uneven(index, random);
  sample.source_size = is_wide(index) ? Size2{3, 4} : Size2{4, index % 2 == 0 ? 4 : 3};
  return sample;
}

TEST(TrainLoader, GroupsBatchesByShapeAsDetectron2Does) {
  // What its two buckets give out of the ungrouped stream.
  TrainLoader plain(shaped, TrainingSampler(40, 5), {.batch_size = 1});
  std::vector<Told> expected;
  std::array<std::vector<Told>, 2> buckets;
  while (expected.size() < 90) {
    const Told sample = take(plain, 1).front();
    auto& bucket = buckets[is_wide(sample.first)];
    bucket.push_back(sample);
    if (bucket.size() < 3) continue;
    expected.insert(expected.end(), bucket.begin(), bucket.end());
    bucket.clear();
  }
  for (const int workers : {0, 1, 4}) {
    TrainLoader loader(shaped, TrainingSampler(40, 5),
                       {.batch_size = 3, .num_workers = workers, .group_by_shape = true});
    EXPECT_EQ(take(loader, 30), expected) << workers << " workers";
    EXPECT_EQ(loader.position(), 90);
  }
}

TEST(TrainLoader, EmulatedRanksGetTheSamplesOfSeparateRanks) {
  const auto options = [](int rank, int world_size, int parts) {
    return LoaderOptions{.batch_size = 12 / world_size,
                         .num_workers = rank,
                         .rank = rank,
                         .world_size = world_size,
                         .parts = parts,
                         .group_by_shape = true};
  };
  std::vector<std::unique_ptr<TrainLoader>> four, two;
  for (int r = 0; r < 4; ++r)
    four.push_back(std::make_unique<TrainLoader>(shaped, TrainingSampler(40, 5), options(r, 4, 1)));
  for (int r = 0; r < 2; ++r)
    two.push_back(std::make_unique<TrainLoader>(shaped, TrainingSampler(40, 5), options(r, 2, 2)));
  TrainLoader one(shaped, TrainingSampler(40, 5), options(0, 1, 4));
  for (int b = 0; b < 12; ++b) {
    std::array<std::vector<Told>, 4> ranks;
    for (int r = 0; r < 4; ++r) ranks[r] = take(*four[r], 1);
    for (int r = 0; r < 2; ++r) {
      const auto batch = take(*two[r], 1);
      for (int i = 0; i < 6; ++i) EXPECT_EQ(batch[i], ranks[r + 2 * (i % 2)][i / 2]) << b;
    }
    const auto batch = take(one, 1);
    for (int i = 0; i < 12; ++i) EXPECT_EQ(batch[i], ranks[i % 4][i / 4]) << b;
  }
}

TEST(TrainLoader, ResumesExactlyFromHalfFullBucketsWithAnyRankAssignment) {
  LoaderOptions options{.batch_size = 8, .num_workers = 2, .parts = 2, .group_by_shape = true};
  TrainLoader whole(shaped, TrainingSampler(40, 5), options);
  size_t waited = 0;
  for (int stop = 0; stop < 8; ++stop) {
    options.places = whole.places();
    for (const auto& place : options.places) waited += place.waiting.size();
    TrainLoader alone(shaped, TrainingSampler(40, 5), options);
    EXPECT_EQ(alone.places(), options.places);
    auto of_rank = options;
    of_rank.batch_size = 4, of_rank.parts = 1, of_rank.world_size = 2;
    TrainLoader zero(shaped, TrainingSampler(40, 5), of_rank);
    of_rank.rank = 1, of_rank.num_workers = 0;
    TrainLoader one(shaped, TrainingSampler(40, 5), of_rank);
    const auto rest = take(whole, 3);
    EXPECT_EQ(take(alone, 3), rest);
    EXPECT_EQ(alone.places(), whole.places());
    for (int b = 0; b < 3; ++b) {
      const auto even = take(zero, 1), odd = take(one, 1);
      for (int i = 0; i < 8; ++i) EXPECT_EQ(rest[8 * b + i], (i % 2 ? odd : even)[i / 2]);
    }
  }
  EXPECT_GT(waited, 8u);
  options.places.pop_back();
  EXPECT_THROW(TrainLoader(shaped, TrainingSampler(40, 5), options), std::invalid_argument);
}

TEST(TrainLoader, CropsOfOneBatchShareTheFrameOfTheLargest) {
  const auto make = [](int64_t index, Random) {
    TrainSample sample{torch::zeros({3, 4 + index, 9 - index}, torch::kUInt8),
                       {},
                       torch::zeros({1, 1, 1}, torch::kUInt8),
                       ""};
    sample.masks_in = [](const Size2& frame) {
      return torch::full({1, frame.height, frame.width}, 1, torch::kUInt8);
    };
    return sample;
  };
  TrainLoader loader(make, TrainingSampler(2, 5), {.batch_size = 2});
  for (const TrainSample& sample : loader.next()) {
    EXPECT_EQ(sample.frame, (Size2{5, 9}));
    EXPECT_EQ(sample.mask_bits.sizes(), (std::vector<int64_t>{1, 5, 9}));
    EXPECT_FALSE(sample.masks_in);
  }
  // A part of its own has its own frame, and a crop as large as that keeps its masks.
  TrainLoader apart(make, TrainingSampler(2, 5), {.batch_size = 2, .parts = 2});
  for (const TrainSample& sample : apart.next()) {
    EXPECT_EQ(sample.frame, (Size2{sample.image.size(1), sample.image.size(2)}));
    EXPECT_EQ(sample.mask_bits.sizes(), (std::vector<int64_t>{1, 1, 1}));
  }
}

TEST(TrainLoader, ACropWithoutMasksIsKeptIfItsImageHasSome) {
  const auto make = [](int64_t index, Random random) {
    TrainSample sample = told(index, random, 0);
    sample.annotated = index != 1;
    return sample;
  };
  TrainLoader loader(make, TrainingSampler(3, 5), {.batch_size = 1});
  std::set<int64_t> seen;
  for (const auto& [index, draw] : take(loader, 9)) seen.insert(index);
  EXPECT_EQ(seen, (std::set<int64_t>{0, 2}));
}

TEST(TrainLoader, StopsWhenTheShareOfBadSamplesIsTooLarge) {
  std::vector<std::string> messages;
  for (const int workers : {0, 3}) {
    TrainLoader loader(uneven, TrainingSampler(70, 5),
                       {.batch_size = 2, .num_workers = workers, .max_bad_samples = 0.1});
    try {
      take(loader, 1000);
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      messages.emplace_back(e.what());
    }
    EXPECT_LT(loader.counts().delivered, 130);
    EXPECT_ERROR(loader.next(), HasSubstr("MAX_BAD_SAMPLES"));
  }
  EXPECT_THAT(messages[0], AllOf(HasSubstr("MAX_BAD_SAMPLES"), HasSubstr("broken")));
  EXPECT_EQ(messages[0], messages[1]);
}

TEST(TrainLoader, ToleratesBadSamplesUpToTheShare) {
  TrainLoader loader(uneven, TrainingSampler(70, 5),
                     {.batch_size = 2, .num_workers = 2, .max_bad_samples = 0.5});
  EXPECT_EQ(take(loader, 200).size(), 400u);
}

TEST(TrainLoader, ASetWithoutAnyUsableSampleIsAnErrorNotAHang) {
  const auto broken = [](int64_t, Random) -> TrainSample { fail("x.jpg: broken"); };
  TrainLoader bad(broken, TrainingSampler(3, 5), {.num_workers = 2});
  EXPECT_ERROR(bad.next(), AllOf(HasSubstr("no usable"), HasSubstr("x.jpg")));
  const auto none = [](int64_t index, Random random) { return told(index, random, 0); };
  TrainLoader empty(none, TrainingSampler(3, 5), {});
  EXPECT_ERROR(empty.next(), AllOf(HasSubstr("no usable"), HasSubstr("without masks")));
  TrainLoader kept(none, TrainingSampler(3, 5), {.skip_empty = false});
  EXPECT_EQ(kept.next().size(), 1u);
}

TEST(TrainLoader, OtherExceptionsAreRethrownByNext) {
  for (const int workers : {0, 2}) {
    std::atomic<int> calls{0};
    const auto make = [&](int64_t index, Random random) {
      if (++calls > 10) throw std::bad_alloc();
      return told(index, random);
    };
    TrainLoader loader(make, TrainingSampler(50, 1), {.batch_size = 1, .num_workers = workers});
    EXPECT_THROW(take(loader, 20), std::bad_alloc);
    EXPECT_THROW(loader.next(), std::bad_alloc);
  }
}

TEST(TrainLoader, WorkersStopAtTheBoundOfTheQueueAndGoOnWhenBatchesAreTaken) {
  constexpr int kAhead = 2 * 4 + 3;  // two batches and a sample per worker
  std::atomic<int> calls{0}, requested{0};
  const auto make = [&](int64_t index, Random random) {
    EXPECT_LE(++calls, requested + kAhead);
    calls.notify_all();
    return told(index, random);
  };
  TrainLoader loader(make, TrainingSampler(1000, 1), {.batch_size = 4, .num_workers = 3});
  for (int batch = 0; batch < 50; ++batch) {
    requested += 4;
    loader.next();
  }
  for (int seen = calls; seen < requested + kAhead; seen = calls) calls.wait(seen);
}

TEST(TrainLoader, TheDestructorWaitsForTheSamplesInWorkButNotForTheQueue) {
  for (int round = 0; round < 30; ++round) {
    std::atomic<int> calls{0};
    std::atomic<bool> open{false};
    const auto make = [&](int64_t index, Random random) {
      ++calls;
      calls.notify_all();
      open.wait(false);
      return told(index, random);
    };
    auto loader = std::make_unique<TrainLoader>(
        make, TrainingSampler(100, 1), LoaderOptions{.batch_size = 4096, .num_workers = 4});
    for (int seen = calls; seen < 4; seen = calls) calls.wait(seen);
    std::thread destroyer([&] { loader.reset(); });
    for (int i = 0; i < 10 * round; ++i) std::this_thread::yield();
    open = true;
    open.notify_all();
    destroyer.join();
    EXPECT_LT(calls, 2 * 4096) << "the whole queue was made";
  }
}

/// A set on disk of 12 samples, of which three can not be used.
class LoaderOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 12; ++i) {
      make_sample(root_.path(), "sa_" + std::to_string(100 + i), 60 + i, 80, i);
    }
    const fs::path jpeg = root_ / "images/sa_000000/sa_101.jpg";
    const std::string bytes = read_text(jpeg);
    write_text(jpeg, bytes.substr(0, bytes.size() / 3));
    const fs::path json = root_ / "annotations/sa_000000/sa_105.json";
    write_text(json, read_text(json).substr(0, 150));
    auto wrong = sa1b_json(68, 80, {rectangle(68, 80, {0, 0, 9, 9})});
    wrong["annotations"][0]["segmentation"]["size"] = {67, 80};
    write_text(root_ / "annotations/sa_000000/sa_108.json", wrong.dump());

    config_.datasets.train = {"sam"};
    config_.datasets.sam_root = root_.path().string();
    config_.input.min_size_train = {48};
    config_.input.crop.enabled = true;
    config_.input.crop.type = CropType::absolute;
    config_.input.crop.size = {40, 40};
    config_.input.color_aug_ssd = config_.input.strong_aug = true;
    config_.model.mask_resolution = {16, 16};
    config_.solver.ims_per_batch = 4;
    config_.dataloader.max_bad_samples = 1.0;
  }

  TempFolder root_;
  Config config_;
};

TEST_F(LoaderOnDisk, BatchesAreBitIdenticalForAnyWorkersAndRanks) {
  std::vector<TrainBatch> expected;
  for (const int workers : {0, 1, 4}) {
    config_.dataloader.num_workers = workers;
    const auto loader = loader_of(config_, 3);
    for (int b = 0; b < 9; ++b) {
      TrainBatch batch = loader->next();
      ASSERT_EQ(batch.size(), 4u);
      if (workers == 0) {
        expected.push_back(std::move(batch));
        continue;
      }
      for (size_t i = 0; i < batch.size(); ++i) {
        EXPECT_EQ(batch[i].file_name, expected[b][i].file_name);
        EXPECT_TRUE(torch::equal(batch[i].image, expected[b][i].image));
        EXPECT_TRUE(torch::equal(batch[i].image_strong, expected[b][i].image_strong));
        EXPECT_TRUE(torch::equal(batch[i].mask_bits, expected[b][i].mask_bits));
      }
    }
  }
  for (const int rank : {0, 1}) {
    const auto loader = loader_of(config_, 3, rank, 2);
    for (int b = 0; b < 9; ++b) {
      const TrainBatch batch = loader->next();
      ASSERT_EQ(batch.size(), 2u);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(torch::equal(batch[i].image, expected[b][2 * i + rank].image));
      }
    }
  }
}

TEST_F(LoaderOnDisk, BadSamplesAreNamedCountedAndLeftOut) {
  config_.dataloader.num_workers = 2;
  const auto loader = loader_of(config_, 3);
  ::testing::internal::CaptureStderr();
  std::set<std::string> seen;
  for (int b = 0; b < 15; ++b) {
    for (const TrainSample& sample : loader->next()) {
      seen.insert(fs::path(sample.file_name).stem().string());
    }
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(seen.size(), 9u);
  for (const char* bad : {"sa_101", "sa_105", "sa_108"}) {
    EXPECT_EQ(seen.count(bad), 0u);
    EXPECT_THAT(log, HasSubstr(bad));
  }
  EXPECT_GE(loader->counts().bad, 15);
  config_.dataloader.max_bad_samples = 0.01;
  const auto strict = loader_of(config_, 3);
  EXPECT_ERROR(for (int b = 0; b < 100; ++b) strict->next(), HasSubstr("MAX_BAD_SAMPLES"));
}

TEST_F(LoaderOnDisk, WrongSetsAreErrorsOfOneSentence) {
  config_.datasets.train = {};
  EXPECT_ERROR(open_training_set(config_.datasets), HasSubstr("DATASETS.TRAIN is empty"));
  config_.datasets.train = {"ade20k_150_test_sem_seg"};
  EXPECT_ERROR(open_training_set(config_.datasets), HasSubstr("test set"));
  config_.datasets.train = {"sam_resizd"};
  EXPECT_ERROR(open_training_set(config_.datasets), HasSubstr("sam_resized"));
  config_.datasets.train = {"sam"};
  config_.datasets.sam_root = (root_ / "nowhere").string();
  EXPECT_ERROR(open_training_set(config_.datasets), HasSubstr("nowhere/images"));
}

}  // namespace
}  // namespace pixelclip
