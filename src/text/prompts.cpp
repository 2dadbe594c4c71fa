#include "text/prompts.hpp"

#include <filesystem>
#include <iterator>
#include <sstream>
#include <string_view>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "text/unicode.hpp"

namespace pixelclip {
namespace {

#include "text/templates.inc"

size_t count(std::string_view text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
    ++found;
  return found;
}

std::string replace_all(const std::string& text, std::string_view part, std::string_view by) {
  std::string result;
  size_t start = 0;
  for (size_t at = 0; (at = text.find(part, start)) != text.npos; start = at + part.size()) {
    result.append(text, start, at - start).append(by);
  }
  return result.append(text, start);
}

std::vector<std::string> read_templates(const std::string& file) {
  std::vector<std::string> result;
  size_t number = 0;
  for (auto& entry : read_lines(file)) {
    ++number;
    if (entry.empty()) continue;
    if (count(entry, "{}") + count(entry, "{category}") != 1) {
      fail(file, ":", number, ": the template \"", entry,
           "\" must have exactly one {} (or {category}) where the class name goes");
    }
    result.push_back(std::move(entry));
  }
  if (result.empty()) {
    fail(file,
         ": holds no prompt templates; expected one in each line, such as \"a photo of a {}.\"");
  }
  return result;
}

template <size_t N>
std::vector<std::string> list(const char* const (&items)[N]) {
  return {std::begin(items), std::end(items)};
}

}  // namespace

std::vector<std::string> read_lines(const std::string& file) {
  std::string text = read_text(file);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  std::vector<std::string> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    with_context(str(file, ":", result.size() + 1), [&] { unicode::decode(line); });
    result.push_back(trimmed(line));
  }
  return result;
}

std::vector<std::string> templates(const std::string& name_or_file) {
  if (name_or_file == "single") return list(kSingle);
  if (name_or_file == "imagenet_select") return list(kImageNetSelect);
  if (name_or_file == "imagenet") return list(kImageNet);
  if (name_or_file == "vild") return list(kVild);
  std::error_code ignored;
  if (std::filesystem::exists(name_or_file, ignored)) return read_templates(name_or_file);
  const std::vector<std::string> known = {"single", "imagenet_select", "imagenet", "vild"};
  fail("unknown prompt templates \"", name_or_file, "\"", did_you_mean(name_or_file, known),
       ": expected single, imagenet_select, imagenet, vild or a file with one template a line");
}

std::string fill_template(const std::string& text_template, const std::string& name) {
  constexpr std::string_view kVowels = "aeiouAEIOU";
  const bool vowel = !name.empty() && kVowels.find(name[0]) != kVowels.npos;
  const auto with_article = replace_all(text_template, "{article}", vowel ? "an" : "a");
  const auto part = count(with_article, "{category}") > 0 ? "{category}" : "{}";
  return replace_all(with_article, part, name);
}

std::vector<std::string> split_names(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < text.size() && text[i + 1] == separator;
    if (escaped) parts.back() += text[i++];
    if (text[i] == separator && !escaped)
      parts.emplace_back();
    else
      parts.back() += text[i];
  }
  for (auto& part : parts) part = trimmed(part);
  return parts;
}

std::string shown_name(const std::string& name) { return replace_all(name, "\\,", ","); }

std::string with_escaped_commas(const std::string& name) { return replace_all(name, ",", "\\,"); }

std::vector<std::string> split_synonyms(const std::string& name) {
  constexpr std::string_view kSeparator = ", ";
  std::vector<std::string> result;
  size_t start = 0;
  const auto take = [&](size_t end) {
    result.push_back(shown_name(name.substr(start, end - start)));
  };
  for (size_t at = 0; (at = name.find(kSeparator, at)) != name.npos; at += kSeparator.size()) {
    if (at > 0 && name[at - 1] == '\\') continue;
    take(at);
    start = at + kSeparator.size();
  }
  take(name.size());
  std::erase_if(result, [](const std::string& synonym) { return trimmed(synonym).empty(); });
  if (result.empty()) fail("the class name \"", name, "\" is empty");
  return result;
}

}  // namespace pixelclip
