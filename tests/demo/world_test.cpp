#include "demo/world.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.hpp"
#include "demo/scene.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempFolder;

constexpr DemoWorldOptions tiny = {.seed = 7,
                                   .photos = 6,
                                   .scenes = 4,
                                   .validation = 3,
                                   .photo_side = 48,
                                   .scene_side = 64,
                                   .threads = 2};

std::string bytes(const fs::path& path) { return read_text(path); }

DemoScene scene_of(uint64_t seed, DemoStyle style = DemoStyle::scene) {
  Random random(seed);
  return paint_demo_scene(random, style, 64);
}

TEST(DemoScene, EveryPixelBelongsToARegionThatHasAClass) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const DemoScene scene = scene_of(seed);
    ASSERT_EQ(scene.regions.size(), 64u * 64u);
    ASSERT_EQ(scene.rgb.size(), 3u * 64u * 64u);
    const std::set<int> seen(scene.regions.begin(), scene.regions.end());
    EXPECT_EQ(seen.size(), scene.region_classes.size()) << "a region without pixels, seed " << seed;
    EXPECT_EQ(*seen.rbegin() + 1, static_cast<int>(seen.size()));
    for (const int id : scene.region_classes) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, static_cast<int>(demo_classes().size()));
    }
  }
}

TEST(DemoScene, AllClassesOccurAndLookDifferent) {
  std::set<int> seen;
  std::vector<std::array<double, 3>> sums(demo_classes().size());
  std::vector<double> counts(demo_classes().size());
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const DemoScene scene = scene_of(seed);
    for (size_t i = 0; i < scene.regions.size(); ++i) {
      const auto id = static_cast<size_t>(scene.region_classes[scene.regions[i]]);
      seen.insert(static_cast<int>(id));
      ++counts[id];
      for (size_t c = 0; c < 3; ++c) sums[id][c] += scene.rgb[3 * i + c];
    }
  }
  EXPECT_EQ(seen.size(), demo_classes().size());
  for (size_t a = 0; a < sums.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      double distance = 0;
      for (size_t c = 0; c < 3; ++c)
        distance += std::abs(sums[a][c] / counts[a] - sums[b][c] / counts[b]);
      EXPECT_GT(distance, 12) << demo_classes()[a] << " and " << demo_classes()[b];
    }
  }
}

TEST(DemoScene, ACaptionNamesOnlyWhatIsInTheImage) {
  int words = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const DemoScene scene = paint_demo_scene(random, DemoStyle::photo, 48);
    const std::string caption = demo_caption(scene, random);
    const std::set<int> there(scene.region_classes.begin(), scene.region_classes.end());
    int named = 0;
    for (size_t id = 0; id < demo_classes().size(); ++id) {
      if (caption.find(demo_classes()[id]) == std::string::npos) continue;
      ++named;
      EXPECT_TRUE(there.count(static_cast<int>(id))) << caption;
    }
    EXPECT_GE(named, 1) << caption;
    words += named;
  }
  EXPECT_GT(words, 250);
}

TEST(DemoWorld, TheSameSeedGivesTheSameFilesWithAnyNumberOfThreads) {
  const TempFolder folder;
  DemoWorldOptions one = tiny;
  one.threads = 1;
  make_demo_world(folder / "a", tiny);
  make_demo_world(folder / "b", one);
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder / "a")) {
    if (!entry.is_regular_file()) continue;
    ++files;
    const fs::path other = folder / "b" / fs::relative(entry.path(), folder / "a");
    ASSERT_TRUE(fs::exists(other)) << other;
    EXPECT_EQ(bytes(entry.path()), bytes(other)) << other;
  }
  EXPECT_EQ(files, 6u + 2 * 4 + 2 * 3 + 2);
  one.seed = 8;
  make_demo_world(folder / "c", one);
  EXPECT_NE(bytes(folder / "a/photos/photo_1.jpg"), bytes(folder / "c/photos/photo_1.jpg"));
}

