#include "config/assign.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "config/writer.hpp"

namespace pixelclip::config {
namespace {

using Kind = RawValue::Kind;

bool read(const RawValue& value, bool& out) {
  out = value.boolean;
  return value.kind == Kind::boolean;
}

bool read(const RawValue& value, int64_t& out) {
  out = value.integer;
  return value.kind == Kind::integer;
}

bool read(const RawValue& value, double& out) {
  out = value.kind == Kind::integer ? static_cast<double>(value.integer) : value.real;
  return (value.kind == Kind::integer || value.kind == Kind::real) && std::isfinite(out);
}

bool read(const RawValue& value, std::string& out) {
  out = value.kind == Kind::none ? "" : value.text;
  return value.kind == Kind::text || value.kind == Kind::none;
}

template <class T>
bool read(const RawValue& value, std::vector<T>& out) {
  if (value.kind != Kind::list) return false;
  out.clear();
  for (const RawValue& item : value.list) {
    T element{};
    if (!read(item, element)) return false;
    out.push_back(std::move(element));
  }
  return true;
}

bool read(const RawValue& value, std::vector<CustomDataset>& out) {
  if (value.kind != Kind::list) return false;
  out.clear();
  for (const RawValue& item : value.list) out.push_back(read_custom_dataset(item));
  return true;
}

bool read(const RawValue& value, Size2& out) {
  std::vector<int64_t> sides;
  if (read(value, out.height)) {
    out.width = out.height;
    return true;
  }
  if (!read(value, sides) || sides.size() != 2) return false;
  out = {sides[0], sides[1]};
  return true;
}

bool obeys(double value, const Rule& rule) {
  const bool above = rule.open_low ? value > rule.low : value >= rule.low;
  return std::isfinite(value) && above && value <= rule.high;
}
bool obeys(int64_t value, const Rule& rule) { return obeys(static_cast<double>(value), rule); }
bool obeys(bool, const Rule&) { return true; }
bool obeys(const CustomDataset&, const Rule&) { return true; }
bool obeys(const Size2& value, const Rule& rule) {
  return obeys(value.height, rule) && obeys(value.width, rule);
}
bool obeys(const std::string& value, const Rule& rule) {
  const auto& known = rule.choices;
  return known.empty() || std::find(known.begin(), known.end(), value) != known.end();
}
template <class T>
bool obeys(const std::vector<T>& values, const Rule& rule) {
  if (rule.count != 0 && static_cast<int64_t>(values.size()) != rule.count) return false;
  return std::all_of(values.begin(), values.end(),
                     [&](const auto& value) { return obeys(value, rule); });
}

std::string range_of(const Rule& rule) {
  std::string text;
  if (std::isfinite(rule.low) && rule.low == rule.high) return str(", ", rule.low);
  if (std::isfinite(rule.low))
    text += str(rule.open_low ? ", more than " : ", at least ", rule.low);
  if (std::isfinite(rule.high))
    text += str(text.empty() ? ", at most " : " and at most ", rule.high);
  return text;
}

std::string list_of(const Rule& rule, const char* what, const char* example) {
  return rule.count ? str("a list of ", rule.count, " ", what)
                    : str("a list of ", what, " such as ", example);
}

struct Describe {
  const Rule& rule;

  std::string operator()(const bool*) const { return "True or False"; }
  std::string operator()(const int64_t*) const { return "an integer" + range_of(rule); }
  std::string operator()(const double*) const { return "a number" + range_of(rule); }
  std::string operator()(const std::string*) const {
    return rule.choices.empty() ? "a text" : one_of_choices();
  }
  std::string operator()(const EnumMember&) const { return one_of_choices(); }
  std::string one_of_choices() const {
    std::string text = rule.choices.size() > 1 ? "one of " : "";
    for (size_t i = 0; i < rule.choices.size(); ++i) {
      text += (i ? ", \"" : "\"") + rule.choices[i] + '"';
    }
    return text;
  }
  std::string operator()(const Size2*) const {
    return "(height, width) or one integer for both" + range_of(rule);
  }
  std::string operator()(const std::vector<int64_t>*) const {
    return list_of(rule, "integers", "(1024,)") + range_of(rule);
  }
  std::string operator()(const std::vector<double>*) const {
    return list_of(rule, "numbers", "(0.5, 1)") + range_of(rule);
  }
  std::string operator()(const std::vector<std::string>*) const {
    return "a list of texts such as (\"a\", \"b\")";
  }
  std::string operator()(const std::vector<CustomDataset>*) const { return "a list of maps"; }
};

/// For a text that is none of the choices.
std::string suggestion(const Key& key, const std::string& written) {
  return key.rule.choices.empty() ? "" : did_you_mean(written, key.rule.choices);
}

template <class T>
const T& stored(const T* member) {
  return *member;
}
std::string stored(const EnumMember& target) { return target.get(target.member); }

template <class T>
void store(T* member, T value) {
  *member = std::move(value);
}
void store(const EnumMember& target, const std::string& text) { target.set(target.member, text); }

}  // namespace

std::string accepts(const Key& key) { return std::visit(Describe{key.rule}, key.target); }

void assign(const Key& key, const RawValue& value) {
  const auto into = [&](const auto& target) {
    std::decay_t<decltype(stored(target))> read_value{};
    bool good = read(value, read_value);
    // detectron2 evaluates quoted texts as well: "(640, 640)" and "1e-4" are a tuple and a number.
    if (!good && value.kind == Kind::text && value.quoted) {
      good = read(parse_word(value.text, value.place), read_value);
    }
    if (!good || !obeys(read_value, key.rule)) {
      fail(value.place, ": ", key.name, " is ", value.describe(), "; expected ", accepts(key),
           suggestion(key, value.text));
    }
    store(target, std::move(read_value));
  };
  std::visit(into, key.target);
}

void check_rule(const Key& key, const std::string& place) {
  const bool good =
      std::visit([&](const auto& target) { return obeys(stored(target), key.rule); }, key.target);
  if (!good) fail(place, key.name, " is ", value_text(key), "; expected ", accepts(key));
}

}  // namespace pixelclip::config
