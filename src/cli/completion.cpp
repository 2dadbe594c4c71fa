#include <algorithm>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "cli/commands.hpp"

namespace pixelclip::cli {
namespace {

/// A command as it is typed after the program's name ("bench loader"); the program itself is "".
struct Command {
  std::string words;
  const CLI::App* app;
};

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void collect(const CLI::App& app, const std::string& words, std::vector<Command>& commands) {
  commands.push_back({words, &app});
  for (const auto* sub : subcommands(app)) {
    collect(*sub, words.empty() ? sub->get_name() : words + " " + sub->get_name(), commands);
  }
}

std::vector<std::string> flags_of(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const auto& name : option.get_lnames()) flags.push_back("--" + name);
  for (const auto& name : option.get_snames()) flags.push_back("-" + name);
  return flags;
}

/// "bash zsh" of an option that takes one of a few words, else "". CLI11's name of its type tells:
/// "TEXT:{bash,zsh}".
std::string choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find('{') + 1, end = type.find('}', begin);
  if (begin == 0 || end == type.npos) return "";
  std::string choices = type.substr(begin, end - begin);
  std::replace(choices.begin(), choices.end(), ',', ' ');
  return choices;
}

/// The possible continuations of a command: its subcommands, flags and positional arguments.
std::string next_words(const CLI::App& app) {
  std::string words;
  for (const auto* sub : subcommands(app)) words += sub->get_name() + " ";
  for (const auto* option : app.get_options()) {
    const auto flags = flags_of(*option);
    for (const auto& flag : flags) words += flag + " ";
    if (const auto choices = choices_of(*option); flags.empty() && !choices.empty())
      words += choices + " ";
  }
  if (!words.empty()) words.pop_back();
  return words;
}

void print_bash(const std::vector<Command>& commands) {
  std::cout << "# bash completion for pixelclip; put it where bash looks, or: eval \"$(pixelclip "
               "completion bash)\"\n"
               "_pixelclip() {\n"
               "  local current=${COMP_WORDS[COMP_CWORD]} command= words= i\n"
               "  COMPREPLY=()  # behind a flag: files, by -o default\n"
               "  [[ ${COMP_WORDS[COMP_CWORD - 1]} == --* && $current != -* ]] && return\n"
               "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
               "    case \"${command:+$command }${COMP_WORDS[i]}\" in\n"
               "      ";
  for (size_t i = 1; i < commands.size(); ++i)
    std::cout << (i > 1 ? " | " : "") << '"' << commands[i].words << '"';
  std::cout << ") command=\"${command:+$command }${COMP_WORDS[i]}\" ;;\n"
               "    esac\n"
               "  done\n"
               "  case \"$command\" in\n";
  for (const auto& [words, app] : commands) {
    std::cout << "    \"" << words << "\") words=\"" << next_words(*app) << "\" ;;\n";
  }
  std::cout << "  esac\n"
               "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
               "}\n"
               "complete -o default -F _pixelclip pixelclip\n";
}

/// The first line of a description for a text in single quotes, with a backslash before each of
/// `special`.
std::string for_zsh(const std::string& text, std::string_view special) {
  std::string result;
  for (const char c : text.substr(0, text.find('\n'))) {
    if (special.find(c) != special.npos) result += '\\';
    result += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return result;
}

void print_zsh_function(const Command& command) {
  std::string name = "_pixelclip " + command.words;
  for (char& c : name) c = c == ' ' || c == '-' ? '_' : c;
  const auto subs = subcommands(*command.app);
  std::cout << (command.words.empty() ? "_pixelclip" : name) << "() {\n  _arguments -C";
  int place = 0;
  for (const auto* option : command.app->get_options()) {
    const auto flags = flags_of(*option);
    const std::string choices = choices_of(*option);
    const std::string value = ":value:" + (choices.empty() ? "_files" : "(" + choices + ")");
    for (const auto& flag : flags) {
      std::cout << " \\\n    '" << flag << "[" << for_zsh(option->get_description(), "\\]") << "]"
                << (option->get_items_expected_max() > 0 ? value : "") << "'";
    }
    if (flags.empty()) std::cout << " \\\n    '" << ++place << value << "'";
  }
  if (subs.empty()) {
    std::cout << " \\\n    '*:file:_files'\n}\n\n";
    return;
  }
  std::cout << " \\\n    '1:command:((";
  for (const auto* sub : subs) {
    std::cout << sub->get_name() << "\\:\"" << for_zsh(sub->get_description(), "\\:\"$`") << "\" ";
  }
  std::cout << "))' \\\n    '*::arguments:->rest'\n  [[ $state == rest ]] && case $words[1] in\n";
  for (const auto* sub : subs) {
    std::string function = (command.words.empty() ? "_pixelclip_" : name + "_") + sub->get_name();
    std::cout << "    " << sub->get_name() << ") " << function << " ;;\n";
  }
  std::cout << "  esac\n}\n\n";
}

void print_completion(const CLI::App& program, const std::string& shell) {
  std::vector<Command> commands;
  collect(program, "", commands);
  if (shell == "bash") return print_bash(commands);
  std::cout << "#compdef pixelclip\n# zsh completion for pixelclip; put it as _pixelclip into a "
               "folder of $fpath\n\n";
  for (const auto& command : commands) print_zsh_function(command);
  std::cout << "_pixelclip \"$@\"\n";
}

}  // namespace

void add_completion(CLI::App& app) {
  auto* command = app.add_subcommand(
      "completion", "Print what bash or zsh needs to complete this program's commands and flags");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->callback([&app, shell] { print_completion(app, *shell); });
}

}  // namespace pixelclip::cli
