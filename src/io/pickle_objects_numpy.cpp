#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.hpp"
#include "io/legacy_torch.hpp"
#include "io/pickle_objects.hpp"

// How numpy pickles arrays: _reconstruct(ndarray, (0,), b'b') followed by a state (version, shape,
// dtype, Fortran order, bytes); with protocol 5 _frombuffer(bytes, dtype, shape, order); numbers as
// scalar(dtype, bytes). A dtype is dtype('f4', False, True) followed by a state (3, byte order, …).

namespace pixelclip::io {
namespace {

struct NumpyType {
  std::string_view code;
  torch::ScalarType type;
};
constexpr std::array<NumpyType, 14> kNumpyTypes{{{"f4", torch::kFloat},
                                                 {"f2", torch::kHalf},
                                                 {"f8", torch::kDouble},
                                                 {"i8", torch::kLong},
                                                 {"i4", torch::kInt},
                                                 {"i2", torch::kShort},
                                                 {"i1", torch::kChar},
                                                 {"u1", torch::kByte},
                                                 {"u2", torch::kUInt16},
                                                 {"u4", torch::kUInt32},
                                                 {"u8", torch::kUInt64},
                                                 {"b1", torch::kBool},
                                                 {"c8", torch::kComplexFloat},
                                                 {"c16", torch::kComplexDouble}}};

/// `module.NAME` of numpy 1 (numpy.core) and 2 (numpy._core).
bool is_numpy(std::string_view name, std::string_view rest) {
  for (const std::string_view package : {"numpy.core.", "numpy._core."}) {
    if (name.starts_with(package) && name.substr(package.size()) == rest) return true;
  }
  return false;
}

void reverse_bytes(uint8_t* data, size_t size, size_t item) {
  for (size_t at = 0; at + item <= size; at += item) std::reverse(data + at, data + at + item);
}

}  // namespace

std::optional<Objects::ElementType> Objects::numpy_type(Ref ref) {
  const auto* unknown = std::get_if<UnknownObject>(&objects_[ref]);
  if (!unknown || (*unknown)->name != "numpy.dtype" || (*unknown)->args.empty())
    return std::nullopt;
  const auto* code = std::get_if<std::string>(&objects_[(*unknown)->args[0]]);
  if (!code) return std::nullopt;
  ElementType element;
  const auto* known = std::find_if(kNumpyTypes.begin(), kNumpyTypes.end(),
                                   [&](const auto& type) { return type.code == *code; });
  if (known == kNumpyTypes.end()) return std::nullopt;
  element.type = known->type;
  if ((*unknown)->state.empty()) return element;
  const auto* state = std::get_if<TupleObject>(&objects_[(*unknown)->state[0]]);
  if (!state || state->items.size() < 2) return std::nullopt;
  const auto* order = std::get_if<std::string>(&objects_[state->items[1]]);
  element.big_endian = order && *order == ">";
  return element;
}

std::string* Objects::raw_bytes(Ref ref) {
  if (auto* bytes = std::get_if<Bytes>(&objects_[ref])) return &bytes->data;
  return std::get_if<std::string>(&objects_[ref]);  // Python 2 had no other bytes
}

std::optional<torch::Tensor> Objects::numpy_array(Ref dtype, Ref shape, bool fortran, Ref data) {
  const auto element = numpy_type(dtype);
  std::string* bytes = raw_bytes(data);
  if (!element || !bytes) return std::nullopt;
  auto sizes = numbers(shape, "an array's shape");
  if (sizes.size() > 64) corrupt(str("an array has ", sizes.size(), " dimensions"));
  const size_t item = c10::elementSize(element->type);
  int64_t numel = 1, length = 0;
  bool fits = true, empty = false;
  for (const int64_t size : sizes) {
    empty |= size == 0;
    fits = fits && !__builtin_mul_overflow(numel, std::max<int64_t>(size, 1), &numel);
  }
  fits = fits && !__builtin_mul_overflow(numel, static_cast<int64_t>(item), &length);
  if (empty) length = 0;
  if (!fits || static_cast<uint64_t>(length) != bytes->size()) {
    corrupt(pixelclip::str("an array of shape ", c10::IntArrayRef(sizes), " and ", item,
                           " bytes an element does not fit its ", bytes->size(), " bytes"));
  }
  copied_bytes_ += bytes->size();
  if (copied_bytes_ > pickle_size_) corrupt("arrays share their bytes many times over");
  if (fortran) std::reverse(sizes.begin(), sizes.end());
  auto tensor = torch::empty(sizes, torch::TensorOptions().dtype(element->type));
  if (!bytes->empty()) std::memcpy(tensor.mutable_data_ptr(), bytes->data(), bytes->size());
  if (element->big_endian && !bytes->empty()) {
    reverse_bytes(static_cast<uint8_t*>(tensor.mutable_data_ptr()), bytes->size(),
                  tensor.is_complex() ? item / 2 : item);
  }
  // Large ones are not needed twice; single bytes are shared by Python itself.
  if (bytes->size() > 4096) std::string().swap(*bytes);
  if (!fortran) return tensor;
  std::vector<int64_t> order(sizes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(order.size() - 1 - i);
  return tensor.permute(order);
}

std::optional<Ref> Objects::numpy_scalar(const Refs& args) {
  const auto element = args.size() == 2 ? numpy_type(args[0]) : std::nullopt;
  const std::string* bytes = element ? raw_bytes(args[1]) : nullptr;
  if (!bytes || bytes->size() != c10::elementSize(element->type) || bytes->size() > 8)
    return std::nullopt;
  auto number = torch::empty({}, torch::TensorOptions().dtype(element->type));
  std::memcpy(number.mutable_data_ptr(), bytes->data(), bytes->size());
  if (element->big_endian)
    reverse_bytes(static_cast<uint8_t*>(number.mutable_data_ptr()), bytes->size(), bytes->size());
  if (element->type == torch::kBool) return add(bytes->at(0) != 0);
  if (number.is_complex()) return std::nullopt;
  if (number.is_floating_point()) return add(number.to(torch::kDouble).item<double>());
  return add(number.to(torch::kLong).item<int64_t>());
}

std::optional<Ref> Objects::numpy_call(std::string_view name, const Refs& args) {
  if (is_numpy(name, "multiarray.scalar")) return numpy_scalar(args);
  if (is_numpy(name, "numeric._frombuffer") && args.size() == 4) {
    const auto* order = std::get_if<std::string>(&objects_[args[3]]);
    if (auto array = numpy_array(args[1], args[2], order && *order == "F", args[0]))
      return add(std::move(*array));
  }
  return std::nullopt;
}

void Objects::build(Ref target, Ref state) {
  auto* unknown = std::get_if<UnknownObject>(&objects_[target]);
  if (!unknown) return;  // plain values have no use for a state
  if (is_numpy((*unknown)->name, "multiarray._reconstruct")) {
    const auto* parts = std::get_if<TupleObject>(&objects_[state]);
    if (parts && parts->items.size() == 5) {
      const Refs items = parts->items;
      const auto* fortran = std::get_if<bool>(&objects_[items[3]]);
      const auto* number = std::get_if<int64_t>(&objects_[items[3]]);
      auto array = numpy_array(items[2], items[1],
                               (fortran && *fortran) || (number && *number != 0), items[4]);
      if (array) {
        objects_[target] = std::move(*array);
        return;
      }
    }
  }
  (*unknown)->state = {state};
}

Ref Objects::load_from_bytes(const Refs& args) {
  const Bytes& bytes = expect<Bytes>(args[0], "a storage's bytes");
  const std::span<const uint8_t> data(reinterpret_cast<const uint8_t*>(bytes.data.data()),
                                      bytes.data.size());
  if (++inner_streams_ > kMostInnerStreams || !looks_like_legacy_torch(data))
    corrupt("a storage's bytes are not torch.save's");
  const LegacyStream stream = parse_legacy_torch(data, source_);
  if (stream.storages.size() != 1)
    corrupt("a storage's bytes hold something else than one storage");
  const LegacyStorage& storage = stream.storages.begin()->second;
  copied_bytes_ += storage.bytes.size();
  if (copied_bytes_ > pickle_size_) corrupt("storages share their bytes many times over");
  auto tensor =
      torch::empty({storage.seen.numel}, torch::TensorOptions().dtype(storage.seen.dtype));
  if (!storage.bytes.empty())
    std::memcpy(tensor.mutable_data_ptr(), storage.bytes.data(), storage.bytes.size());
  std::string key = str("bytes ", inner_streams_);
  inner_storages_.emplace(key, std::move(tensor));
  return add(
      std::make_unique<Storage>(Storage{std::move(key), storage.seen.dtype, storage.seen.numel}));
}

}  // namespace pixelclip::io
