#include "engine/run_state.hpp"

#include <nlohmann/json.hpp>

#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;

RunState some_state() {
  return {.seed = 7,
          .iteration = 12,
          .position = 99,
          .places = {{5, {1, 3}}, {6, {}}},
          .evaluated = 10,
          .skipped = 1,
          .best = 30.25};
}

TEST(RunState, ComesBackFromJsonWhoseFieldsHaveNames) {
  const auto text = to_json(some_state());
  EXPECT_EQ(run_state_from_json(text), some_state());
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json.at("iteration"), 12);
  EXPECT_EQ(json.at("places").at(0).at("waiting").at(1), 3);
  EXPECT_EQ(places_from_json(to_json(some_state().places)), some_state().places);
}

TEST(RunState, ComesBackFromACheckpointsEntry) {
  const StepLayout layout{.ranks = 2, .parts = 1, .images = 4};
  RunState state;
  state.iteration = 12;  // kept beside the entry, as detectron2 does
  EXPECT_EQ(read_run_state(to_dict(some_state(), layout), layout, state), layout);
  EXPECT_EQ(state, some_state());
}

TEST(RunState, PlacesOfAnotherNumberOfRanksOrDamagedOnesAreNotUsed) {
  const StepLayout before{.ranks = 2, .parts = 1, .images = 4},
      now{.ranks = 1, .parts = 1, .images = 4};
  RunState state;
  EXPECT_EQ(read_run_state(to_dict(some_state(), before), now, state), before);
  EXPECT_TRUE(state.places.empty());
  auto entry = to_dict(some_state(), before);
  entry.set("places", ValueList{ValueList{5, -1}, ValueList{6}});
  read_run_state(entry, before, state);
  EXPECT_TRUE(state.places.empty());
  entry.set("places", ValueList{ValueList{}, ValueList{6}});
  read_run_state(entry, before, state);
  EXPECT_TRUE(state.places.empty());
}

TEST(RunState, AnEntryOfTheFirstReleaseHasFewerFields) {
  Dict entry{{{"seed", 3}, {"position", 8}, {"best", -1.0}}};
  const StepLayout layout{.ranks = 1, .parts = 2, .images = 4};
  RunState state;
  EXPECT_EQ(read_run_state(entry, layout, state), layout);
  EXPECT_EQ(state.seed, 3u);
  EXPECT_EQ(state.position, 8);
  EXPECT_ERROR(read_run_state(Dict{{{"seed", "x"}}}, layout, state), HasSubstr("seed"));
}

}  // namespace
}  // namespace pixelclip
