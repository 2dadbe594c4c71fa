#include "demo/world.hpp"

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/signal.hpp"
#include "demo/scene.hpp"
#include "image/codec.hpp"
#include "image/rle.hpp"

namespace fs = std::filesystem;
using nlohmann::json;

namespace pixelclip {
namespace {

/// Must be increased when images or layout change, so that older data sets are replaced.
constexpr int kWorldVersion = 5;
constexpr int kPhotoSplit = 0, kSceneSplit = 1, kValidationSplit = 2;

/// Smaller regions get no mask, as in SA-1B.
constexpr int64_t kMinMaskPixels = 16;

json world_stamp(const DemoWorldOptions& options, bool whole) {
  return {{"version", kWorldVersion},
          {"seed", options.seed},
          {"photos", options.photos},
          {"scenes", options.scenes},
          {"validation", options.validation},
          {"photo_side", options.photo_side},
          {"scene_side", options.scene_side},
          {"classes", demo_classes()},
          {"whole", whole}};
}

/// The stamp of the data set in `folder`; null if missing or unreadable.
json read_stamp(const fs::path& folder) {
  if (!fs::exists(folder / "world.json")) return {};
  try {
    return read_json(folder / "world.json");
  } catch (const Error&) {
    return {};
  }
}

/// Many small files: they are not flushed individually, since the stamp is written last.
void write_quickly(const fs::path& path, const void* data, size_t size) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
  file.close();
  if (!file) fail(path.string(), ": cannot be written: ", system_reason());
}

Image image_of(DemoScene& scene) {
  Image image;
  image.height = image.width = scene.size;
  image.channels = 3;
  image.pixels = std::move(scene.rgb);
  return image;
}

/// SA-1B's annotations of an image: all visible regions without classes.
json annotations_of(const DemoScene& scene, const std::string& stem, int64_t number) {
  LabelMap regions{scene.size, scene.size, {scene.regions.begin(), scene.regions.end()}};
  json annotations = json::array();
  for (size_t region = 0; region < scene.region_classes.size(); ++region) {
    const Rle rle = rle_from_label(regions, static_cast<int32_t>(region));
    if (rle_area(rle.counts) < kMinMaskPixels) continue;
    json annotation = sa1b_annotation(number * 100 + static_cast<int64_t>(region), rle);
    const int64_t first = rle.counts.front();  // in columns
    annotation["point_coords"] = {{first / scene.size, first % scene.size}};
    annotations.push_back(std::move(annotation));
  }
  return {{"image",
           {{"image_id", number},
            {"width", scene.size},
            {"height", scene.size},
            {"file_name", stem + ".jpg"}}},
          {"annotations", std::move(annotations)}};
}

class WorldWriter {
 public:
  WorldWriter(const fs::path& folder, const DemoWorldOptions& options)
      : folder_(folder), options_(options), captions_(static_cast<size_t>(options.photos)) {
    fs::create_directories(folder / "photos");
    for (const char* kind : {"images", "annotations"}) {
      fs::create_directories(folder / kind / "sa_000000");
      fs::create_directories(folder / kind / "validation");
    }
  }

  int64_t images() const { return options_.photos + options_.scenes + options_.validation; }

  void write(int64_t index) {
    if (index < options_.photos) return photo(index);
    index -= options_.photos;
    if (index < options_.scenes) return scene(index);
    validation(index - options_.scenes);
  }

  void captions() const {
    json all = json::object();
    for (size_t i = 0; i < captions_.size(); ++i) all[str("photo_", i + 1)] = captions_[i];
    write_json(folder_ / "captions.json", all);
  }

 private:
  void photo(int64_t index) {
    Random random(options_.seed, kPhotoSplit, static_cast<uint64_t>(index));
    DemoScene scene = paint_demo_scene(random, DemoStyle::photo, options_.photo_side);
    captions_[static_cast<size_t>(index)] = demo_caption(scene, random);
    write_image(folder_ / "photos" / str("photo_", index + 1, ".jpg"), scene);
  }

