#include "engine/run_state.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pixelclip {
namespace {

/// For each rank the next position, then those that wait.
ValueList to_value(const std::vector<StreamPlace>& places) {
  ValueList list;
  for (const auto& place : places) {
    ValueList numbers{place.next};
    for (const int64_t position : place.waiting) numbers.emplace_back(position);
    list.emplace_back(std::move(numbers));
  }
  return list;
}

/// Empty when they are damaged or of another number of ranks.
std::vector<StreamPlace> places_from_value(const Value& value, int64_t ranks) {
  std::vector<StreamPlace> places;
  for (const auto& rank : value.as_list("places")) {
    std::vector<int64_t> positions;
    for (const auto& number : rank.as_list("places")) positions.push_back(number.as_int("places"));
    const bool damaged = positions.empty() || std::any_of(positions.begin(), positions.end(),
                                                          [](int64_t p) { return p < 0; });
    if (damaged) return {};
    places.push_back({positions[0], {positions.begin() + 1, positions.end()}});
  }
  return static_cast<int64_t>(places.size()) == ranks ? places : std::vector<StreamPlace>();
}

}  // namespace

// Found by nlohmann-json.
void to_json(nlohmann::json& json, const StreamPlace& place) {
  json = {{"next", place.next}, {"waiting", place.waiting}};
}

void from_json(const nlohmann::json& json, StreamPlace& place) {
  json.at("next").get_to(place.next);
  json.at("waiting").get_to(place.waiting);
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RunState, seed, iteration, position, places, evaluated, skipped,
                                   best)

std::string to_json(const RunState& state) { return nlohmann::json(state).dump(); }

RunState run_state_from_json(const std::string& text) {
  return nlohmann::json::parse(text).get<RunState>();
}

std::string to_json(const std::vector<StreamPlace>& places) {
  return nlohmann::json(places).dump();
}

std::vector<StreamPlace> places_from_json(const std::string& text) {
  return nlohmann::json::parse(text).get<std::vector<StreamPlace>>();
}

Dict to_dict(const RunState& state, const StepLayout& layout) {
  Dict entry;
  entry.set("seed", static_cast<int64_t>(state.seed));
  entry.set("position", state.position);
  entry.set("places", to_value(state.places));
  entry.set("evaluated", state.evaluated);
  entry.set("skipped", state.skipped);
  entry.set("best", state.best);
  entry.set("world_size", layout.ranks);
  entry.set("accumulate_steps", layout.parts);
  entry.set("ims_per_batch", layout.images);
  return entry;
}

StepLayout read_run_state(const Dict& entry, const StepLayout& layout, RunState& state) {
  const auto integer = [&](const char* key, int64_t otherwise) {
    const auto* found = entry.find(key);
    return found ? found->as_int(key) : otherwise;
  };
  state.seed = static_cast<uint64_t>(entry.at("seed").as_int("seed"));
  state.position = entry.at("position").as_int("position");
  if (const auto* places = entry.find("places"))
    state.places = places_from_value(*places, layout.ranks * layout.parts);
  state.evaluated = integer("evaluated", state.evaluated);
  state.skipped = integer("skipped", state.skipped);
  state.best = entry.at("best").as_double("best");
  return {.ranks = integer("world_size", layout.ranks),
          .parts = integer("accumulate_steps", layout.parts),
          .images = integer("ims_per_batch", layout.images)};
}

}  // namespace pixelclip
