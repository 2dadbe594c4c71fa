#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.hpp"
#include "base/log.hpp"
#include "clip/traits.hpp"
#include "data/catalog.hpp"
#include "engine/trainer.hpp"
#include "io/state_dict.hpp"
#include "solver/lr_scheduler.hpp"

namespace pixelclip {
namespace {

nlohmann::json to_json(const std::vector<StreamPlace>& places) {
  auto json = nlohmann::json::array();
  for (const auto& place : places) json.push_back({place.next, place.waiting});
  return json;
}

std::vector<StreamPlace> places_in(const nlohmann::json& json) {
  std::vector<StreamPlace> places;
  for (const auto& place : json) places.push_back({place.at(0), place.at(1)});
  return places;
}

/// In a checkpoint: for each rank the next position, then those that wait.
ValueList to_value(const std::vector<StreamPlace>& places) {
  ValueList list;
  for (const auto& place : places) {
    ValueList numbers{place.next};
    for (const int64_t position : place.waiting) numbers.emplace_back(position);
    list.emplace_back(std::move(numbers));
  }
  return list;
}

/// None when they are damaged or of another number of ranks.
std::vector<StreamPlace> places_in(const Value& value, int64_t ranks) {
  std::vector<StreamPlace> places;
  for (const auto& rank : value.as_list("places")) {
    StreamPlace place{-1, {}};
    for (const auto& number : rank.as_list("places")) {
      const int64_t position = number.as_int("places");
      if (position < 0) return {};
      if (place.next < 0)
        place.next = position;
      else
        place.waiting.push_back(position);
    }
    if (place.next < 0) return {};
    places.push_back(std::move(place));
  }
  return static_cast<int64_t>(places.size()) == ranks ? places : std::vector<StreamPlace>();
}

/// The value under the first of `paths` that exists; null when none does.
const Value* find(const Dict& state, const std::vector<std::vector<std::string>>& paths) {
  for (const auto& path : paths) {
    const Dict* dict = &state;
    for (size_t i = 0; dict && i < path.size(); ++i) {
      const Value* found = dict->find(path[i]);
      if (found && i + 1 == path.size()) return found;
      dict = found ? found->get_if<Dict>() : nullptr;
    }
  }
  return nullptr;
}

}  // namespace

Trainer::Trainer(const Config& config, StartingPoint start, Comm& comm)
    : config_(config),
      start_(std::move(start)),
      model_(start_.model),
      comm_(comm),
      step_(config, model_, comm),
      checkpointer_(config.output_dir, config.solver.checkpoint_keep) {
  if (comm_.is_main()) {
    start_seed();
    if (start_.goes_on) load(start_.source, start_.state);
    start_.state = Value();
  }
  share_state();
  if (comm_.is_main()) log::info(describe(step_.optimizer().groups()));
  go_without_scores_where_no_set_is();
}

void Trainer::go_without_scores_where_no_set_is() {
  scoring_ = !config_.datasets.test.empty();
  if (!scoring_) return;
  const Catalog catalog(config_.datasets);
  std::string why;
  const bool there =
      std::any_of(config_.datasets.test.begin(), config_.datasets.test.end(),
                  [&](const std::string& set) { return on_disk(catalog.find(set), &why); });
  if (comm_.all_reduce(there ? 1 : 0, "whether a test set is on disk", Reduce::max) > 0) return;
  if (comm_.is_main())
    log::warn("training goes without scores, for no set of DATASETS.TEST is on disk: ", why);
  scoring_ = false;
}

void Trainer::start_seed() {
  at_.seed =
      config_.seed >= 0 ? static_cast<uint64_t>(config_.seed) : std::random_device{}() & 0x7fffffff;
}

void Trainer::share_state() {
  const nlohmann::json own = {at_.seed,    at_.iteration, at_.position,       at_.evaluated,
                              at_.skipped, at_.best,      to_json(at_.places)};
  const auto all = nlohmann::json::parse(comm_.broadcast(own.dump(), "where the run stands"));
  at_ = {.seed = all[0],
         .iteration = all[1],
         .position = all[2],
         .places = places_in(all[6]),
         .evaluated = all[3],
         .skipped = all[4],
         .best = all[5]};
  if (!start_.goes_on) {
    broadcast_tensors(model_->parameters(), comm_, "the model's parameters");
    broadcast_tensors(model_->buffers(), comm_, "the model's buffers");
  }
  if (at_.iteration == 0) return;
  broadcast_tensors(step_.optimizer().state_tensors(), comm_, "the optimiser's state");
  broadcast_tensors({step_.scaler().numbers()}, comm_, "the loss scale");
}

/// The entry `trainer` as detectron2's DefaultTrainer keeps it: its hooks with the scheduler, and
/// inside SimpleTrainer or AMPTrainer with the optimiser. Rates are those of the step that comes
/// next.
Value Trainer::public_state() const {
  ValueList rates;
  for (const auto& group : step_.optimizer().groups()) rates.emplace_back(group.learning_rate);
  Dict scheduler, hooks, inner, outer;
  scheduler.set("base_lrs", std::move(rates));
  scheduler.set("last_epoch", at_.iteration);
  hooks.set("LRScheduler", std::move(scheduler));
  inner.set("iteration", at_.iteration - 1);
  inner.set("optimizer",
            step_.optimizer().state(learning_rate_factor(config_.solver, at_.iteration)));
  if (config_.solver.amp.enabled) inner.set("grad_scaler", step_.scaler().state());
  outer.set("iteration", at_.iteration - 1);
  outer.set("hooks", std::move(hooks));
  outer.set("_trainer", std::move(inner));
  return outer;
}

void Trainer::note_places() {
  const auto all = comm_.all_gather(to_json(loader_->places()).dump(), "where the loaders stand");
  const int64_t ranks = comm_.world_size(), parts = config_.solver.accumulate_steps;
  at_.places.assign(ranks * parts, {});
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const auto places = places_in(nlohmann::json::parse(all[rank]));
    for (int64_t part = 0; part < parts; ++part) at_.places[rank + ranks * part] = places[part];
  }
}

