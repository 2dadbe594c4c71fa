#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "base/file.hpp"
#include "engine/event_storage.hpp"
#include "image/codec.hpp"
#include "modeling/mask_clusters.hpp"
#include "support/tensors.hpp"
#include "visualization/step_image.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::ElementsAre;

/// Fields of one protocol buffer: number → what it holds, varints as decimal digits.
std::multimap<int, std::string> fields(const std::string& bytes) {
  std::multimap<int, std::string> out;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes.at(at++));
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.size()) {
    const uint64_t key = varint();
    const int kind = key & 7;
    if (kind == 0) {
      out.emplace(key >> 3, str(varint()));
      continue;
    }
    const size_t size = kind == 1 ? 8 : kind == 5 ? 4 : varint();
    out.emplace(key >> 3, bytes.substr(at, size));
    at += size;
  }
  return out;
}

const std::string& field(const std::multimap<int, std::string>& all, int number) {
  return all.find(number)->second;
}

template <typename T>
T read_as(const std::string& bytes, size_t at = 0) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// The frames' payloads; checks every length and both checksums.
std::vector<std::string> records(const fs::path& path) {
  const auto bytes = read_text(path);
  std::vector<std::string> out;
  for (size_t at = 0; at < bytes.size();) {
    const auto length = read_as<uint64_t>(bytes, at);
    EXPECT_EQ(read_as<uint32_t>(bytes, at + 8), masked_crc(bytes.substr(at, 8)));
    out.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(read_as<uint32_t>(bytes, at + 12 + length), masked_crc(out.back()));
    at += 16 + length;
  }
  return out;
}

TEST(TensorBoard, TheChecksumIsTheOneOfItsFormat) {
  EXPECT_EQ(masked_crc("123456789"),
            (0xE3069283u >> 15 | 0xE3069283u << 17) + 0xa282ead8u);  // RFC 3720's check
}

TEST(TensorBoard, ScalarsAndPicturesReadBack) {
  const TempFolder folder;
  TensorBoardWriter writer(folder.path(), 0);
  writer.scalars({{"lr", 0.25}, {"total_loss", -1.5}}, 300);
  Image image(2, 3, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(10 * i);
  writer.picture("seen", image, 301);
  EXPECT_THAT(writer.path().filename().string(), ::testing::StartsWith("events.out.tfevents."));

  const auto all = records(writer.path());
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(field(fields(all[0]), 3), "brain.Event:2");
  const auto event = fields(all[1]);
  EXPECT_NEAR(read_as<double>(field(event, 1)), static_cast<double>(time(nullptr)), 100);
  EXPECT_EQ(field(event, 2), "300");
  const auto summary = fields(field(event, 5));
  std::map<std::string, float> scalars;
  for (const auto& [number, value] : summary) {
    scalars[field(fields(value), 1)] = read_as<float>(field(fields(value), 2));
  }
  EXPECT_EQ(scalars, (std::map<std::string, float>{{"lr", 0.25f}, {"total_loss", -1.5f}}));

  const auto value = fields(field(fields(field(fields(all[2]), 5)), 1));
  EXPECT_EQ(field(value, 1), "seen");
  const auto picture = fields(field(value, 4));
  EXPECT_EQ(field(picture, 1) + "x" + field(picture, 2) + "x" + field(picture, 3), "2x3x3");
  const auto& png = field(picture, 4);
  EXPECT_EQ(
      decode_rgb({reinterpret_cast<const uint8_t*>(png.data()), png.size()}, "picture").pixels,
      image.pixels);
}

TEST(TensorBoard, AResumedRunPurgesTheStepsItRepeats) {
  const TempFolder folder;
  const TensorBoardWriter writer(folder.path(), 40);
  const auto all = records(writer.path());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(field(fields(all[1]), 2), "40");
  EXPECT_EQ(field(fields(field(fields(all[1]), 7)), 1), "1");  // SessionLog's START
}

TEST(TensorBoard, AFilePurgesOlderOnesFromItsFirstStepOn) {
  const TempFolder folder;
  write_text(folder / "events.out.tfevents.1.host.1", "");
  const TensorBoardWriter writer(folder.path(), 0);
  const auto all = records(writer.path());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(field(fields(field(fields(all[1]), 7)), 1), "1");
}

TEST(EventStorage, LinesOfDetectron2AreKept) {
  const TempFolder folder;
  const std::string line =
      "{\"data_time\": 0.1, \"iteration\": 19, \"rank_data_time\": 0.1, \"total_loss\": 0.5}\n";
  write_text(folder / "metrics.json", line + "{\"iteration\": 19, \"total_loss\": 0.4}\n");
  EventStorage events(folder.path(), 10);
  EXPECT_EQ(read_text(folder / "metrics.json"), line);
}

TEST(EventStorage, AResumedRunDropsTheLinesThatItWillWriteAgain) {
  const TempFolder folder;
  {
    EventStorage events(folder.path(), 0);
    for (int i = 0; i < 5; ++i) {
      events.put("total_loss", i);
      events.put("grad_norm", i == 3 ? NAN : 1.0);
      events.write(i);
    }
  }
  std::ofstream(folder / "metrics.json", std::ios::app)
      << "{\"iteration\": 5, \"total_l";  // cut short by a kill
  EventStorage events(folder.path(), 3);
  events.put("total_loss", 30);
  events.write(3);
  EXPECT_EQ(read_text(folder / "metrics.json"),
            "{\"iteration\":0,\"grad_norm\":1.0,\"total_loss\":0.0}\n"
            "{\"iteration\":1,\"grad_norm\":1.0,\"total_loss\":1.0}\n"
            "{\"iteration\":2,\"grad_norm\":1.0,\"total_loss\":2.0}\n"
            "{\"iteration\":3,\"total_loss\":30.0}\n");
  EXPECT_EQ(events.median("total_loss"), 30);
}

TEST(StepPicture, ShowsPictureMasksClustersAndPrediction) {
  TrainSample sample;
  sample.image = torch::full({3, 8, 8}, 100, torch::kUInt8);
  auto masks = torch::zeros({3, 4, 8});
  masks[0].slice(1, 0, 2).fill_(1);
  masks[1].slice(1, 2, 4).fill_(1);
  masks[2].slice(1, 4, 6).fill_(1);
  auto logits = torch::zeros({2, 4, 8});
  logits[0].slice(1, 0, 4).fill_(1);
  logits[1].slice(1, 4, 8).fill_(1);
  const auto image = step_image(sample, pack_masks(masks), torch::tensor({0, 0, 1}), logits);
  ASSERT_EQ(image.height, 4);
  ASSERT_EQ(image.width, 32);
  const auto pixel = [&](int64_t x) {
    return std::vector<uint8_t>(image.row(1) + 3 * x, image.row(1) + 3 * x + 3);
  };
  EXPECT_THAT(pixel(0), ElementsAre(100, 100, 100));
  EXPECT_NE(pixel(8), pixel(10));                      // two masks …
  EXPECT_EQ(pixel(16), pixel(18));                     // … of one cluster
  EXPECT_NE(pixel(16), pixel(20));                     // and one of another
  EXPECT_THAT(pixel(23), ElementsAre(100, 100, 100));  // no mask there
  EXPECT_EQ(pixel(24), pixel(16));                     // predicted as cluster 0
  EXPECT_EQ(pixel(31), pixel(20));                     // as cluster 1
}

}  // namespace
}  // namespace pixelclip::testing
