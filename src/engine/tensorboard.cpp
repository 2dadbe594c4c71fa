#include "engine/tensorboard.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>

#include "base/error.hpp"
#include "image/codec.hpp"

namespace pixelclip {
namespace {

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}();

/// Little-endian bytes of a number.
template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

// Fields of protocol buffers: the field's number and kind, then its value.
enum Kind : uint8_t { varint = 0, eight_bytes = 1, text = 2, four_bytes = 5 };

std::string number(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string key(int field, Kind kind) { return number(static_cast<uint64_t>(field) << 3 | kind); }

std::string integer_field(int field, int64_t value) {
  return key(field, varint) + number(static_cast<uint64_t>(value));
}

std::string text_field(int field, const std::string& bytes) {
  return key(field, text) + number(bytes.size()) + bytes;
}

std::string float_field(int field, double value) {
  return key(field, four_bytes) + raw(static_cast<float>(value));
}

// Numbers of the fields in Event, Summary, Summary.Value, Summary.Image and SessionLog.
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr int kValue = 1, kTag = 1, kSimpleValue = 2, kImage = 4;
constexpr int kHeight = 1, kWidth = 2, kColorSpace = 3, kEncoded = 4;
constexpr int kStatus = 1, kStart = 1;

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host() {
  char name[256] = "localhost";
  gethostname(name, sizeof(name) - 1);
  return name;
}

bool holds_event_files(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) return false;
  const std::filesystem::directory_iterator files(folder);
  return std::any_of(begin(files), end(files), [](const auto& entry) {
    return entry.path().filename().string().find("tfevents") != std::string::npos;
  });
}

}  // namespace

uint32_t masked_crc(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return std::rotr(~crc, 15) + 0xa282ead8u;
}

TensorBoardWriter::TensorBoardWriter(const std::filesystem::path& folder, int64_t resume_at) {
  static_assert(std::endian::native == std::endian::little, "the file's numbers are little-endian");
  const bool others = holds_event_files(folder);
  path_ = folder / str("events.out.tfevents.", static_cast<int64_t>(wall_time()), ".", host(), ".",
                       getpid());
  file_.open(path_, std::ios::binary | std::ios::app);
  write(text_field(kFileVersion, "brain.Event:2"), 0);
  if (resume_at > 0 || others)
    write(text_field(kSessionLog, integer_field(kStatus, kStart)), resume_at);
}

void TensorBoardWriter::scalars(const std::map<std::string, double>& values, int64_t step) {
  std::string summary;
  for (const auto& [tag, value] : values) {
    summary += text_field(kValue, text_field(kTag, tag) + float_field(kSimpleValue, value));
  }
  write(text_field(kSummary, summary), step);
}

void TensorBoardWriter::picture(const std::string& tag, const Image& image, int64_t step) {
  const auto png = encode_png(image);
  const std::string picture =
      integer_field(kHeight, image.height) + integer_field(kWidth, image.width) +
      integer_field(kColorSpace, image.channels) + text_field(kEncoded, {png.begin(), png.end()});
  write(
      text_field(kSummary, text_field(kValue, text_field(kTag, tag) + text_field(kImage, picture))),
      step);
}

void TensorBoardWriter::write(const std::string& fields, int64_t step) {
  const std::string event =
      key(kWallTime, eight_bytes) + raw(wall_time()) + integer_field(kStep, step) + fields;
  const std::string length = raw(static_cast<uint64_t>(event.size()));
  file_ << length << raw(masked_crc(length)) << event << raw(masked_crc(event)) << std::flush;
  if (!file_) fail("cannot write ", path_.string(), ": ", system_reason(), " (is the disk full?)");
}

}  // namespace pixelclip