  void scene(int64_t index) {
    Random random(options_.seed, kSceneSplit, static_cast<uint64_t>(index));
    DemoScene scene = paint_demo_scene(random, DemoStyle::scene, options_.scene_side);
    const std::string stem = str("sa_", index + 1);
    const std::string record = annotations_of(scene, stem, index + 1).dump();
    write_quickly(folder_ / "annotations/sa_000000" / (stem + ".json"), record.data(),
                  record.size());
    write_image(folder_ / "images/sa_000000" / (stem + ".jpg"), scene);
  }

  void validation(int64_t index) {
    Random random(options_.seed, kValidationSplit, static_cast<uint64_t>(index));
    DemoScene scene = paint_demo_scene(random, DemoStyle::scene, options_.scene_side);
    LabelMap labels{scene.size, scene.size, {}};
    labels.ids.reserve(scene.regions.size());
    for (const uint8_t region : scene.regions) labels.ids.push_back(scene.region_classes[region]);
    const std::string stem = str("demo_val_", index + 1);
    const std::vector<uint8_t> png = encode_label_png(labels);
    write_quickly(folder_ / "annotations/validation" / (stem + ".png"), png.data(), png.size());
    write_image(folder_ / "images/validation" / (stem + ".jpg"), scene);
  }

  static void write_image(const fs::path& path, DemoScene& scene) {
    const std::vector<uint8_t> jpeg = encode_jpeg(image_of(scene), 92);
    write_quickly(path, jpeg.data(), jpeg.size());
  }

  fs::path folder_;
  DemoWorldOptions options_;
  std::vector<std::string> captions_;
};

void check(const fs::path& folder, const DemoWorldOptions& options) {
  for (const auto& [what, count] : {std::pair{"photos", options.photos},
                                    {"scenes", options.scenes},
                                    {"validation images", options.validation}}) {
    if (count < 1) fail("the demo's world has ", count, " ", what, "; at least 1 is needed");
  }
  for (const int side : {options.photo_side, options.scene_side}) {
    if (side < 16)
      fail("the demo's images have a side of ", side, " pixels; at least 16 are needed");
  }
  // Only replace folders created by this program.
  if (fs::exists(folder) && !fs::exists(folder / "world.json") &&
      (!fs::is_directory(folder) || !fs::is_empty(folder))) {
    fail(folder.string(),
         ": contains something other than a demo data set; give a new or empty folder");
  }
}

}  // namespace

bool demo_world_ready(const fs::path& folder) {
  const json stamp = read_stamp(folder);
  return stamp.is_object() && stamp.value("version", json()) == kWorldVersion &&
         stamp.value("whole", json()) == true;
}

bool demo_world_ready(const fs::path& folder, const DemoWorldOptions& options) {
  return read_stamp(folder) == world_stamp(options, true);
}

DemoWorldOptions demo_world_options(const fs::path& folder) {
  if (!demo_world_ready(folder))
    fail(folder.string(), ": holds no demo world; run `pixelclip demo`");
  const json stamp = read_stamp(folder);
  try {
    return {.seed = stamp.at("seed").get<uint64_t>(),
            .photos = stamp.at("photos").get<int>(),
            .scenes = stamp.at("scenes").get<int>(),
            .validation = stamp.at("validation").get<int>(),
            .photo_side = stamp.at("photo_side").get<int>(),
            .scene_side = stamp.at("scene_side").get<int>(),
            .threads = 0};
  } catch (const json::exception& error) {
    fail((folder / "world.json").string(), ": is damaged (", error.what(), "); remove it");
  }
}

void make_demo_world(const fs::path& folder, const DemoWorldOptions& options,
                     const DemoProgress& progress) {
  check(folder, options);
  if (demo_world_ready(folder, options)) return;
  make_writable_folder(folder);
  write_json(folder / "world.json", world_stamp(options, false));
  for (const char* old : {"photos", "images", "annotations", "captions.json", "clip.pth"}) {
    fs::remove_all(folder / old);
  }
  WorldWriter writer(folder, options);
  const int64_t total = writer.images();
  std::atomic<int64_t> done{0};
  parallel_for(total, options.threads, [&](int64_t i) {
    if (signals::stop_requested() != 0) fail("stopped while creating the demo's data");
    writer.write(i);
    const int64_t now = ++done;
    if (progress && (now % 50 == 0 || now == total)) progress("images", now, total);
  });
  writer.captions();
  write_json(folder / "world.json", world_stamp(options, true));
}

}  // namespace pixelclip
