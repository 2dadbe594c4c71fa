#include "io/safetensors.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "io/dtypes.hpp"
#include "io/mapped_tensor.hpp"
#include "io/safetensors_header.hpp"

namespace pixelclip {
namespace {

using io::DtypeNames;
using io::HeaderEntry;

constexpr uint64_t kLargestHeader = 100'000'000;  // as the format's own library

/// dtype × shape as bytes; throws when it disagrees with the entry's offsets.
int64_t check_size(const HeaderEntry& entry, const DtypeNames& dtype, const std::string& where) {
  int64_t numel = 1, bytes = 0;
  bool fits = entry.shape.size() <= 64, empty = false;
  for (const uint64_t size : entry.shape) {
    // Sizes beside a zero must be sane as well.
    empty |= size == 0;
    fits = fits && !__builtin_mul_overflow(numel, std::max<uint64_t>(size, 1), &numel);
  }
  fits = fits && !__builtin_mul_overflow(numel, c10::elementSize(dtype.type), &bytes);
  if (empty) numel = bytes = 0;
  if (!fits || entry.end < entry.begin || entry.end - entry.begin != static_cast<uint64_t>(bytes)) {
    fail(where, " of type ", dtype.safetensors, " and shape ", c10::ArrayRef<uint64_t>(entry.shape),
         " does not fit its data_offsets [", entry.begin, ", ", entry.end, "]");
  }
  return numel;
}

std::vector<const HeaderEntry*> in_file_order(const std::vector<HeaderEntry>& entries) {
  std::vector<const HeaderEntry*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
    return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
  });
  return order;
}

}  // namespace

Safetensors read_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string name = path.string();
  uint64_t length = 0;
  std::memcpy(&length, file.range(0, sizeof(length), "the header's length").data(), sizeof(length));
  if (length > kLargestHeader) {
    fail(name, ": its header claims ", length, " bytes, more than the ", kLargestHeader,
         " that the format allows; is this a safetensors file?");
  }
  const auto header = file.range(sizeof(length), length, "the header");
  const auto parsed = io::parse_safetensors_header(header, name);
  const uint64_t start = sizeof(length) + length, size = file.bytes().size() - start;
  Safetensors result{{}, parsed.metadata};
  uint64_t at = 0;
  for (const HeaderEntry* entry : in_file_order(parsed.entries)) {
    const std::string where = name + ": tensor '" + printable(entry->name) + "'";
    const auto* dtype = io::find_dtype(&DtypeNames::safetensors, entry->dtype);
    if (!dtype) fail(where, " has the unknown type '", printable(entry->dtype), "'");
    if (entry->begin != at) {
      fail(where, entry->begin < at ? " overlaps the one before it" : " leaves a gap before it",
           " (it begins at ", entry->begin, ", expected ", at, ")");
    }
    const int64_t numel = check_size(*entry, *dtype, where);
    if (entry->end > size) {
      fail(where, " ends at byte ", entry->end, " of ", size, ": the file is cut short");
    }
    at = entry->end;
    const auto bytes = file.range(start + entry->begin, entry->end - entry->begin, "a tensor");
    const std::vector<int64_t> shape(entry->shape.begin(), entry->shape.end());
    result.tensors[entry->name] = io::on_mapping(file, bytes, dtype->type, numel).view(shape);
  }
  if (at != size) fail(name, ": ", size - at, " bytes after the last tensor belong to none");
  return result;
}

void write_safetensors(const std::filesystem::path& path, const StateDict& tensors,
                       const std::map<std::string, std::string>& metadata,
                       std::optional<torch::ScalarType> floating) {
  const torch::NoGradGuard no_grad;
  const auto dtype_of = [&](const torch::Tensor& tensor) {
    return floating && tensor.is_floating_point() ? *floating : tensor.scalar_type();
  };
  std::vector<std::pair<const std::string*, const torch::Tensor*>> order;
  for (const auto& [name, tensor] : tensors) {
    io::check_writable(tensor);
    order.emplace_back(&name, &tensor);
  }
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return c10::elementSize(dtype_of(*a.second)) > c10::elementSize(dtype_of(*b.second));
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const auto& [name, tensor] : order) {
    const auto* dtype = io::find_dtype(dtype_of(*tensor));
    if (!dtype || !dtype->safetensors[0]) {
      fail(path.string(), ": tensor '", printable(*name), "' of type ", tensor->dtype().name(),
           " cannot be written as safetensors");
    }
    const uint64_t end =
        at + static_cast<uint64_t>(tensor->numel()) * c10::elementSize(dtype->type);
    header[*name] = {{"dtype", dtype->safetensors},
                     {"shape", tensor->sizes().vec()},
                     {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::type_error&) {
    fail(path.string(), ": a tensor's name or the metadata is not UTF-8 text");
  }
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  const uint64_t length = text.size();
  write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(&length), sizeof(length));
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (const auto& [name, tensor] : order) {
      const auto ready = tensor->detach().to(torch::kCPU, dtype_of(*tensor)).contiguous();
      const auto bytes = io::bytes_of(ready);
      out.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
    }
  });
}

}  // namespace pixelclip
