#include "config/per_set.hpp"

#include <algorithm>
#include <sstream>

#include "base/error.hpp"
#include "config/lookup.hpp"

namespace pixelclip {
namespace {

std::vector<std::string> words_of(const std::string& entry) {
  std::istringstream in(entry);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// An entry of TEST.PER_SET: a set's name, then KEY VALUE KEY VALUE ….
std::vector<std::string> per_set_words(const std::string& entry) {
  const auto words = words_of(entry);
  if (words.size() < 3 || words.size() % 2 == 0) {
    fail("TEST.PER_SET holds \"", entry, "\"; expected a set's name and pairs of keys and values ",
         "without spaces, such as \"ade20k_150_test_sem_seg TEST.SHORT_SIDE 448\"");
  }
  for (size_t i = 1; i < words.size(); i += 2) {
    const bool once = words[i] == "TEST.PER_SET" || words[i] == "TEST.PROTOCOL";
    if (once || !words[i].starts_with("TEST.")) {
      fail("TEST.PER_SET sets ", words[i], " for ", words[0],
           "; only keys of TEST may differ between sets, and not PROTOCOL or PER_SET");
    }
  }
  return words;
}

}  // namespace

Config config_for_set(const Config& config, const std::string& set) {
  Config own = config;
  config::Keys collector;
  own.visit(collector);
  const auto keys = collector.take();
  for (const auto& entry : config.test.per_set) {
    const auto words = per_set_words(entry);
    if (words[0] == set)
      config::assign_overrides(keys, {words.begin() + 1, words.end()}, own.passed_over);
  }
  return own;
}

void remove_from_per_set(Config& config, const std::string& key) {
  std::vector<std::string> kept;
  for (const auto& entry : config.test.per_set) {
    const auto words = words_of(entry);
    if (std::find(words.begin(), words.end(), key) == words.end()) {
      kept.push_back(entry);
      continue;
    }
    std::string rest = words[0];
    for (size_t i = 1; i + 1 < words.size(); i += 2) {
      if (words[i] != key) rest += ' ' + words[i] + ' ' + words[i + 1];
    }
    if (rest != words[0]) kept.push_back(rest);
  }
  config.test.per_set = std::move(kept);
}

std::vector<std::string> sets_with_own_keys(const Config& config) {
  std::vector<std::string> sets;
  for (const auto& entry : config.test.per_set) sets.push_back(per_set_words(entry)[0]);
  return sets;
}

}  // namespace pixelclip
