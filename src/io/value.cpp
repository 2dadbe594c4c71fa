#include "io/value.hpp"

#include "base/error.hpp"

namespace pixelclip {
namespace {

template <typename T>
const T& expect(const Value& value, std::string_view what, const char* expected) {
  if (const T* found = value.get_if<T>()) return *found;
  fail(what, " is ", value.kind(), ", expected ", expected);
}

}  // namespace

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    const auto* text = name.get_if<std::string>();
    if (text && *text == key) return &value;
  }
  return nullptr;
}

const Value* Dict::find(int64_t key) const {
  for (const auto& [name, value] : items) {
    const auto* number = name.get_if<int64_t>();
    if (number && *number == key) return &value;
  }
  return nullptr;
}

const Value& Dict::at(std::string_view key) const {
  if (const Value* value = find(key)) return *value;
  fail("there is no entry '", key, "'");
}

void Dict::set(std::string key, Value value) {
  if (const Value* known = find(key)) {
    *const_cast<Value*>(known) = std::move(value);
  } else {
    items.emplace_back(std::move(key), std::move(value));
  }
}

bool Value::as_bool(std::string_view what) const {
  return expect<bool>(*this, what, "True or False");
}

int64_t Value::as_int(std::string_view what) const {
  return expect<int64_t>(*this, what, "an integer");
}

double Value::as_double(std::string_view what) const {
  if (const auto* integer = get_if<int64_t>()) return static_cast<double>(*integer);
  return expect<double>(*this, what, "a number");
}

const std::string& Value::as_string(std::string_view what) const {
  return expect<std::string>(*this, what, "a string");
}

const ValueList& Value::as_list(std::string_view what) const {
  if (const auto* tuple = get_if<Tuple>()) return tuple->items;
  return expect<ValueList>(*this, what, "a list");
}

const Dict& Value::as_dict(std::string_view what) const {
  return expect<Dict>(*this, what, "a dict");
}

const torch::Tensor& Value::as_tensor(std::string_view what) const {
  return expect<torch::Tensor>(*this, what, "a tensor");
}

std::string Value::kind() const {
  // In the order of the variant's alternatives.
  static constexpr const char* names[] = {"None",  "a bool", "an integer", "a float", "a string",
                                          "bytes", "a list", "a tuple",    "a dict",  "a tensor"};
  if (const auto* object = get_if<Opaque>()) return "an object of class " + printable(object->name);
  return names[data.index()];
}

}  // namespace pixelclip
