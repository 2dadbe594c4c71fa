#include "engine/trainer.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "base/stopwatch.hpp"
#include "data/catalog.hpp"
#include "data/train_set.hpp"
#include "engine/output_folder.hpp"
#include "engine/run_checkpoint.hpp"
#include "engine/scoring.hpp"
#include "io/torch_writer.hpp"
#include "solver/lr_scheduler.hpp"
#include "visualization/step_image.hpp"

namespace pixelclip {
namespace {

std::string file_names(const TrainBatch& batch) {
  std::string names;
  for (const auto& sample : batch) names += (names.empty() ? "" : ", ") + sample.file_name;
  return names;
}

ValueList to_value(const TrainBatch& batch) {
  ValueList samples;
  for (const auto& sample : batch) {
    Dict entry;
    entry.set("file_name", sample.file_name);
    entry.set("image", sample.image);
    if (sample.image_strong.defined()) entry.set("image_strong", sample.image_strong);
    entry.set("mask_bits", sample.mask_bits);
    samples.emplace_back(std::move(entry));
  }
  return samples;
}

/// The seed of a run for SEED.
uint64_t seed_of(int64_t seed) {
  return seed >= 0 ? static_cast<uint64_t>(seed) : std::random_device{}() & 0x7fffffff;
}

}  // namespace

Trainer::Trainer(const Config& config, StartingPoint start, Comm& comm)
    : config_(config),
      start_(std::move(start)),
      model_(start_.model),
      comm_(comm),
      layout_{.ranks = comm.world_size(),
              .parts = config.solver.accumulate_steps,
              .images = config.solver.ims_per_batch},
      step_(config.solver, model_, comm),
      checkpointer_(config.output_dir, config.solver.checkpoint_keep) {
  if (comm_.is_main()) {
    state_.seed = seed_of(config_.seed);
    if (start_.resumed)
      resume_from(start_.state, start_.source, config_.dataloader, layout_, state_, step_);
    if (config_.seed >= 0 && static_cast<uint64_t>(config_.seed) != state_.seed)
      log::warn("the run keeps its seed ", state_.seed, "; SEED ", config_.seed, " is not used");
    start_.state = Value();
  }
  broadcast_state();
  if (comm_.is_main()) log::info(describe(step_.optimizer().groups()));
  disable_evaluation_if_no_data();
}

void Trainer::broadcast_state() {
  state_ = run_state_from_json(comm_.broadcast(to_json(state_), "the state of the run"));
  if (!start_.resumed) {
    broadcast_tensors(model_->parameters(), comm_, "the model's parameters");
    broadcast_tensors(model_->buffers(), comm_, "the model's buffers");
  }
  if (state_.iteration == 0) return;
  broadcast_tensors(step_.optimizer().state_tensors(), comm_, "the optimiser's state");
  broadcast_tensors({step_.scaler().numbers()}, comm_, "the loss scale");
}

void Trainer::disable_evaluation_if_no_data() {
  const auto& sets = config_.datasets.test;
  evaluates_ = !sets.empty();
  if (!evaluates_) return;
  const Catalog catalog(config_.datasets);
  std::string why;
  const bool found = std::any_of(sets.begin(), sets.end(), [&](const std::string& set) {
    return on_disk(catalog.find(set), &why);
  });
  evaluates_ = comm_.all_reduce(found ? 1 : 0, "whether a test set is on disk", Reduce::max) > 0;
  if (!evaluates_ && comm_.is_main())
    log::warn("training without evaluation: no set of DATASETS.TEST is on disk: ", why);
}

std::vector<SetResult> Trainer::run() {
  const auto& solver = config_.solver;
  began_ = state_.iteration;
  const bool done = state_.iteration >= solver.max_iter;
  prepare();
  if (done) {
    log::info("nothing to train: iteration ", state_.iteration, " of ", solver.max_iter,
              " is reached");
  }
  const bool at_start = !done && evaluates_ && config_.test.eval_start && state_.iteration == 0;
  if ((at_start && !evaluate_now()) || (evaluation_is_due() && !evaluate_now())) {
    stop();
    return results_;
  }
  if (done) return results_;
  log::info("training from iteration ", state_.iteration, " to ", solver.max_iter, ", seed ",
            state_.seed, ", ", comm_.world_size(), " process(es)");
  model_->train();
  std::optional<signals::Patience> patience;  // from the first step on there is something to save
  while (state_.iteration < solver.max_iter) {
    const bool asked_to_stop = train_one();
    if (!patience) patience.emplace("the current step is finished, then the state is saved");
    const bool last = state_.iteration == solver.max_iter;
    const bool checkpoint =
        solver.checkpoint_period > 0 && state_.iteration % solver.checkpoint_period == 0;
    if (asked_to_stop || last || checkpoint || evaluation_is_due()) gather_places();
    if (asked_to_stop && !last) {
      stop();
      break;
    }
    if (checkpoint) save(Checkpointer::numbered(state_.iteration - 1));
    if (last) save("model_final");
    if (evaluation_is_due() && !evaluate_now()) {
      stop();
      break;
    }
  }
  log_->summarize(loader_->counts(), model_->device());
  loader_.reset();
  checkpointer_.wait();
  signals::saved();
  return results_;
}

void Trainer::prepare() {
  if (evaluates_) check_best_metric();
  if (state_.iteration < config_.solver.max_iter) {
    if (config_.model.dino) dino_.emplace(config_.model, model_->device());
    auto options =
        loader_options(config_.dataloader, config_.solver, static_cast<int>(comm_.rank()),
                       static_cast<int>(comm_.world_size()));
    options.start = state_.position;
    options.places = state_.places;
    loader_ = make_train_loader(config_.datasets, config_.input, config_.model, options,
                                state_.seed, model_->device().is_cuda());
    places_ = loader_->places();
  }
  if (comm_.is_main()) {
    if (!start_.resume) archive_earlier_run(config_.output_dir);
    record_config(config_, config_.output_dir, start_.resumed);
  }
  log_ = std::make_unique<TrainingLog>(config_.output_dir, config_.solver.max_iter,
                                       config_.solver.ims_per_batch, state_.iteration,
                                       comm_.is_main());
}

void Trainer::check_best_metric() const {
  const auto names = check_plan(config_, test_plan(config_));
  const auto& metric = config_.test.best_metric;
  const bool of_class = metric.starts_with("IoU-") || metric.starts_with("ACC-");
  if (!of_class || names.empty()) return;
  if (std::none_of(names.begin(), names.end(),
                   [&](const auto& name) { return metric.substr(4).starts_with(name); })) {
    fail("TEST.BEST_METRIC is ", metric, ", but no class of ", config_.datasets.test.front(),
         " has that name");
  }
}

Trainer::Fetched Trainer::fetch() {
  Fetched fetched;
  try {
    const Stopwatch watch;
    auto samples = loader_->next();
    fetched.seconds = watch.seconds();
    if (dino_) dino_->add_masks(samples);
    fetched.batch = step_.prepare(std::move(samples));
  } catch (...) {
    fetched.failure = std::current_exception();
  }
  fetched.places = loader_->places();
  fetched.position = loader_->position();
  return fetched;
}

bool Trainer::train_one() {
  comm_.set_step(state_.iteration);
  StepReport report{.iteration = state_.iteration};
  const Stopwatch watch;
  const Fetched fetched = next_ ? std::move(*next_) : fetch();
  next_.reset();
  report.data_seconds = fetched.seconds;
  const double factor = learning_rate_factor(config_.solver, state_.iteration);
  const bool more = state_.iteration + 1 < config_.solver.max_iter;
  const auto ahead = [&] {
    if (more && model_->device().is_cuda()) next_ = fetch();
  };
  StepResult result;
  try {
    if (fetched.failure) std::rethrow_exception(fetched.failure);
    result = step_.run(fetched.batch, state_.iteration, state_.seed, factor, ahead);
  } catch (const c10::OutOfMemoryError&) {
    save_after_out_of_memory();
    throw;
  }
  const TrainBatch& batch = fetched.batch.samples;
  places_ = fetched.places;
  state_.position = fetched.position;
  if (!result.finite && !result.scaled_too_much) handle_non_finite(batch, result);
  report.seconds = watch.seconds();
  report.learning_rate = common_rate(step_.optimizer().groups()) * factor;
  report_step(batch, result, report);
  ++state_.iteration;
  return result.stop;
}

void Trainer::report_step(const TrainBatch& batch, const StepResult& result, StepReport step) {
  if (step_.scaler().enabled()) step.loss_scale = step_.scaler().scale();
  if (comm_.is_main()) {
    if (log_->shows(step.iteration)) step.teacher_distance = model_->teacher_distance();
    const auto period = config_.vis_period;
    if (period > 0 && (step.iteration + 1) % period == 0) draw(batch, result);
  }
  log_->record(step, result, model_->device());
}

void Trainer::draw(const TrainBatch& batch, const StepResult& result) {
  torch::NoGradGuard no_grad;
  model_->eval();
  const auto logits = model_->decode(
      model_->cost_maps(model_->upload({batch.front()}), model_->encode_clusters()))[0];
  model_->train();
  log_->image("masks_assignment_prediction",
              step_image(batch.front(), result.mask_bits, result.assignment, logits),
              state_.iteration);
}

void Trainer::handle_non_finite(const TrainBatch& batch, const StepResult& result) {
  const auto stem = str("non_finite_", state_.iteration, "_rank");
  if (result.suspect) {
    write_torch_file(std::filesystem::path(config_.output_dir) / str(stem, comm_.rank(), ".pth"),
                     to_value(batch));
  }
  std::string names;
  const auto all = comm_.all_gather(result.suspect ? file_names(batch) : "", "names of the images");
  for (const auto& of_rank : all) names += (names.empty() || of_rank.empty() ? "" : ", ") + of_rank;
  const auto what =
      str("iteration ", state_.iteration, ": the loss or a gradient is not finite; images: ", names,
          "; they are saved in ", config_.output_dir, "/", stem, "*.pth");
  if (++state_.skipped > config_.solver.max_skipped_steps) {
    fail(what, "; lower SOLVER.BASE_LR, or allow such steps with SOLVER.MAX_SKIPPED_STEPS");
  }
  if (comm_.is_main()) {
    log::warn(what, "; the step is skipped (", state_.skipped, " of ",
              config_.solver.max_skipped_steps, ")");
  }
}

void Trainer::save_after_out_of_memory() {
  if (!comm_.is_main() || state_.iteration <= began_ || saved_ == state_.iteration) return;
  // The other ranks wait in a collective, so only a single process knows all places.
  state_.places = comm_.world_size() == 1 ? places_ : std::vector<StreamPlace>();
  const auto name = Checkpointer::numbered(state_.iteration - 1);
  save(name);
  checkpointer_.wait();
  log::info("out of GPU memory: the state before iteration ", state_.iteration, " is saved as ",
            name, ".pth; --resume continues from it");
}

bool Trainer::evaluation_is_due() const {
  const auto period = config_.test.eval_period;
  const bool last = state_.iteration >= config_.solver.max_iter;
  if (!evaluates_ || state_.iteration == 0) return false;
  const bool periodic = period > 0 && state_.iteration % period == 0;
  return (last || periodic) && (state_.evaluated < state_.iteration || (last && results_.empty()));
}

bool Trainer::evaluate_now() {
  log::progress("");
  auto plan = test_plan(config_);
  plan.plain_clip = start_.plain_clip && state_.iteration == 0;
  results_ = score_sets(model_, config_, plan, comm_, config_.output_dir,
                        config_.datasets.test.size() > 1);
  const bool complete = std::all_of(results_.begin(), results_.end(),
                                    [](const SetResult& result) { return result.complete; });
  if (!complete) return false;
  state_.evaluated = state_.iteration;
  if (!comm_.is_main()) return true;
  log_->record(results_, state_.iteration);
  if (!config_.test.best_metric.empty() && !results_.empty()) keep_best(results_.front());
  return true;
}

void Trainer::keep_best(const SetResult& result) {
  const auto& metric = config_.test.best_metric;
  const double value = score_of(result.scores, metric);
  if (std::isnan(value))
    fail("TEST.BEST_METRIC ", metric, " is no score of ", result.set, " (mIoU is one)");
  if (value <= state_.best) return;
  state_.best = value;
  log::info("best ", metric, " so far: ", state_.best);
  save("model_best");
}

void Trainer::gather_places() {
  const auto all = comm_.all_gather(to_json(places_), "the loaders' places");
  state_.places.assign(layout_.ranks * layout_.parts, {});
  for (int64_t rank = 0; rank < layout_.ranks; ++rank) {
    const auto places = places_from_json(all[rank]);
    for (int64_t part = 0; part < layout_.parts; ++part)
      state_.places[rank + layout_.ranks * part] = places[part];
  }
}

void Trainer::save(const std::string& name) {
  if (name == Checkpointer::numbered(state_.iteration - 1)) saved_ = state_.iteration;
  if (!comm_.is_main()) return;
  checkpointer_.save(
      name, make_checkpoint(state_, layout_, config_.solver, model_, start_.architecture, step_));
}

void Trainer::stop() {
  stopped_ = true;
  const bool ended = state_.iteration >= config_.solver.max_iter;  // model_final is written then
  if (!ended && state_.iteration > began_ && saved_ != state_.iteration)
    save(Checkpointer::numbered(state_.iteration - 1));
  checkpointer_.wait();
  if (state_.iteration > began_) signals::saved();
  log::warn("stopped by a signal after ", state_.iteration, " of ", config_.solver.max_iter,
            " iterations; the same command with --resume continues");
}

}  // namespace pixelclip
