#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pixelclip {

/// Walks over JSON text once, without building anything: the caller says what it expects next. Fast
/// where most of the text is a few long strings. Errors name `name`, line and column.
class JsonScanner {
 public:
  /// Walks from `start` on; a byte order mark is stepped over.
  JsonScanner(std::string_view text, const std::string& name, size_t start = 0)
      : text_(text), name_(name), at_(start == 0 && text.starts_with("\xEF\xBB\xBF") ? 3 : start) {}

  /// Calls `member(key)` for each member; it must consume the value. The key is valid until then.
  template <class Member>
  void object(Member member) {
    enter('{', "an object");
    for (bool more = !leave('}'); more; more = next('}')) {
      std::string key_text;
      const std::string_view key = string(key_text);
      expect(':');
      member(key);
    }
    --depth_;
  }

  /// Calls `element()` for each element; it must consume it.
  template <class Element>
  void array(Element element) {
    enter('[', "a list");
    for (bool more = !leave(']'); more; more = next(']')) element();
    --depth_;
  }

  /// The string; a view of the text where nothing is escaped, else of `scratch`.
  std::string_view string(std::string& scratch);
  /// A whole number (a fraction of zeros is accepted). Errors: anything else, beyond ±2^53.
  int64_t integer();
  /// Errors: anything that is no finite number.
  double number();
  /// Steps over any value.
  void skip();
  /// The first character of the next value.
  char peek();
  /// Only white space may follow. Errors: anything else.
  void finish();
  /// Where it stands in the text.
  size_t position() const { return at_; }

  [[noreturn]] void wrong(const std::string& what) const;

 private:
  void enter(char open, const char* what);
  bool leave(char close);
  bool next(char close);
  void expect(char wanted);
  void white_space();
  void escaped(std::string& out);
  uint32_t hex4();

  std::string_view text_;
  const std::string& name_;
  size_t at_;
  int depth_ = 0;
};

}  // namespace pixelclip
