#include "engine/trainer.hpp"

#include <torch/utils.h>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/signal.hpp"
#include "data/train_set.hpp"
#include "dist/gpu_memory.hpp"
#include "engine/output_folder.hpp"
#include "engine/scoring.hpp"
#include "io/torch_file.hpp"
#include "solver/lr_scheduler.hpp"
#include "visualization/step_image.hpp"

namespace pixelclip {
namespace {

constexpr int64_t kLogPeriod = 20;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string duration(double seconds) {
  const auto total = static_cast<int64_t>(std::max(0.0, seconds));
  std::ostringstream out;
  if (total >= 86400) out << total / 86400 << " days, ";
  out << total / 3600 % 24 << ':' << std::setfill('0') << std::setw(2) << total / 60 % 60 << ':'
      << std::setw(2) << total % 60;
  return out.str();
}

std::string digits(double value) {
  std::ostringstream out;
  out << std::setprecision(4) << value;
  return out.str();
}

/// Largest memory this process has held on the CPU, and on the GPU if there is one, MiB.
std::string peak_memory(torch::Device device) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto gpu = peak_gpu_memory(device) >> 20;
  return pixelclip::str(usage.ru_maxrss >> 10, "M",
                        gpu > 0 ? pixelclip::str(" (GPU: ", gpu, "M)") : "");
}

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

}  // namespace

std::vector<SetResult> Trainer::run() {
  const auto& solver = config_.solver;
  began_ = at_.iteration;
  const bool done = at_.iteration >= solver.max_iter;
  prepare();
  if (done)
    log::info("nothing to train: iteration ", at_.iteration, " of ", solver.max_iter,
              " is reached");
  if (!done && scoring_ && config_.test.eval_start && at_.iteration == 0 && !evaluate_now())
    return stop(), results_;
  if (evaluation_is_due() && !evaluate_now()) return stop(), results_;
  if (done) return results_;
  log::info("training from iteration ", at_.iteration, " to ", solver.max_iter, ", seed ", at_.seed,
            ", ", comm_.world_size(), " process(es)");
  model_->train();
  std::optional<signals::Patience> patience;  // from the first step on there is something to save
  while (at_.iteration < solver.max_iter) {
    const bool asked_to_stop = train_one();
    if (!patience) patience.emplace("the step in hand is finished, then the state is saved");
    const bool last = at_.iteration == solver.max_iter;
    const bool checkpoint =
        solver.checkpoint_period > 0 && at_.iteration % solver.checkpoint_period == 0;
    if (asked_to_stop || last || checkpoint || evaluation_is_due()) note_places();
    if (asked_to_stop && !last) {
      stop();
      break;
    }
    if (checkpoint) save(Checkpointer::numbered(at_.iteration - 1));
    if (last) save("model_final");
    if (evaluation_is_due() && !evaluate_now()) {
      stop();
      break;
    }
  }
  summarise();
  loader_.reset();
  checkpointer_.wait();
  signals::saved();
  return results_;
}

void Trainer::prepare() {
  if (scoring_) check_scoring();
  if (at_.iteration < config_.solver.max_iter) {
    if (config_.model.dino) dino_.emplace(config_.model, model_->device());
    loader_ = make_train_loader(config_, at_.seed, comm_.rank(), comm_.world_size(), at_.position,
                                model_->device().is_cuda(), at_.places);
  }
  if (!comm_.is_main()) return;
  if (!start_.resume) set_earlier_run_aside(config_.output_dir);
  record_config(config_, config_.output_dir, start_.goes_on);
  events_ = std::make_unique<EventStorage>(config_.output_dir, at_.iteration);
}

