#include "io/pickle_writer.hpp"

#include <bit>
#include <limits>

#include "base/error.hpp"
#include "io/dtypes.hpp"

namespace pixelclip {
namespace {

using io::DtypeNames;

class PickleStream {
 public:
  PickleStream(const std::function<StoredTensor(const torch::Tensor&)>& place,
               const std::function<torch::ScalarType(const torch::Tensor&)>& dtype)
      : place_(place), dtype_(dtype) {}

  std::string run(const Value& value) {
    out_ = "\x80\x02";
    put(value);
    out_ += '.';
    return std::move(out_);
  }

 private:
  void put(const Value& value) {
    std::visit([&](const auto& item) { put_item(item); }, value.data);
  }

  void put_item(std::monostate) { out_ += 'N'; }
  void put_item(bool value) { out_ += value ? '\x88' : '\x89'; }
  void put_item(double value) {
    out_ += 'G';
    little_endian(__builtin_bswap64(std::bit_cast<uint64_t>(value)), 8);
  }
  void put_item(int64_t value) {
    if (value >= 0 && value < 256) {
      out_ += 'K';
      little_endian(value, 1);
    } else if (value >= std::numeric_limits<int32_t>::min() &&
               value <= std::numeric_limits<int32_t>::max()) {
      out_ += 'J';
      little_endian(value, 4);
    } else {
      out_ += "\x8a\x08";
      little_endian(value, 8);
    }
  }
  void put_item(const std::string& text) {
    if (text.size() > std::numeric_limits<uint32_t>::max())
      fail("a text beyond 4 GiB cannot be written");
    out_ += 'X';
    little_endian(text.size(), 4);
    out_ += text;
  }
  /// Protocol 2 has no bytes: Python encodes text that holds them as Latin-1.
  void put_item(const Bytes& bytes) {
    global("_codecs", "encode");
    std::string text;
    for (const char c : bytes.data) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte >= 0x80) text += static_cast<char>(0xC0 | byte >> 6);
      text += byte >= 0x80 ? static_cast<char>(0x80 | (byte & 0x3F)) : c;
    }
    put_item(text);
    put_item(std::string("latin1"));
    out_ += "\x86R";
  }
  void put_item(const ValueList& list) {
    out_ += "](";
    for (const auto& item : list) put(item);
    out_ += 'e';
  }
  void put_item(const Tuple& tuple) {
    out_ += '(';
    for (const auto& item : tuple.items) put(item);
    out_ += 't';
  }
  void put_item(const Dict& dict) {
    out_ += "}(";
    for (const auto& [key, value] : dict.items) {
      put(key);
      put(value);
    }
    out_ += 'u';
  }
  void put_item(const Opaque& object) {
    fail("an object of class ", printable(object.name), " cannot be written to a torch file");
  }

  /// _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks); types without a
  /// storage class of their own take bytes and _rebuild_tensor_v3(…, dtype).
  void put_item(const torch::Tensor& tensor) {
    const DtypeNames* names = io::find_dtype(dtype_(tensor));
    if (!names)
      fail("a tensor of type ", tensor.dtype().name(), " cannot be written to a torch file");
    const StoredTensor stored = place_(tensor);
    const bool typed = names->storage[0] != '\0';
    global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    out_ += "((";
    put_item(std::string("storage"));
    if (typed) {
      global("torch", names->storage);
    } else {
      global("torch.storage", "UntypedStorage");
    }
    put_item(stored.key);
    put_item(std::string("cpu"));
    put_item(typed ? stored.numel
                   : stored.numel * static_cast<int64_t>(c10::elementSize(names->type)));
    out_ += "tQ";
    put_item(stored.offset);
    put_numbers(tensor.sizes());
    put_numbers(stored.strides);
    put_item(false);
    global("collections", "OrderedDict");
    out_ += ")R";
    if (!typed) global("torch", names->torch);
    out_ += "tR";
  }

  void put_numbers(c10::IntArrayRef numbers) {
    out_ += '(';
    for (const int64_t number : numbers) put_item(number);
    out_ += 't';
  }

  void global(const char* module, const char* name) {
    out_ += std::string("c") + module + '\n' + name + '\n';
  }

  void little_endian(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) out_ += static_cast<char>(value >> (8 * i) & 0xFF);
  }

  const std::function<StoredTensor(const torch::Tensor&)>& place_;
  const std::function<torch::ScalarType(const torch::Tensor&)>& dtype_;
  std::string out_;
};

}  // namespace

std::string pickle(const Value& value,
                   const std::function<StoredTensor(const torch::Tensor&)>& place,
                   const std::function<torch::ScalarType(const torch::Tensor&)>& dtype) {
  return PickleStream(place, dtype).run(value);
}

}  // namespace pixelclip
