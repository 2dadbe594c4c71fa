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

#include "pixelclip/io/pickle.hpp"

/// Python's objects while a pickle is being read. They refer to each other by number, so cycles,
/// sharing and any depth cost nothing until the finished graph is unfolded into a Value.
namespace pixelclip::io {

using Ref = uint32_t;
using Refs = std::vector<Ref>;

struct ListObject { Refs items; };
struct TupleObject { Refs items; };
/// Keys and values in turn.
struct DictObject { Refs items; };
/// A class or function by its name, module.name.
struct GlobalObject { std::string name; };
struct Storage { std::string key; torch::ScalarType dtype; int64_t numel; };
/// The result of a call that has no meaning here.
struct Unknown { std::string name; Refs args, state; };
// Behind pointers, so that the many small objects stay small.
using StorageObject = std::unique_ptr<Storage>;
using UnknownObject = std::unique_ptr<Unknown>;

using Object = std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, ListObject,
                            TupleObject, DictObject, GlobalObject, StorageObject, torch::Tensor,
                            UnknownObject>;

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
  /// The tree below `root`.
  Value unfold(Ref root);

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
  Ref dict_from_pairs(Ref list);

  const std::string& source_;
  size_t pickle_size_;
  const StorageLookup& storage_;
  std::deque<Object> objects_;
  double repeated_bytes_ = 0;  ///< of tensors whose elements overlap themselves
};

}  // namespace pixelclip::io
