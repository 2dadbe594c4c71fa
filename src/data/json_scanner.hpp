#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pixelclip {

/// Parses JSON text in one pass without building a tree: the caller requests the next value by
/// type. Fast if most of the text is a few long strings. Errors begin with `name` and give the part
/// that the caller entered, else line and column.
class JsonScanner {
 public:
  /// Parses from offset `start`; a byte order mark is skipped.
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

  /// The next string: a view of the text if it has no escapes, else of `scratch`.
  std::string_view string(std::string& scratch);
  /// A whole number (a fraction of zeros is accepted). Errors: anything else, beyond ±2^53.
  int64_t integer();
  /// Errors: anything but a finite number.
  double number();
  /// The next value if it is a finite number or a string of one. Any other value is skipped.
  std::optional<double> try_number();
  /// The same for an integer in [low, high]; else −1.
  int64_t try_whole(int64_t low, int64_t high);
  /// Whether a flag is set: 1, true, or a string of these. Any other value is skipped.
  bool flag();
  /// Skips any value.
  void skip();
  /// The source text of the next value.
  std::string_view raw();
  /// The first character of the next value.
  char peek();
  /// Only white space may follow. Errors: anything else.
  void finish();
  /// Current offset in the text.
  size_t position() const { return at_; }

  /// Errors from now on name part `number` of the file, such as "annotation"; `what` must outlive
  /// the scanner.
  void enter_part(const char* what, int64_t number) { part_ = what, number_ = number, id_ = {}; }
  void leave_part() { part_ = nullptr; }
  /// Sets the part's id, as raw() returns it.
  void name_part(std::string_view id) { id_ = id; }
  /// "annotation 3 (id 77)"; empty outside of parts.
  std::string part() const;

  [[noreturn]] void wrong(const std::string& what) const;

 private:
  void enter(char open, const char* what);
  bool leave(char close);
  bool next(char close);
  void expect(char wanted);
  void white_space();
  void escaped(std::string& out);
  uint32_t hex4();
  std::optional<double> any_number();

  std::string_view text_;
  const std::string& name_;
  size_t at_;
  int depth_ = 0;
  const char* part_ = nullptr;
  int64_t number_ = 0;
  std::string_view id_;
};

}  // namespace pixelclip
