#include <algorithm>
#include <unordered_map>

#include "base/error.hpp"
#include "io/pickle_objects.hpp"

namespace pixelclip::io {
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
