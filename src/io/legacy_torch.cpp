#include "io/legacy_torch.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "io/storages.hpp"

namespace pixelclip::io {
namespace {

constexpr std::string_view kMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13);
constexpr size_t kLargestLegacyPickle = 256 << 20;
constexpr int64_t kLegacyVersion = 1001;

class LegacyParser {
 public:
  LegacyParser(std::span<const uint8_t> bytes, const std::string& source)
      : bytes_(bytes), source_(source) {}

  LegacyStream run() {
    take(2 + kMagic.size());
    const Value version = next(nullptr);
    if (!version.is<int64_t>() || *version.get_if<int64_t>() != kLegacyVersion) {
      fail(source_, ": its version of the old form of torch.save is not ", kLegacyVersion);
    }
    check_machine(next(nullptr));
    LegacyStream stream;
    stream.object = pickles();
    SeenStorages seen;
    next(&seen);
    place(next(nullptr), seen, stream);
    return stream;
  }

 private:
  std::span<const uint8_t> take(uint64_t size) {
    if (size > bytes_.size() - at_) fail(source_, ": the file is cut short");
    at_ += size;
    return bytes_.subspan(at_ - size, size);
  }

  std::span<const uint8_t> pickles() const {
    return bytes_.subspan(at_, std::min(bytes_.size() - at_, kLargestLegacyPickle));
  }

  /// The next pickle, its tensors without data.
  Value next(SeenStorages* seen) {
    const auto shapes_only = [](const std::string&, torch::ScalarType dtype, int64_t numel) {
      return torch::empty({numel}, torch::TensorOptions().dtype(dtype).device(torch::kMeta));
    };
    size_t used = 0;
    Value value = unpickle_first(pickles(), source_, shapes_only, used, seen);
    at_ += used;
    return value;
  }

  void check_machine(const Value& machine) const {
    const Dict* dict = machine.get_if<Dict>();
    const Value* little = dict ? dict->find("little_endian") : nullptr;
    if (little && little->is<bool>() && !*little->get_if<bool>()) {
      fail(source_,
           ": it was saved on a big-endian machine; load it there in Python and save it anew");
    }
  }

  void place(const Value& keys, const SeenStorages& seen, LegacyStream& stream) {
    const auto* list = keys.get_if<ValueList>();
    if (!list) fail(source_, ": the list of its storages is missing");
    for (const Value& item : *list) {
      const auto* key = item.get_if<std::string>();
      const auto known = key ? seen.find(*key) : seen.end();
      if (known == seen.end()) fail(source_, ": it lists a storage that no tensor names");
      const SeenStorage& storage = known->second;
      if (storage.view) {
        fail(source_,
             ": its storages are views of each other, as PyTorch before 0.4 wrote; convert it once "
             "in Python with "
             "torch.save(torch.load(PATH, map_location='cpu'), NEW_PATH)");
      }
      int64_t numel = 0;
      std::memcpy(&numel, take(sizeof(numel)).data(), sizeof(numel));
      const auto item_size = static_cast<int64_t>(c10::elementSize(storage.dtype));
      if (numel != storage.numel || numel > static_cast<int64_t>(bytes_.size()) / item_size) {
        fail(source_, ": storage '", printable(*key), "' holds ", numel,
             " elements where its tensors expect ", storage.numel, ", or is cut short");
      }
      const auto data = take(static_cast<uint64_t>(numel * item_size));
      if (!stream.storages.emplace(*key, LegacyStorage{storage, data}).second) {
        fail(source_, ": storage '", printable(*key), "' is listed twice");
      }
    }
  }

  std::span<const uint8_t> bytes_;
  const std::string& source_;
  size_t at_ = 0;
};

}  // namespace

bool looks_like_legacy_torch(std::span<const uint8_t> bytes) {
  return bytes.size() >= 2 + kMagic.size() && bytes[0] == 0x80 &&
         std::memcmp(bytes.data() + 2, kMagic.data(), kMagic.size()) == 0;
}

LegacyStream parse_legacy_torch(std::span<const uint8_t> bytes, const std::string& source) {
  return LegacyParser(bytes, source).run();
}

Value read_legacy_torch(const MappedFile& file) {
  const std::string source = file.path().string();
  const LegacyStream stream = parse_legacy_torch(file.bytes(), source);
  Storages storages(file, [&](const std::string& key) -> std::optional<std::span<const uint8_t>> {
    const auto found = stream.storages.find(key);
    if (found == stream.storages.end()) return std::nullopt;
    return found->second.bytes;
  });
  size_t used = 0;
  return unpickle_first(stream.object, source, std::ref(storages), used);
}

}  // namespace pixelclip::io
