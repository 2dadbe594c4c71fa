#include "io/small_json.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"

namespace pixelclip {

nlohmann::json read_small_json(const std::filesystem::path& path) {
  constexpr size_t kLargest = 4'000'000;
  constexpr int kDeepest = 16;
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > kLargest) {
    fail(path.string(), ": it takes ", bytes.size(), " bytes, more than the ", kLargest,
         " that such a JSON file may need");
  }
  const auto shallow = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kDeepest) fail(path.string(), ": its JSON nests deeper than ", kDeepest, " levels");
    return true;
  };
  nlohmann::json value;
  try {
    value = nlohmann::json::parse(bytes.begin(), bytes.end(), shallow);
  } catch (const nlohmann::json::exception&) {
    fail(path.string(), ": it is not valid JSON");
  }
  if (!value.is_object()) fail(path.string(), ": a JSON object was expected in it");
  return value;
}

}  // namespace pixelclip
