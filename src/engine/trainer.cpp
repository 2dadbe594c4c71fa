#include "pixelclip/engine/trainer.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <iomanip>
#include <random>

#include "pixelclip/base/error.hpp"
#include "pixelclip/base/log.hpp"
#include "pixelclip/base/signal.hpp"
#include "pixelclip/engine/scoring.hpp"
#include "pixelclip/io/torch_file.hpp"
#include "pixelclip/solver/lr_scheduler.hpp"

namespace pixelclip {
using torch::Tensor;
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

/// Largest memory this process has held, MiB.
double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024.0;
}

std::vector<std::pair<std::string, Tensor>> trained(const Optimizer& optimizer) {
  std::vector<std::pair<std::string, Tensor>> parameters;
  for (const auto& group : optimizer.groups()) parameters.emplace_back(group.name, group.parameter);
  return parameters;
}

/// Part v of V holds every V-th sample from the v-th on: what rank v of V would hold.
std::vector<TrainBatch> split(const TrainBatch& batch, int64_t parts) {
  std::vector<TrainBatch> result(parts);
  for (size_t i = 0; i < batch.size(); ++i) result[i % parts].push_back(batch[i]);
  return result;
}

std::string file_names(const TrainBatch& batch) {
  std::string names;
  for (const auto& sample : batch) names += (names.empty() ? "" : ", ") + sample.file_name;
  return names;
}

}  // namespace

Trainer::Trainer(const Config& config, PixelCLIP model, Comm& comm, bool resume)
    : config_(config),
      model_(std::move(model)),
      comm_(comm),
      optimizer_(parameter_groups(*model_, config.solver), config.solver),
      reducer_(trained(optimizer_), comm),
      checkpointer_(config.output_dir, config.solver.checkpoint_keep) {
  start_seed();
  if (resume) {
    if (auto last = checkpointer_.load_last()) load(last->first, last->second);
  }
  broadcast_tensors(model_->parameters(), comm_, "the model's parameters");
  if (comm_.is_main()) {
    log::info(describe(optimizer_.groups()));
    events_ = std::make_unique<EventStorage>(config_.output_dir, iteration_);
  }
}

void Trainer::start_seed() {
  seed_ = config_.seed >= 0 ? static_cast<uint64_t>(config_.seed) : std::random_device{}() & 0x7fffffff;
  seed_ = std::stoull(comm_.broadcast(std::to_string(seed_), "the seed"));
  torch::manual_seed(seed_ + static_cast<uint64_t>(comm_.rank()));
}

std::vector<SetResult> Trainer::run() {
  const auto& solver = config_.solver;
  if (config_.test.eval_start && iteration_ == 0) evaluate_now();
  if (iteration_ >= solver.max_iter) {
    log::info("nothing to train: iteration ", iteration_, " of ", solver.max_iter, " is reached");
    if (config_.test.eval_period > 0 && results_.empty()) evaluate_now();
    return results_;
  }
  log::info("training from iteration ", iteration_, " to ", solver.max_iter, ", seed ", seed_, ", ",
            comm_.world_size(), " process(es)");
  loader_ = make_train_loader(config_, seed_, comm_.rank(), comm_.world_size(), loader_start_,
                              model_->device().is_cuda());
  model_->train();
  while (iteration_ < solver.max_iter) {
    comm_.set_step(iteration_);
    const double start = now();
    const auto batch = loader_->next();
    const double data_seconds = now() - start;
    const double factor = learning_rate_factor(solver, iteration_);
    const auto result = step(batch, factor);
    loader_start_ = loader_->position();
    record(result, now() - start, data_seconds, factor);
    const bool last = ++iteration_ == solver.max_iter;
    if (result.stop && !last) {
      save(Checkpointer::numbered(iteration_ - 1));
      checkpointer_.wait();
      log::warn("stopped by a signal after iteration ", iteration_ - 1, "; the same command with --resume goes on");
      loader_.reset();
      return results_;
    }
    if (solver.checkpoint_period > 0 && iteration_ % solver.checkpoint_period == 0 && !last) {
      save(Checkpointer::numbered(iteration_ - 1));
    }
    if (last) save("model_final");
    const auto period = config_.test.eval_period;
    if (period > 0 && (last || iteration_ % period == 0)) evaluate_now();
  }
  const auto counts = loader_->counts();
  loader_.reset();
  checkpointer_.wait();
  log::info("training done: ", counts.delivered, " samples, ", counts.bad, " left out as unreadable, ",
            counts.empty, " without masks; peak memory ", std::lround(peak_memory()), " MiB");
  return results_;
}