TEST(DemoWorld, MasksCoverTheImageWithoutNamesAndLabelsAreClasses) {
  const TempFolder folder;
  make_demo_world(folder / "demo", tiny);
  const auto record = read_json(folder / "demo/annotations/sa_000000/sa_2.json");
  EXPECT_EQ(record["image"]["file_name"], "sa_2.jpg");
  EXPECT_EQ(record["image"]["width"], 64);
  int64_t covered = 0;
  for (const auto& annotation : record["annotations"]) {
    EXPECT_FALSE(annotation.contains("category_id"));
    const auto& code = annotation["segmentation"];
    const Rle rle = decode_rle(code["counts"].get<std::string>(), code["size"][0], code["size"][1]);
    EXPECT_EQ(rle_area(rle.counts), annotation["area"]);
    covered += rle_area(rle.counts);
    const auto& point = annotation["point_coords"][0];
    EXPECT_EQ(rle_to_bitmap(rle)[point[1].get<size_t>() * 64 + point[0].get<size_t>()], 1);
  }
  EXPECT_GT(covered, 0.95 * 64 * 64);
  EXPECT_LE(covered, 64 * 64);
  const LabelMap labels = read_labels(folder / "demo/annotations/validation/demo_val_3.png");
  const Image image = read_rgb(folder / "demo/images/validation/demo_val_3.jpg");
  EXPECT_EQ(labels.height, image.height);
  EXPECT_LT(*std::max_element(labels.ids.begin(), labels.ids.end()), 12);
  EXPECT_EQ(read_json(folder / "demo/captions.json").size(), 6u);
}

TEST(DemoWorld, ACompleteWorldIsKeptAndABrokenOrOtherOneIsReplaced) {
  const TempFolder folder;
  const fs::path demo = folder / "demo", photo = demo / "photos/photo_1.jpg";
  EXPECT_FALSE(demo_world_ready(demo));
  make_demo_world(demo, tiny);
  EXPECT_TRUE(demo_world_ready(demo));
  EXPECT_EQ(demo_world_options(demo).seed, 7u);
  fs::remove(photo);
  make_demo_world(demo, tiny);
  EXPECT_FALSE(fs::exists(photo)) << "a world with a good stamp was painted again";
  auto stamp = read_json(demo / "world.json");
  stamp["whole"] = false;  // as a killed run leaves it
  write_json(demo / "world.json", stamp);
  EXPECT_FALSE(demo_world_ready(demo));
  make_demo_world(demo, tiny);
  EXPECT_TRUE(fs::exists(photo));
  write_text(demo / "clip.pth", "of the old world");
  DemoWorldOptions other = tiny;
  other.scenes = 2;
  make_demo_world(demo, other);
  EXPECT_FALSE(fs::exists(demo / "images/sa_000000/sa_3.jpg"));
  EXPECT_FALSE(fs::exists(demo / "clip.pth"));
  write_text(demo / "world.json", "{\"version\": ");
  EXPECT_FALSE(demo_world_ready(demo));
  make_demo_world(demo, tiny);
  EXPECT_TRUE(demo_world_ready(demo));
}

TEST(DemoWorld, AFolderWithOtherContentIsNotChanged) {
  const TempFolder folder;
  fs::create_directories(folder / "images");
  write_text(folder / "images/mine.txt", "mine");
  EXPECT_ERROR(make_demo_world(folder.path(), tiny), HasSubstr("something other"));
  EXPECT_EQ(bytes(folder / "images/mine.txt"), "mine");
  DemoWorldOptions none = tiny;
  none.photos = 0;
  EXPECT_ERROR(make_demo_world(folder / "demo", none), HasSubstr("photos"));
  EXPECT_ERROR(demo_world_options(folder / "demo"), HasSubstr("no demo world"));
}

TEST(DemoWorld, ProgressReachesItsEnd) {
  const TempFolder folder;
  int64_t last = 0, total = 0;
  make_demo_world(folder / "demo",
                  {.seed = 0,
                   .photos = 60,
                   .scenes = 1,
                   .validation = 1,
                   .photo_side = 16,
                   .scene_side = 16,
                   .threads = 1},
                  [&](const std::string&, int64_t done, int64_t of) { last = done, total = of; });
  EXPECT_EQ(last, 62);
  EXPECT_EQ(total, 62);
}

}  // namespace
}  // namespace pixelclip
