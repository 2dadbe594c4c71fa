#include <torch/types.h>

#include <chrono>

#include "base/file.hpp"
#include "data/mapper.hpp"
#include "data/prepare_sa1b.hpp"
#include "data/shard.hpp"
#include "data/synthetic_tar.hpp"
#include "data/tar.hpp"
#include "data/train_set.hpp"
#include "support/loading.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace testing;

const std::vector<std::string> kStems = {"sa_1", "sa_2", "sa_3"};

/// A folder with three samples in SA-1B's layout, and the same as a tar file at sa_000000.tar.
void make_published(const TempFolder& folder) {
  for (size_t i = 0; i < kStems.size(); ++i)
    make_sample(folder.path(), kStems[i], 40 + 3 * i, 60, i);
  write_file(folder / "tars/sa_000000.tar", tar_of(folder.path(), kStems));
}

Config config_of(const fs::path& root) {
  Config config;
  config.datasets.train = {"sam_resized"};
  config.datasets.sam_root = root.string();
  config.input.min_size_train = {64};
  config.input.crop.enabled = true;
  config.input.crop.type = CropType::absolute;
  config.input.crop.size = {48, 48};
  config.model.mask_resolution = {16, 16};
  return config;
}

std::vector<std::string> images_of(const ArchiveContents& contents) {
  std::vector<std::string> names;
  for (const ArchivePair& pair : contents.pairs) names.push_back(pair.image);
  return names;
}

TEST(Tar, ItsPairsAreFoundAndItsIndexKept) {
  const TempFolder folder;
  make_published(folder);
  const fs::path tar = folder / "tars/sa_000000.tar";
  EXPECT_THAT(images_of(read_tar(tar)), ElementsAre("sa_1.jpg", "sa_2.jpg", "sa_3.jpg"));
  ASSERT_TRUE(fs::exists(tar.string() + ".index"));
  // As long as size and time stay, the index is believed.
  const auto time = fs::last_write_time(tar);
  write_file(tar, std::string(fs::file_size(tar), 'x'));
  fs::last_write_time(tar, time);
  EXPECT_EQ(read_tar(tar).pairs.size(), 3u);
  fs::last_write_time(tar, time + std::chrono::seconds(2));
  EXPECT_ERROR(read_tar(tar), AllOf(HasSubstr(tar.string()), HasSubstr("no tar file")));
  write_file(tar, tar_of(folder.path(), {"sa_2"}));
  EXPECT_THAT(images_of(read_tar(tar)), ElementsAre("sa_2.jpg"));
}

TEST(Tar, ADamagedIndexIsComputedAgain) {
  const TempFolder folder;
  make_published(folder);
  const fs::path tar = folder / "tars/sa_000000.tar", index = tar.string() + ".index";
  read_tar(tar);
  const std::string whole = read_text(index);
  for (size_t size = 0; size < whole.size(); size += 7) {
    write_file(index, whole.substr(0, size));
    EXPECT_EQ(read_tar(tar).pairs.size(), 3u);
  }
  for (size_t at = 0; at < whole.size(); at += 5) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    write_file(index, damaged);
    EXPECT_EQ(read_tar(tar).pairs.size(), 3u) << at;
  }
}

TEST(Tar, InAReadOnlyFolderTheIndexIsCached) {
  const TempFolder folder;
  make_published(folder);
  const fs::path tar = folder / "tars/sa_000000.tar";
  fs::create_directories(tar.string() + ".index/in the way");
  setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  EXPECT_EQ(read_tar(tar).pairs.size(), 3u);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder / "cache/pixelclip")) {
    files += entry.path().extension() == ".index";
  }
  EXPECT_EQ(files, 1);
  unsetenv("XDG_CACHE_HOME");
}

TEST(Tar, LongNamesLargeSizesAndUnknownMembersAreRead) {
  const TempFolder folder;
  const std::string deep = std::string(120, 'd') + "/sa_7";
  const std::string pax_path = "path=" + std::string(130, 'p') + "/sa_8.jpg\n";
  const std::string pax = "149 " + pax_path;
  ASSERT_EQ(pax.size(), 149u);
  std::string tar = tar_member("licence.txt", "text") + tar_member("alone.jpg", "j") +
                    tar_member("other.json", "{}");
  for (const char* suffix : {".jpg", ".json"}) {
    tar += tar_member("././@LongLink", deep + suffix + '\0', 'L') + tar_member("short", "content");
  }
  tar += tar_member("pax", pax, 'x') + tar_member("short.jpg", "image");
  tar += tar_member("sa_7.JPG", "first") + tar_member("sa_7.json", "{}") +
         tar_member("sa_7.JPG", "second!");
  write_file(folder / "a.tar", tar);  // without an end, as some writers leave it
  const ArchiveContents contents = read_tar(folder / "a.tar");
  EXPECT_THAT(images_of(contents), ElementsAre(deep + ".jpg", "sa_7.JPG"));
  EXPECT_EQ(contents.pairs[1].image_size, 7u);
  EXPECT_EQ(contents.images_alone, 2);
  EXPECT_EQ(contents.annotations_alone, 1);
}

