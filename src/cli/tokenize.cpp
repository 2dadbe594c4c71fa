#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "text/bpe_tokenizer.hpp"

namespace pixelclip::cli {
namespace {

void print_ids(const std::string& text) {
  std::cout << nlohmann::json(BpeTokenizer::shared().encode(text)).dump() << '\n';
}

/// The arguments after the name of the subcommand and an optional "--".
std::vector<std::string> typed_texts() {
  const auto all = arguments();
  auto start = std::find(all.begin(), all.end(), "tokenize");
  if (start != all.end()) ++start;
  if (start != all.end() && *start == "--") ++start;
  return {start, all.end()};
}

void tokenize_lines(std::istream& in) {
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    with_context(str("standard input, line ", ++number), [&] { print_ids(line); });
  }
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto* command = app.add_subcommand(
      "tokenize",
      "Print the CLIP token ids of texts, one JSON array in each line, without padding.\n"
      "The texts are the arguments, or the lines of standard input without arguments.");
  // CLI11 would split "[a, b]" into a list and reorder arguments that begin with a dash, so it only
  // checks and documents the arguments; the texts are taken from the command line itself.
  auto first = std::make_shared<std::string>();
  command->add_option("TEXT", *first, "texts; -- before the first if it looks like an option")
      ->type_name("...");
  command->prefix_command();
  command->callback([first] {
    const auto texts = typed_texts();
    for (const auto& text : texts) print_ids(text);
    if (texts.empty()) tokenize_lines(std::cin);
    std::cout.flush();
  });
}

}  // namespace pixelclip::cli
