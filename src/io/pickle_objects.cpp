#include "io/pickle_objects.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/error.hpp"
#include "io/dtypes.hpp"

namespace pixelclip::io {
namespace {

constexpr size_t kMostObjects = 4 << 20;
constexpr double kMostRepeatedBytes = 1 << 30;

/// UTF-8 text back to the bytes it was made from as Latin-1; false when it was not.
bool to_latin1(const std::string& text, std::string& bytes) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<uint8_t>(text[i]);
    if (c < 0x80) {
      bytes += text[i];
    } else if ((c == 0xC2 || c == 0xC3) && i + 1 < text.size()) {
      bytes += static_cast<char>((c & 3) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3F));
    } else {
      return false;
    }
  }
  return true;
}

bool is_any_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Ref Objects::add(Object object) {
  if (objects_.size() >= kMostObjects)
    corrupt(str("it holds more than ", kMostObjects, " objects"));
  objects_.push_back(std::move(object));
  return static_cast<Ref>(objects_.size() - 1);
}

Ref Objects::add_unknown(std::string name, Refs args) {
  return add(std::make_unique<Unknown>(Unknown{std::move(name), std::move(args), {}}));
}

void Objects::corrupt(const std::string& what) const {
  fail(source_, ": the pickle is corrupt or hostile: ", what);
}

Ref Objects::call(Ref callable, Ref args_ref) {
  const Refs& args = expect<TupleObject>(args_ref, "a call's arguments").items;
  // What an unknown call returned may be called as well; that stays unknown.
  if (std::get_if<UnknownObject>(&objects_[callable]))
    return add_unknown("an unknown function", args);
  const std::string& name = expect<GlobalObject>(callable, "a class or function").name;
  if (const auto known = known_call(name, args)) return *known;
  return add_unknown(name, args);
}

std::optional<Ref> Objects::known_call(std::string_view name, const Refs& args) {
  if (is_any_of(name, {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
                       "torch._utils._rebuild_tensor"})) {
    return rebuild_tensor(name, args);
  }
  if (is_any_of(name,
                {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
                 "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_tensorlist",
                 "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist",
                 "torch.jit._pickle.restore_type_tag", "torch.Size"})) {
    if (args.empty()) corrupt(str("a call of ", name, " lacks its argument"));
    return args[0];
  }
  if (name == "torch._tensor._rebuild_from_type_v2") {  // function, type, its arguments, state
    if (args.size() != 4) corrupt(str("a call of ", name, " lacks arguments"));
    const std::string& inner = expect<GlobalObject>(args[0], "a function").name;
    // One level only: a chain of these would nest calls without bound.
    if (inner == name) return std::nullopt;
    return call(args[0], args[2]);
  }
  if (name == "collections.OrderedDict" || name == "builtins.dict" || name == "__builtin__.dict") {
    return args.empty() ? add(DictObject()) : dict_from_pairs(args[0]);
  }
  if (name == "collections.defaultdict") return add(DictObject());
  if (name == "_codecs.encode") return encode(args);
  if (name == "torch.storage._load_from_bytes" && args.size() == 1) return load_from_bytes(args);
  // A device's tensor that was brought over as an array.
  if (name == "torch._utils._rebuild_device_tensor_from_numpy" && !args.empty() &&
      std::get_if<torch::Tensor>(&objects_[args[0]])) {
    return args[0];
  }
  return numpy_call(name, args);
}

Ref Objects::dict_from_pairs(Ref list) {
  if (const auto* dict = std::get_if<DictObject>(&objects_[list]))
    return add(DictObject{dict->items});
  Refs items;
  for (const Ref pair : expect<ListObject>(list, "a list of pairs").items) {
    const auto* entries = std::get_if<ListObject>(&objects_[pair]);
    const Refs& both = entries ? entries->items : expect<TupleObject>(pair, "a pair").items;
    if (both.size() != 2) corrupt("a dict is made from something else than pairs");
    items.insert(items.end(), both.begin(), both.end());
  }
  return add(DictObject{std::move(items)});
}

/// Python 3 writes bytes in protocol 2 as text encoded to Latin-1.
Ref Objects::encode(const Refs& args) {
  if (args.empty()) corrupt("a call of _codecs.encode lacks its argument");
  Bytes bytes;
  if (!to_latin1(expect<std::string>(args[0], "text"), bytes.data))
    corrupt("bytes are not Latin-1");
  return add(std::move(bytes));
}