Trainer::StepResult Trainer::step(const TrainBatch& batch, double factor) {
  const int64_t parts = config_.solver.accumulate_steps;
  const auto pieces = split(batch, parts);
  model_->update_teacher();
  auto clusters = model_->encode_clusters();
  std::vector<TaughtBatch> taught;
  for (const auto& piece : pieces) taught.push_back(model_->teach(piece, clusters));
  const auto assignment = assign(taught);

  optimizer_.zero_grad();
  double loss_sum = 0;
  int64_t first = 0;
  for (int64_t v = 0; v < parts; ++v) {
    if (v > 0) clusters = model_->encode_clusters();  // the last backward pass freed its graph
    const int64_t count = taught[v].logits.size(0);
    const auto loss = model_->student_loss(pieces[v], taught[v], assignment.slice(0, first, first + count),
                                           clusters) / static_cast<double>(parts);
    first += count;
    if (v == parts - 1) reducer_.prepare({loss});
    loss.backward();
    loss_sum += loss.item<double>();
  }
  reducer_.finish();

  StepResult result;
  result.gradient_norm = optimizer_.gradient_norm().item<double>();
  const bool finite = std::isfinite(loss_sum) && std::isfinite(result.gradient_norm);
  auto shared = torch::tensor({finite ? loss_sum : 0.0, finite ? 0.0 : 1.0,
                               signals::stop_requested() ? 1.0 : 0.0}, torch::kDouble);
  comm_.all_reduce(shared, "the step's outcome");
  result.loss = finite ? shared[0].item<double>() / comm_.world_size() : NAN;
  result.finite = shared[1].item<double>() == 0;
  result.stop = shared[2].item<double>() > 0;
  if (result.finite) {
    optimizer_.step(factor);
  } else {
    handle_non_finite(batch);
  }
  return result;
}

Tensor Trainer::assign(const std::vector<TaughtBatch>& taught) {
  std::vector<Tensor> logits;
  for (const auto& part : taught) logits.push_back(part.logits);
  const auto q = sinkhorn(torch::cat(logits), [this](Tensor& sum) { comm_.all_reduce(sum, "the assignment's sums"); });
  return q.argmax(1);
}

void Trainer::handle_non_finite(const TrainBatch& batch) {
  ValueList samples;
  for (const auto& sample : batch) {
    Dict entry;
    entry.set("file_name", sample.file_name);
    entry.set("image", sample.image);
    if (sample.image_strong.defined()) entry.set("image_strong", sample.image_strong);
    entry.set("mask_bits", sample.mask_bits);
    samples.emplace_back(std::move(entry));
  }
  const auto path = std::filesystem::path(config_.output_dir) /
                    pixelclip::str("non_finite_", iteration_, "_rank", comm_.rank(), ".pth");
  write_torch_file(path, samples);
  const auto what = pixelclip::str("iteration ", iteration_, ": the loss or a gradient is not finite; images: ",
                                   file_names(batch), "; the batch is saved in ", path.string());
  if (++skipped_ > config_.solver.max_skipped_steps) {
    fail(what, "; lower SOLVER.BASE_LR, or allow such steps with SOLVER.MAX_SKIPPED_STEPS");
  }
  log::warn(what, "; the step is left out (", skipped_, " of ", config_.solver.max_skipped_steps, ")");
}

void Trainer::record(const StepResult& result, double seconds, double data_seconds, double factor) {
  if (!comm_.is_main()) return;
  const double left = static_cast<double>(config_.solver.max_iter - iteration_ - 1);
  events_->put("total_loss", result.loss);
  events_->put("loss_masks", result.loss);
  events_->put("grad_norm", result.gradient_norm);
  events_->put("lr", config_.solver.base_lr * factor);
  events_->put("time", seconds);
  events_->put("data_time", data_seconds);
  events_->put("eta_seconds", left * events_->median("time"));
  events_->write(iteration_);
  log_progress();
}

