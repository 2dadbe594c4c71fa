#pragma once

#include <span>
#include <string>

#include "base/file.hpp"
#include "io/pickle_reader.hpp"

namespace pixelclip::io {

/// True for what torch.save wrote before PyTorch 1.6, and writes on request since.
bool looks_like_legacy_torch(std::span<const uint8_t> bytes);

/// Where the data of one storage of a legacy stream lies.
struct LegacyStorage {
  SeenStorage seen;
  std::span<const uint8_t> bytes;
};

/// A legacy stream taken apart: pickles of a magic number, a version, the machine, the object and
/// the storages' keys, then each storage's length (int64) and data.
struct LegacyStream {
  std::span<const uint8_t> object;  ///< its pickle and what follows
  std::map<std::string, LegacyStorage> storages;
};

/// Every length is checked against `bytes`. Errors: cut short, other versions, a big-endian
/// machine, storages that are missing, listed twice or of another length than the object says,
/// views of storages.
LegacyStream parse_legacy_torch(std::span<const uint8_t> bytes, const std::string& source);

Value read_legacy_torch(const MappedFile& file);

}  // namespace pixelclip::io