Ref Objects::persistent(Ref id) {
  const Refs& parts = expect<TupleObject>(id, "a storage's description").items;
  if (parts.size() < 5 || expect<std::string>(parts[0], "the word storage") != "storage") {
    corrupt("a storage's description lacks parts");
  }
  const std::string& type = expect<GlobalObject>(parts[1], "a storage's class").name;
  const size_t dot = type.rfind('.') + 1;
  const std::string_view short_name = std::string_view(type).substr(dot);
  const auto* dtype = find_dtype(&DtypeNames::storage, short_name);
  const bool untyped = short_name == "UntypedStorage";
  if (type.rfind("torch.", 0) != 0 || (!dtype && !untyped)) return add_unknown(type, {});
  const int64_t numel = expect<int64_t>(parts[4], "a storage's size");
  if (numel < 0) corrupt("a storage has a negative size");
  Storage storage{expect<std::string>(parts[2], "a storage's key"),
                  untyped ? torch::kByte : dtype->type, numel};
  const bool is_view = parts.size() > 5 && !std::get_if<std::monostate>(&objects_[parts[5]]);
  seen_.emplace(storage.key, SeenStorage{storage.dtype, numel, is_view});
  return add(std::make_unique<Storage>(std::move(storage)));
}

std::vector<int64_t> Objects::numbers(Ref tuple, const char* what) {
  std::vector<int64_t> values;
  const auto* list = std::get_if<ListObject>(&objects_[tuple]);
  for (const Ref item : list ? list->items : expect<TupleObject>(tuple, what).items) {
    values.push_back(expect<int64_t>(item, what));
    if (values.back() < 0) corrupt(std::string("a negative number stands in ") + what);
  }
  return values;
}

Ref Objects::rebuild_tensor(std::string_view name, const Refs& args) {
  if (args.size() < 4) corrupt("a tensor's description lacks parts");
  if (std::get_if<UnknownObject>(&objects_[args[0]])) return add_unknown(std::string(name), args);
  const Storage& storage = *expect<StorageObject>(args[0], "a tensor's storage");
  torch::ScalarType dtype = storage.dtype;
  if (name == "torch._utils._rebuild_tensor_v3") {
    if (args.size() < 7) corrupt("a tensor's description lacks parts");
    std::string_view type = expect<GlobalObject>(args[6], "a tensor's type").name;
    if (type.substr(0, 6) == "torch.") type.remove_prefix(6);
    const auto* known = find_dtype(&DtypeNames::torch, type);
    if (!known) return add_unknown(std::string(name), args);
    dtype = known->type;
  }
  return add(view(storage, dtype, args));
}

torch::Tensor Objects::view(const Storage& storage, torch::ScalarType dtype, const Refs& args) {
  const auto item_size = static_cast<int64_t>(c10::elementSize(dtype));
  const auto storage_item = static_cast<int64_t>(c10::elementSize(storage.dtype));
  const int64_t offset = expect<int64_t>(args[1], "a tensor's offset");
  const auto sizes = numbers(args[2], "a tensor's shape"), strides = numbers(args[3], "strides");
  if (offset < 0) corrupt("a tensor has a negative offset");
  if (sizes.size() != strides.size() || sizes.size() > 64) {
    corrupt(str("a tensor has ", sizes.size(), " sizes and ", strides.size(), " strides"));
  }
  int64_t bytes = 0, numel = 1, last = offset;
  bool fits = !__builtin_mul_overflow(storage.numel, storage_item, &bytes);
  bool empty = false;
  for (size_t i = 0; i < sizes.size() && fits; ++i) {
    empty |= sizes[i] == 0;
    int64_t reach = 0;
    fits = !__builtin_mul_overflow(std::max<int64_t>(sizes[i], 1), numel, &numel) &&
           !__builtin_mul_overflow(std::max<int64_t>(sizes[i] - 1, 0), strides[i], &reach) &&
           !__builtin_add_overflow(last, reach, &last);
  }
  const int64_t storage_numel = bytes / item_size;
  if (!fits || (empty ? offset > storage_numel : last >= storage_numel)) {
    corrupt(pixelclip::str("a tensor of shape ", c10::IntArrayRef(sizes), ", strides ",
                           c10::IntArrayRef(strides), " and offset ", offset,
                           " does not fit its storage '", printable(storage.key), "' of ",
                           storage_numel, " elements"));
  }
  if (!empty && numel > last - offset + 1) {
    repeated_bytes_ += static_cast<double>(numel) * static_cast<double>(item_size);
    if (repeated_bytes_ > kMostRepeatedBytes) {
      corrupt(str("tensors repeat their elements to more than ", kMostRepeatedBytes, " bytes"));
    }
  }
  if (const auto inner = inner_storages_.find(storage.key); inner != inner_storages_.end()) {
    const auto& data = inner->second;
    return (data.scalar_type() == dtype ? data : data.view(dtype))
        .as_strided(sizes, strides, offset);
  }
  return storage_(storage.key, dtype, storage_numel).as_strided(sizes, strides, offset);
}

