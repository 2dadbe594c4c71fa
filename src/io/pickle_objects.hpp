#pragma once

#include <torch/types.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "io/pickle_reader.hpp"

/// Python's objects while a pickle is being read. They refer to each other by number, so cycles,
/// sharing and any depth cost nothing until the finished graph is unfolded into a Value.
namespace pixelclip::io {

using Ref = uint32_t;
using Refs = std::vector<Ref>;

struct ListObject {
  Refs items;
};
struct TupleObject {
  Refs items;
};
/// Keys and values in turn.
struct DictObject {
  Refs items;
};
/// A class or function by its name, module.name.
struct GlobalObject {
  std::string name;
};
struct Storage {
  std::string key;
  torch::ScalarType dtype;
  int64_t numel;
};
/// The result of a call that has no meaning here.
struct Unknown {
  std::string name;
  Refs args, state;
};
// Behind pointers, so that the many small objects stay small.
using StorageObject = std::unique_ptr<Storage>;
using UnknownObject = std::unique_ptr<Unknown>;

using Object =
    std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, ListObject, TupleObject,
                 DictObject, GlobalObject, StorageObject, torch::Tensor, UnknownObject>;

class Objects {
 public:
  Objects(const std::string& source, size_t pickle_size, const StorageLookup& storage)
      : source_(source), pickle_size_(pickle_size), storage_(storage) {}

  Ref add(Object object);
  Ref add_unknown(std::string name, Refs args);
  Object& operator[](Ref ref) { return objects_[ref]; }

  /// What calling `callable` with the tuple `args` makes.
  Ref call(Ref callable, Ref args);
  /// What a persistent id stands for: a tensor's storage.
  Ref persistent(Ref id);
  /// Gives `state` to an object of an unknown class; numpy's arrays become tensors by it.
  void build(Ref target, Ref state);
  /// The tree below `root`.
  Value unfold(Ref root);
  const SeenStorages& seen() const { return seen_; }

  [[noreturn]] void corrupt(const std::string& what) const;
  template <typename T>
  T& expect(Ref ref, const char* what) {
    if (T* object = std::get_if<T>(&objects_[ref])) return *object;
    corrupt(std::string("something else stands where ") + what + " should be");
  }

 private:
  std::vector<int64_t> numbers(Ref tuple, const char* what);
  /// A call whose meaning is known, or nothing.
  std::optional<Ref> known_call(std::string_view name, const Refs& args);
  Ref rebuild_tensor(std::string_view name, const Refs& args);
  /// The strided view of a storage that `args` (storage, offset, sizes, strides, …) describe.
  torch::Tensor view(const Storage& storage, torch::ScalarType dtype, const Refs& args);
  Ref encode(const Refs& args);
  /// A storage that was pickled without torch.save: a legacy stream as bytes.
  Ref load_from_bytes(const Refs& args);

  /// numpy's dtype, when torch has it.
  struct ElementType {
    torch::ScalarType type = torch::kFloat;
    bool big_endian = false;
  };
  std::optional<ElementType> numpy_type(Ref ref);
  std::optional<Ref> numpy_call(std::string_view name, const Refs& args);
  std::optional<Ref> numpy_scalar(const Refs& args);
  /// An array's copy as a tensor; nothing when its elements are no numbers that torch has.
  std::optional<torch::Tensor> numpy_array(Ref dtype, Ref shape, bool fortran, Ref data);
  std::string* raw_bytes(Ref ref);
  Ref dict_from_pairs(Ref list);

  const std::string& source_;
  size_t pickle_size_;
  const StorageLookup& storage_;
  std::deque<Object> objects_;
  SeenStorages seen_;
  static constexpr int kMostInnerStreams = 10'000;
  int inner_streams_ = 0;
  std::map<std::string, torch::Tensor> inner_storages_;
  uint64_t copied_bytes_ = 0;  ///< into tensors of their own
  double repeated_bytes_ = 0;  ///< of tensors whose elements overlap themselves
};

}  // namespace pixelclip::io