Value Trainer::state() const {
  Dict own;  // what the public implementation does not keep
  own.set("seed", static_cast<int64_t>(at_.seed));
  own.set("position", at_.position);
  own.set("places", to_value(at_.places));
  own.set("evaluated", at_.evaluated);
  own.set("skipped", at_.skipped);
  own.set("best", at_.best);
  own.set("world_size", comm_.world_size());
  own.set("accumulate_steps", config_.solver.accumulate_steps);
  own.set("ims_per_batch", config_.solver.ims_per_batch);
  Dict state;
  state.set("model", to_value(state_of(*model_)));
  state.set("trainer", public_state());
  state.set("iteration", at_.iteration - 1);
  state.set("pixelclip", std::move(own));
  for (const auto& [key, text] : record_of(start_.architecture)) state.set(key, text);
  return state;
}

void Trainer::save(const std::string& name) {
  if (name == Checkpointer::numbered(at_.iteration - 1)) saved_ = at_.iteration;
  if (comm_.is_main()) checkpointer_.save(name, state());
}

void Trainer::load_optimizer(const std::filesystem::path& path, const Dict& state) {
  // Beside the model in earlier checkpoints of this program.
  const auto* saved = find(state, {{"trainer", "_trainer", "optimizer"}, {"optimizer"}});
  std::string why = "it holds none";
  auto& optimizer = step_.optimizer();
  if (!saved || !optimizer.load_state(*saved, &why)) {
    log::warn(path.string(), ": the optimiser starts anew, its saved state does not fit: ", why);
  } else if (const auto changed = optimizer.changed_rate(*saved); !changed.empty()) {
    log::warn("the run goes on with other learning rates than it had, as the configuration says: ",
              changed);
  }
  const auto* scaler = find(state, {{"trainer", "_trainer", "grad_scaler"}, {"grad_scaler"}});
  if (scaler && step_.scaler().enabled()) step_.scaler().load_state(*scaler);
}

void Trainer::load(const std::filesystem::path& path, const Value& value) {
  const auto& state = value.as_dict(path.string());
  if (const auto* iteration = find(state, {{"iteration"}, {"trainer", "iteration"}})) {
    at_.iteration = iteration->as_int("iteration") + 1;
  }
  load_optimizer(path, state);
  at_.position = at_.iteration * config_.solver.ims_per_batch;
  if (const auto* found = state.find("pixelclip")) {
    const auto& own = found->as_dict("pixelclip");
    at_.seed = static_cast<uint64_t>(own.at("seed").as_int("seed"));
    at_.position = own.at("position").as_int("position");
    const int64_t ranks = comm_.world_size() * config_.solver.accumulate_steps;
    if (const auto* places = own.find("places")) at_.places = places_in(*places, ranks);
    at_.best = own.at("best").as_double("best");
    if (const auto* evaluated = own.find("evaluated"))
      at_.evaluated = evaluated->as_int("evaluated");
    if (const auto* skipped = own.find("skipped")) at_.skipped = skipped->as_int("skipped");
    say_what_differs(own);
  }
  log::info("resuming from ", path.string(), " at iteration ", at_.iteration);
}

void Trainer::say_what_differs(const Dict& own) const {
  if (config_.seed >= 0 && static_cast<uint64_t>(config_.seed) != at_.seed) {
    log::warn("the run goes on with its seed ", at_.seed, ", not with SEED ", config_.seed);
  }
  const auto number = [&](const char* key, int64_t otherwise) {
    const auto* found = own.find(key);
    return found ? found->as_int(key) : otherwise;
  };
  const int64_t ranks = comm_.world_size(), parts = config_.solver.accumulate_steps,
                images = config_.solver.ims_per_batch;
  const int64_t old_ranks = number("world_size", ranks),
                old_parts = number("accumulate_steps", parts),
                old_images = number("ims_per_batch", images);
  const auto layout = [](int64_t w, int64_t v, int64_t b) {
    return pixelclip::str(b, " images over ", w, " process(es) in ", v, " part(s) each");
  };
  const auto change = pixelclip::str("a step was ", layout(old_ranks, old_parts, old_images),
                                     " and is now ", layout(ranks, parts, images), ": ");
  if (images != old_images) {
    log::warn(change, "the stream of samples goes on at number ", at_.position,
              ", but steps see other images than in a run without the change");
  } else if (ranks * parts != old_ranks * old_parts) {
    const bool grouped = config_.dataloader.aspect_ratio_grouping;
    log::warn(change,
              grouped ? "the loss is a mean over other parts, and with "
                        "DATALOADER.ASPECT_RATIO_GROUPING steps see "
                        "other images than in a run without the change"
                      : "the same images in each step, but the loss is a mean over other parts");
  } else if (ranks != old_ranks) {
    log::info(change, "only rounding differs");
  }
}

}  // namespace pixelclip