namespace {

constexpr int kDeepest = 256;

/// Turns the graph of objects into a tree; what is shared is copied, within a budget.
class Unfolder {
 public:
  Unfolder(Objects& objects, size_t pickle_size) : objects_(objects) {
    // A reference takes two bytes of the pickle at least, and few things are referred to often.
    nodes_left_ = std::min<int64_t>(16 << 20, (100 << 10) + 4 * static_cast<int64_t>(pickle_size));
    bytes_left_ = (16 << 20) + 16 * static_cast<int64_t>(pickle_size);
  }

  Value value(Ref ref, int depth = 0) {
    if (depth > kDeepest) {
      objects_.corrupt(str("objects nest deeper than ", kDeepest, " levels or hold themselves"));
    }
    spend(0);
    return std::visit([&](const auto& object) { return convert(object, depth + 1); },
                      objects_[ref]);
  }

 private:
  void spend(size_t bytes) {
    bytes_left_ -= static_cast<int64_t>(bytes);
    if (--nodes_left_ < 0 || bytes_left_ < 0) {
      objects_.corrupt("its shared parts unfold to far more than it holds");
    }
  }

  ValueList values(const Refs& refs, int depth) {
    ValueList list;
    for (const Ref ref : refs) list.push_back(value(ref, depth));
    return list;
  }

  Value convert(std::monostate, int) { return {}; }
  Value convert(bool value, int) { return value; }
  Value convert(int64_t value, int) { return value; }
  Value convert(double value, int) { return value; }
  Value convert(const torch::Tensor& tensor, int) { return tensor; }
  Value convert(const std::string& text, int) {
    spend(text.size());
    return text;
  }
  Value convert(const Bytes& bytes, int) {
    spend(bytes.data.size());
    return bytes;
  }
  Value convert(const ListObject& list, int depth) { return values(list.items, depth); }
  Value convert(const TupleObject& tuple, int depth) { return Tuple{values(tuple.items, depth)}; }
  Value convert(const GlobalObject& global, int) {
    spend(global.name.size());
    return Opaque{global.name, {}, {}};
  }
  Value convert(const StorageObject&, int) { return Opaque{"torch.storage.TypedStorage", {}, {}}; }
  Value convert(const UnknownObject& object, int depth) {
    spend(object->name.size());
    return Opaque{object->name, values(object->args, depth), values(object->state, depth)};
  }

  /// As in Python, a later value replaces an earlier one under the same key.
  Value convert(const DictObject& object, int depth) {
    Dict dict;
    std::unordered_map<std::string, size_t> places;
    for (size_t i = 0; i + 1 < object.items.size(); i += 2) {
      Value key = value(object.items[i], depth), item = value(object.items[i + 1], depth);
      const auto* text = key.get_if<std::string>();
      const auto* number = key.get_if<int64_t>();
      if (text || number) {
        std::string name = text ? "s" + *text : "i" + std::to_string(*number);
        const auto [known, added] = places.emplace(std::move(name), dict.items.size());
        if (!added) {
          dict.items[known->second].second = std::move(item);
          continue;
        }
      }
      dict.items.emplace_back(std::move(key), std::move(item));
    }
    return dict;
  }

  Objects& objects_;
  int64_t nodes_left_, bytes_left_;
};

}  // namespace

Value Objects::unfold(Ref root) { return Unfolder(*this, pickle_size_).value(root); }

}  // namespace pixelclip::io