TEST(Tar, NamesThatBeginWithADotAreNoData) {
  const TempFolder folder;
  std::string tar;
  for (const char* stem : {"./sa_1", "./._sa_1", "._sa_2", "a/.hidden/sa_3",
                           "./.ipynb_checkpoints/sa_1", "__MACOSX/sa_1", "../sa_4"}) {
    tar +=
        tar_member(std::string(stem) + ".jpg", "j") + tar_member(std::string(stem) + ".json", "{}");
  }
  tar += tar_member(".alone.jpg", "j");
  write_file(folder / "a.tar", tar + tar_end());
  for (int round = 0; round < 2; ++round) {  // made, and read again from its index
    const ArchiveContents contents = read_tar(folder / "a.tar");
    EXPECT_THAT(images_of(contents), ElementsAre("../sa_4.jpg", "sa_1.jpg"));
    EXPECT_EQ(contents.images_alone, 0);
  }
}

TEST(Tar, WhatIsCutShortOrCompressedIsNamed) {
  const TempFolder folder;
  make_published(folder);
  const std::string tar = read_text(folder / "tars/sa_000000.tar");
  write_file(folder / "a.tar", tar.substr(0, tar.size() / 2 - 100));
  EXPECT_ERROR(read_tar(folder / "a.tar"), AllOf(HasSubstr("a.tar"), HasSubstr("cut short")));
  write_file(folder / "b.tar", "\x1f\x8b" + std::string(2000, 'x'));
  EXPECT_ERROR(read_tar(folder / "b.tar"), HasSubstr("compressed"));
  write_file(folder / "c.tar", tar.substr(0, 512) + std::string(1024, 'x'));
  EXPECT_ERROR(read_tar(folder / "c.tar"), HasSubstr("damaged tar header at byte 512"));
}

TEST(Tar, MutatedFilesAreErrorsOrHarmless) {
  const TempFolder folder;
  make_sample(folder.path(), "sa_1", 8, 8, 1);
  const std::string whole = tar_of(folder.path(), {"sa_1"});
  setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    std::string damaged =
        whole.substr(0, random.integer(1, static_cast<int64_t>(whole.size()) + 1));
    for (int k = 0; k < 3; ++k) {
      damaged[random.integer(0, std::min<int64_t>(static_cast<int64_t>(damaged.size()), 2048))] =
          static_cast<char>(random.next());
    }
    write_file(folder / "m.tar", damaged);
    fs::remove(folder / "m.tar.index");
    try {
      for (const ArchivePair& pair : read_tar(folder / "m.tar").pairs) {
        EXPECT_LE(pair.image_at + pair.image_size, damaged.size());
      }
    } catch (const Error&) {
    }
  }
  unsetenv("XDG_CACHE_HOME");
}

/// Everything that an archive may hold gives the same samples as the files themselves.
TEST(Archives, GiveTheSamplesOfTheFiles) {
  const TempFolder folder;
  make_published(folder);
  PrepareSa1bOptions options{.root = folder / "tars", .out = folder / "compact", .compact = true};
  const PrepareReport report = prepare_sa1b(options);
  EXPECT_EQ(report.written, 3);
  EXPECT_TRUE(report.failed.empty());

  const Sa1bIndex files = open_training_set(config_of(folder.path()).datasets);
  const Sa1bIndex tars = open_training_set(config_of(folder / "tars").datasets);
  const Sa1bIndex compact = open_training_set(config_of(folder / "compact").datasets);
  ASSERT_EQ(tars.size(), 3);
  ASSERT_EQ(compact.size(), 3);
  EXPECT_EQ(files.checksum(), tars.checksum());
  EXPECT_EQ(files.checksum(), compact.checksum());
  EXPECT_THAT(tars[0].image, HasSubstr("sa_000000.tar:sa_1.jpg"));
  EXPECT_THAT(compact[0].image, HasSubstr("sa_000000.shard:sa_1.jpg"));
  const Sa1bMapper mapper = mapper_of(config_of(folder.path()));
  for (int64_t i = 0; i < 3; ++i) {
    const auto expected = mapper(files[i], Random(9));
    for (const Sa1bIndex* index : {&tars, &compact}) {
      const auto sample = mapper((*index)[i], Random(9));
      EXPECT_TRUE(torch::equal(sample.image, expected.image));
      EXPECT_TRUE(torch::equal(sample.mask_bits, expected.mask_bits));
      EXPECT_GT(sample.mask_bits.size(0), 0);
    }
  }
}