void Trainer::log_progress() {
  const auto number = [](double value) {
    std::ostringstream out;
    out << std::setprecision(4) << value;
    return out.str();
  };
  const auto eta = duration(events_->latest("eta_seconds"));
  if ((iteration_ + 1) % kLogPeriod != 0 && iteration_ + 1 != config_.solver.max_iter) {
    log::progress(pixelclip::str("iteration ", iteration_ + 1, "/", config_.solver.max_iter, "  loss ",
                                 number(events_->latest("total_loss")), "  eta ", eta));
    return;
  }
  log::progress("");
  log::info("eta: ", eta, "  iter: ", iteration_, "  total_loss: ", number(events_->median("total_loss")),
            "  loss_masks: ", number(events_->median("loss_masks")), "  time: ", number(events_->median("time")),
            "  data_time: ", number(events_->median("data_time")), "  lr: ", number(events_->latest("lr")),
            "  max_mem: ", std::lround(peak_memory()), "M");
}

void Trainer::evaluate_now() {
  log::progress("");
  results_ = score_sets(model_, config_, test_plan(config_), comm_, config_.output_dir, config_.datasets.test.size() > 1);
  if (!comm_.is_main()) return;
  for (const auto& result : results_) {
    for (const char* metric : {"mIoU", "fwIoU", "mACC", "pACC"}) {
      const double value = score_of(result.scores, metric);
      if (!std::isnan(value)) events_->put(pixelclip::str(result.set, "/", metric), value);
    }
  }
  const auto& metric = config_.test.best_metric;
  if (metric.empty()) return;
  const double value = score_of(results_.front().scores, metric);
  if (std::isnan(value)) fail("TEST.BEST_METRIC ", metric, " is no score of ", results_.front().set, " (mIoU is one)");
  if (value > best_) {
    best_ = value;
    log::info("best ", metric, " so far: ", best_);
    save("model_best");
  }
}

Value Trainer::state() const {
  Dict own;  // what the public implementation does not keep
  own.set("seed", static_cast<int64_t>(seed_));
  own.set("position", loader_start_);
  own.set("best", best_);
  own.set("rng_cpu", at::Generator(at::detail::getDefaultCPUGenerator()).get_state());
  Dict scheduler;
  scheduler.set("last_epoch", iteration_);
  const double factor = learning_rate_factor(config_.solver, std::max<int64_t>(0, iteration_ - 1));
  Dict state;
  state.set("model", to_value(state_of(*model_)));
  state.set("optimizer", optimizer_.state(factor));
  state.set("scheduler", std::move(scheduler));
  state.set("iteration", iteration_ - 1);
  state.set("pixelclip", std::move(own));
  return state;
}

void Trainer::save(const std::string& name) {
  if (comm_.is_main()) checkpointer_.save(name, state());
}

void Trainer::load(const std::filesystem::path& path, const Value& value) {
  const auto& state = value.as_dict(path.string());
  load_into(*model_, to_state_dict(value, path.string()), {.source = path.string(), .may_be_missing = {}, .may_be_unused = {}});
  if (const auto* iteration = state.find("iteration")) iteration_ = iteration->as_int("iteration") + 1;
  if (const auto* optimizer = state.find("optimizer")) {
    std::string why;
    if (!optimizer_.load_state(*optimizer, &why)) {
      log::warn(path.string(), ": the optimiser starts anew, its saved state does not fit: ", why);
    }
  }
  loader_start_ = iteration_ * config_.solver.ims_per_batch;
  if (const auto* own = state.find("pixelclip")) {
    const auto& dict = own->as_dict("pixelclip");
    seed_ = static_cast<uint64_t>(dict.at("seed").as_int("seed"));
    loader_start_ = dict.at("position").as_int("position");
    best_ = dict.at("best").as_double("best");
    if (comm_.world_size() == 1) {
      at::Generator(at::detail::getDefaultCPUGenerator()).set_state(dict.at("rng_cpu").as_tensor("rng_cpu").clone());
    } else {
      torch::manual_seed(seed_ + static_cast<uint64_t>(comm_.rank() + iteration_ * 4099));
    }
  }
  log::info("resuming from ", path.string(), " at iteration ", iteration_);
}

}  // namespace pixelclip
