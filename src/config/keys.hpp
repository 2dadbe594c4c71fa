#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/geometry.hpp"
#include "config/custom_dataset.hpp"
#include "config/enumerations.hpp"

namespace pixelclip {

namespace config {

/// What a key accepts beyond its type; for lists it holds for each element.
struct Rule {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open_low = false;                  ///< `low` itself is not accepted
  std::vector<std::string> choices = {};  ///< for texts and enumerations; empty: all
  int64_t count = 0;                      ///< elements a list must have; 0: any number
};

inline Rule at_least(double low, int64_t count = 0) { return {.low = low, .count = count}; }
inline Rule more_than(double low, int64_t count = 0) {
  return {.low = low, .open_low = true, .count = count};
}
inline Rule between(double low, double high) { return {.low = low, .high = high}; }
inline Rule one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }
inline Rule exactly(int64_t count) { return {.count = count}; }

/// A member of an enumeration type, read and written as text.
struct EnumMember {
  void* member;
  std::string (*get)(const void* member);
  void (*set)(void* member, const std::string& text);  ///< `text` must spell a value

  template <Spelled E>
  static EnumMember of(E& member) {
    return {&member, [](const void* from) { return to_string(*static_cast<const E*>(from)); },
            [](void* into, const std::string& text) {
              *static_cast<E*>(into) = parse_spelling<E>(text).value();
            }};
  }
};

using Target =
    std::variant<bool*, int64_t*, double*, std::string*, EnumMember, Size2*, std::vector<int64_t>*,
                 std::vector<double>*, std::vector<std::string>*, std::vector<CustomDataset>*>;

/// One key bound to the member that holds its value.
struct Key {
  std::string name;  ///< dotted, for example SOLVER.AMP.ENABLED
  Target target;
  std::string meaning;
  Rule rule;
};

/// Collects the keys of a Config: each section's `visit` calls it once a key or nested section.
class Keys {
 public:
  template <class T>
  void operator()(const char* name, T& member, const char* meaning, Rule rule = {}) {
    if constexpr (Spelled<T>) {
      if (rule.choices.empty()) rule.choices = all_spellings<T>();
      keys_.push_back({prefix_ + name, EnumMember::of(member), meaning, std::move(rule)});
    } else {
      keys_.push_back({prefix_ + name, &member, meaning, std::move(rule)});
    }
  }

  template <class T>
  void section(const char* name, T& member) {
    const std::string outer = prefix_;
    prefix_ += std::string(name) + ".";
    member.visit(*this);
    prefix_ = outer;
  }

  std::vector<Key> take() { return std::move(keys_); }

 private:
  std::string prefix_;
  std::vector<Key> keys_;
};

}  // namespace config
}  // namespace pixelclip