TEST(Shards, ACompactOneReplacesItsTarAndAListNamesThem) {
  const TempFolder folder;
  for (const char* name : {"sa_000000.tar", "sa_000000.shard", "sa_000002.tar", "notes.txt"}) {
    write_file(folder / name, "x");
  }
  fs::create_directories(folder / "sa_000001");
  fs::create_directories(folder / "output");
  write_file(folder / "._sa_000000.tar", "x");
  fs::create_directories(folder / ".sa_000003");
  EXPECT_THAT(
      Sa1bIndex::shards_below(folder.path()),
      ElementsAre(folder / "sa_000000.shard", folder / "sa_000001", folder / "sa_000002.tar"));
  write_file(folder / "list.txt", "# comment\n  sa_000002.tar \r\n\nsa_000001\n");
  EXPECT_THAT(Sa1bIndex::read_shard_list(folder / "list.txt", folder.path()),
              ElementsAre(folder / "sa_000002.tar", folder / "sa_000001"));
  write_file(folder / "list.txt", "sa_000009.tar\n");
  EXPECT_ERROR(Sa1bIndex::read_shard_list(folder / "list.txt", folder.path()),
               AllOf(HasSubstr("list.txt"), HasSubstr("sa_000009.tar")));
  write_file(folder / "list.txt", "# nothing\n");
  EXPECT_ERROR(Sa1bIndex::read_shard_list(folder / "list.txt", folder.path()), HasSubstr("empty"));
}

TEST(Shards, AListMayMixTarFilesAndFoldersOfBothLayouts) {
  const TempFolder folder;
  make_published(folder);
  make_sample(folder.path(), "sa_9", 40, 60, 9, "sa_000009");
  fs::create_directories(folder / "unpacked");
  fs::copy(folder / "images/sa_000009/sa_9.jpg", folder / "unpacked/sa_10.jpg");
  fs::copy(folder / "annotations/sa_000009/sa_9.json", folder / "unpacked/sa_10.json");
  write_file(folder / "list.txt", "tars/sa_000000.tar\nimages/sa_000009\nunpacked\n");
  Config config = config_of(folder.path());
  config.datasets.shards = (folder / "list.txt").string();
  const Sa1bIndex index = open_training_set(config.datasets);
  ASSERT_EQ(index.size(), 5);
  const Sa1bMapper mapper = mapper_of(config);
  for (int64_t i = 0; i < index.size(); ++i)
    EXPECT_GT(mapper(index[i], Random(1)).mask_bits.size(0), 0);
}

TEST(Runs, SurviveTheBinaryFormAndItsDamagesAreNamed) {
  MaskRuns masks;
  masks.height = 70000;
  masks.width = 3;
  const std::vector<std::vector<uint32_t>> runs = {
      {0, 210000}, {65534, 65535, 65536, 13395}, {1, 2, 209997}, {70000, 70001, 69999}};
  for (const auto& run : runs) {
    masks.masks.push_back({masks.counts.size(), run.size(), rle_area(run)});
    masks.counts.insert(masks.counts.end(), run.begin(), run.end());
  }
  std::vector<uint8_t> bytes;
  write_runs(masks, bytes);
  MaskRuns read;
  read_runs(bytes, "a.shard:x.jpg", 512, read);
  EXPECT_EQ(read.height, 70000);
  EXPECT_EQ(read.counts, masks.counts);
  ASSERT_EQ(read.masks.size(), runs.size());
  EXPECT_EQ(read.masks[1].area, masks.masks[1].area);
  read_runs(bytes, "a", 2, read);
  EXPECT_EQ(read.masks.size(), 2u);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_ERROR(read_runs(std::span(bytes).first(size), "a.shard:x.jpg", 512, read),
                 HasSubstr("a.shard:x.jpg"));
  }
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    auto damaged = bytes;
    damaged[random.integer(0, static_cast<int64_t>(bytes.size()))] =
        static_cast<uint8_t>(random.next());
    try {
      read_runs(damaged, "a", 512, read);
      for (const auto& mask : read.masks) check_rle(read.runs(mask), read.height, read.width);
    } catch (const Error&) {
    }
  }
}

