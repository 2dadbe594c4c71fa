#pragma once

#include <torch/types.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace pixelclip {

struct Value;
using ValueList = std::vector<Value>;

/// Python's bytes.
struct Bytes {
  std::string data;
};

/// Python's tuple.
struct Tuple {
  ValueList items;
};

/// Python's dict (or OrderedDict): pairs in the order they were put in.
struct Dict {
  std::vector<std::pair<Value, Value>> items;

  /// The value under a key, or null. Linear in the number of pairs.
  const Value* find(std::string_view key) const;
  const Value* find(int64_t key) const;
  /// Like find; a missing key is an error that names it.
  const Value& at(std::string_view key) const;
  /// Replaces the value under `key`, or appends the pair.
  void set(std::string key, Value value);
  size_t size() const;
};

/// An object of a class the reader does not know: what it was made from, never run.
struct Opaque {
  std::string name;  ///< module.class
  ValueList args;    ///< of its constructor
  ValueList state;   ///< what its __setstate__ would have been given; empty or one value
};

/// What a pickle holds: a tree of Python's plain values and tensors.
struct Value {
  std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, ValueList, Tuple, Dict,
               torch::Tensor, Opaque>
      data;

  Value() = default;  // None
  // Only a true bool: pointers would convert as well.
  template <std::same_as<bool> T>
  Value(T value) : data(value) {}
  Value(int value) : data(int64_t{value}) {}
  Value(int64_t value) : data(value) {}
  Value(double value) : data(value) {}
  Value(const char* value) : data(std::string(value)) {}
  Value(std::string value) : data(std::move(value)) {}
  Value(Bytes value) : data(std::move(value)) {}
  Value(ValueList value) : data(std::move(value)) {}
  Value(Tuple value) : data(std::move(value)) {}
  Value(Dict value) : data(std::move(value)) {}
  Value(torch::Tensor value) : data(std::move(value)) {}
  Value(Opaque value) : data(std::move(value)) {}

  bool is_none() const { return std::holds_alternative<std::monostate>(data); }
  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(data);
  }
  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&data);
  }
  template <typename T>
  T* get_if() {
    return std::get_if<T>(&data);
  }

  /// Each throws Error "WHAT is a string, expected a number" when the value is something else.
  /// as_double also takes an integer, as_list also a tuple.
  bool as_bool(std::string_view what = "the value") const;
  int64_t as_int(std::string_view what = "the value") const;
  double as_double(std::string_view what = "the value") const;
  const std::string& as_string(std::string_view what = "the value") const;
  const ValueList& as_list(std::string_view what = "the value") const;
  const Dict& as_dict(std::string_view what = "the value") const;
  const torch::Tensor& as_tensor(std::string_view what = "the value") const;

  /// "a string", "a dict", "an object of class X", … for messages.
  std::string kind() const;
};

inline size_t Dict::size() const { return items.size(); }

}  // namespace pixelclip