void Trainer::check_scoring() const {
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

bool Trainer::train_one() {
  comm_.set_step(at_.iteration);
  const double start = now();
  auto batch = loader_->next();
  const double data_seconds = now() - start;
  if (dino_) dino_->add_masks(batch);
  const double factor = learning_rate_factor(config_.solver, at_.iteration);
  const auto result = step_.run(batch, at_.iteration, at_.seed, factor);
  at_.position = loader_->position();
  if (!result.finite && !result.scaled_too_much) handle_non_finite(batch, result);
  record(batch, result, now() - start, data_seconds, factor);
  ++at_.iteration;
  return result.stop;
}

void Trainer::stop() {
  stopped_ = true;
  const bool ended = at_.iteration >= config_.solver.max_iter;  // then model_final is there
  if (!ended && at_.iteration > began_ && saved_ != at_.iteration)
    save(Checkpointer::numbered(at_.iteration - 1));
  checkpointer_.wait();
  if (at_.iteration > began_) signals::saved();
  log::warn("stopped by a signal after ", at_.iteration, " of ", config_.solver.max_iter,
            " iterations; the same command with --resume goes on");
}

void Trainer::handle_non_finite(const TrainBatch& batch, const StepResult& result) {
  const auto stem = pixelclip::str("non_finite_", at_.iteration, "_rank");
  if (result.suspect) {
    write_torch_file(
        std::filesystem::path(config_.output_dir) / pixelclip::str(stem, comm_.rank(), ".pth"),
        to_value(batch));
  }
  std::string names;
  const auto all = comm_.all_gather(result.suspect ? file_names(batch) : "", "names of the images");
  for (const auto& of_rank : all) names += (names.empty() || of_rank.empty() ? "" : ", ") + of_rank;
  const auto what = pixelclip::str("iteration ", at_.iteration,
                                   ": the loss or a gradient is not finite; images: ", names,
                                   "; they are saved in ", config_.output_dir, "/", stem, "*.pth");
  if (++at_.skipped > config_.solver.max_skipped_steps) {
    fail(what, "; lower SOLVER.BASE_LR, or allow such steps with SOLVER.MAX_SKIPPED_STEPS");
  }
  if (comm_.is_main()) {
    log::warn(what, "; the step is left out (", at_.skipped, " of ",
              config_.solver.max_skipped_steps, ")");
  }
}

void Trainer::record(const TrainBatch& batch, const StepResult& result, double seconds,
                     double data_seconds, double factor) {
  images_ += config_.solver.ims_per_batch;
  seconds_ += seconds;
  data_seconds_ += data_seconds;
  if (!comm_.is_main()) return;
  const bool shown =
      (at_.iteration + 1) % kLogPeriod == 0 || at_.iteration + 1 == config_.solver.max_iter;
  events_->put("total_loss", result.loss);
  events_->put("loss_masks", result.loss);
  events_->put("grad_norm", result.gradient_norm);
  events_->put("lr", common_rate(step_.optimizer().groups()) * factor);
  events_->put("time", seconds);
  events_->put("data_time", data_seconds);
  events_->put("eta_seconds", static_cast<double>(config_.solver.max_iter - at_.iteration - 1) *
                                  events_->median("time"));
  events_->put("masks", static_cast<double>(result.masks));
  events_->put("clusters_used", static_cast<double>(result.clusters_used));
  events_->put("cluster_entropy", result.cluster_entropy);
  if (step_.scaler().enabled()) events_->put("loss_scale", step_.scaler().scale());
  if (shown) events_->put("teacher_distance", model_->teacher_distance());
  const auto period = config_.vis_period;
  if (period > 0 && (at_.iteration + 1) % period == 0) draw(batch, result);
  events_->write(at_.iteration);
  if (shown) {
    log_progress();
  } else {
    log::progress(pixelclip::str("iteration ", at_.iteration + 1, "/", config_.solver.max_iter,
                                 "  loss ", digits(result.loss), "  eta ",
                                 duration(events_->latest("eta_seconds"))));
  }
}

void Trainer::draw(const TrainBatch& batch, const StepResult& result) {
  torch::NoGradGuard no_grad;
  model_->eval();
  const auto logits =
      model_->decode(model_->cost_maps({batch.front()}, model_->encode_clusters()))[0];
  model_->train();
  events_->picture("masks_assignment_prediction",
                   step_image(batch.front(), result.mask_bits, result.assignment, logits),
                   at_.iteration);
}

void Trainer::log_progress() {
  log::progress("");
  log::info("eta: ", duration(events_->latest("eta_seconds")), "  iter: ", at_.iteration,
            "  total_loss: ", digits(events_->median("total_loss")),
            "  loss_masks: ", digits(events_->median("loss_masks")),
            "  time: ", digits(events_->median("time")),
            "  data_time: ", digits(events_->median("data_time")),
            "  lr: ", digits(events_->latest("lr")), "  max_mem: ", peak_memory(model_->device()));
}

void Trainer::summarise() const {
  const auto& counts = loader_->counts();
  log::info("trained on ", images_, " images in ", duration(seconds_), ": ",
            digits(images_ / seconds_), " images/s, ", digits(100 * data_seconds_ / seconds_),
            " % of the time spent waiting for data; ", counts.bad,
            " samples of this process left out as unreadable, ", counts.empty, " without masks, ",
            counts.masks, " annotations and ", counts.crowds,
            " crowd regions left out of others; peak memory ", peak_memory(model_->device()));
}

bool Trainer::evaluation_is_due() const {
  const auto period = config_.test.eval_period;
  const bool last = at_.iteration >= config_.solver.max_iter;
  if (!scoring_ || at_.iteration == 0) return false;
  const bool periodic = period > 0 && at_.iteration % period == 0;
  return (last || periodic) && (at_.evaluated < at_.iteration || (last && results_.empty()));
}

bool Trainer::evaluate_now() {
  log::progress("");
  auto plan = test_plan(config_);
  plan.plain_clip = start_.plain_clip && at_.iteration == 0;
  results_ = score_sets(model_, config_, plan, comm_, config_.output_dir,
                        config_.datasets.test.size() > 1);
  for (const auto& result : results_) {
    if (!result.complete) return false;
  }
  at_.evaluated = at_.iteration;
  if (!comm_.is_main()) return true;
  for (const auto& result : results_) {  // by detectron2's names
    const auto prefix = (results_.size() > 1 ? result.set + "/" : "") + "sem_seg/";
    for (const auto& [metric, value] : result.scores) events_->put(prefix + metric, value);
  }
  events_->write(std::max<int64_t>(0, at_.iteration - 1));
  const auto& metric = config_.test.best_metric;
  if (metric.empty() || results_.empty()) return true;
  const double value = score_of(results_.front().scores, metric);
  if (std::isnan(value))
    fail("TEST.BEST_METRIC ", metric, " is no score of ", results_.front().set, " (mIoU is one)");
  if (value > at_.best) {
    at_.best = value;
    log::info("best ", metric, " so far: ", at_.best);
    save("model_best");
  }
  return true;
}

}  // namespace pixelclip