TEST(Shards, OneThatIsCutShortIsAnError) {
  const TempFolder folder;
  make_published(folder);
  prepare_sa1b({.root = folder / "tars", .compact = true});
  const fs::path shard = folder / "tars/sa_000000.shard";
  const std::string whole = read_text(shard);
  EXPECT_EQ(read_shard(shard).pairs.size(), 3u);
  for (const size_t size : {size_t{0}, size_t{20}, whole.size() / 2, whole.size() - 1}) {
    write_file(shard, whole.substr(0, size));
    EXPECT_ERROR(read_shard(shard),
                 AllOf(HasSubstr("sa_000000.shard"), HasSubstr("compact shard")));
  }
}

TEST(Shards, OneWhoseTarHasChangedIsNotRead) {
  const TempFolder folder;
  make_published(folder);
  prepare_sa1b({.root = folder / "tars", .compact = true});
  const auto shards = [&] { return Sa1bIndex::shards_below(folder / "tars"); };
  EXPECT_THAT(shards(), ElementsAre(folder / "tars/sa_000000.shard"));
  const fs::path tar = folder / "tars/sa_000000.tar";
  write_file(tar, read_text(tar) + std::string(1024, '\0'));
  EXPECT_THAT(shards(), ElementsAre(tar));
  prepare_sa1b({.root = folder / "tars", .compact = true});
  EXPECT_THAT(shards(), ElementsAre(folder / "tars/sa_000000.shard"));
}

TEST(PrepareSa1b, ResumesAndLeavesOutUnusableSamples) {
  const TempFolder folder;
  make_published(folder);
  make_sample(folder.path(), "sa_4", 40, 60, 4, "sa_000001");
  make_sample(folder.path(), "sa_5", 40, 60, 4, "sa_000001");
  write_file(folder / "images/sa_000001/sa_5.jpg", "no image");
  const PrepareSa1bOptions options{.root = folder.path(), .out = folder / "out", .compact = true};
  PrepareReport report = prepare_sa1b(options);
  EXPECT_EQ(report.written, 4);
  EXPECT_THAT(report.failed, ElementsAre(HasSubstr("sa_5.jpg")));
  EXPECT_EQ(read_shard(folder / "out/sa_000001.shard").pairs.size(), 1u);

  report = prepare_sa1b(options);
  EXPECT_EQ(report.written, 0);
  EXPECT_EQ(report.kept, 4);
  EXPECT_THAT(report.failed, ElementsAre(HasSubstr("sa_5.jpg")));

  fs::remove(folder / "out/sa_000000.shard");  // one is made again, the other is left alone
  report = prepare_sa1b(options);
  EXPECT_EQ(report.written, 3);
  EXPECT_EQ(report.kept, 1);

  make_sample(folder.path(), "sa_6", 40, 60, 4, "sa_000001");
  report = prepare_sa1b(options);
  EXPECT_EQ(report.written, 2);
  EXPECT_EQ(report.kept, 3);
  PrepareSa1bOptions again = options;
  again.again = true;
  EXPECT_EQ(prepare_sa1b(again).written, 5);
}

TEST(PrepareSa1b, AnnotationsWithoutAUsableMaskAreNamedAndStayOutOfTheShard) {
  const TempFolder folder;
  make_published(folder);
  const fs::path file = folder / "annotations/sa_000000/sa_2.json";
  auto json = read_json(file);
  json["annotations"][1] = {{"id", 4711}, {"bbox", {1, 2, 3, 4}}};
  write_file(file, json.dump());
  ::testing::internal::CaptureStderr();
  const PrepareReport report =
      prepare_sa1b({.root = folder.path(), .out = folder / "out", .compact = true});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(report.written, 3);
  EXPECT_THAT(log, AllOf(HasSubstr("sa_2.json: annotation 1 (id 4711)"),
                         HasSubstr("1 annotations without a usable mask")));
  const Sa1bIndex index = open_training_set(config_of(folder / "out").datasets);
  Config whole = config_of(folder / "out");
  whole.input.crop.enabled = false;
  EXPECT_EQ(mapper_of(whole)(index[1], Random(1)).mask_bits.size(0), 2);
}

TEST(Sa1bIndex, HoldsASampleOfATarInLessThan200Bytes) {
  const TempFolder folder;
  std::string tar;
  const int count = 2000;
  for (int i = 0; i < count; ++i) {
    const std::string stem = "./sa_" + std::to_string(11000000 + i);
    tar += tar_member(stem + ".jpg", "j") + tar_member(stem + ".json", "{}");
  }
  write_file(folder / "sa_000900.tar", tar);
  const Sa1bIndex index = open_training_set(config_of(folder.path()).datasets);
  EXPECT_EQ(index.size(), count);
  EXPECT_LT(index.memory(), 200u * count);
}

}  // namespace
}  // namespace pixelclip
