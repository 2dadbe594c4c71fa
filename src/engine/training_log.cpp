#include "engine/training_log.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "dist/gpu.hpp"

namespace pixelclip {
namespace {

constexpr int64_t kLogPeriod = 20;

std::string digits(double value) {
  std::ostringstream out;
  out << std::setprecision(4) << value;
  return out.str();
}

/// Largest memory that this process has held on the CPU, and on the GPU if there is one, MiB.
std::string peak_memory(torch::Device device) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto gpu = peak_gpu_memory(device) >> 20;
  return str(usage.ru_maxrss >> 10, "M", gpu > 0 ? str(" (GPU: ", gpu, "M)") : "");
}

}  // namespace

TrainingLog::TrainingLog(const std::filesystem::path& folder, int64_t max_iter, int64_t images,
                         int64_t iteration, bool is_main)
    : max_iter_(max_iter), images_per_step_(images) {
  if (is_main) events_ = std::make_unique<EventStorage>(folder, iteration);
}

bool TrainingLog::shows(int64_t iteration) const {
  return (iteration + 1) % kLogPeriod == 0 || iteration + 1 == max_iter_;
}

void TrainingLog::record(const StepReport& step, const StepResult& result, torch::Device device) {
  images_ += images_per_step_;
  seconds_ += step.seconds;
  data_seconds_ += step.data_seconds;
  if (!events_) return;
  events_->put("total_loss", result.loss);
  events_->put("loss_masks", result.loss);
  events_->put("grad_norm", result.gradient_norm);
  events_->put("lr", step.learning_rate);
  events_->put("time", step.seconds);
  events_->put("data_time", step.data_seconds);
  events_->put("eta_seconds",
               static_cast<double>(max_iter_ - step.iteration - 1) * events_->median("time"));
  events_->put("masks", static_cast<double>(result.masks));
  events_->put("clusters_used", static_cast<double>(result.clusters_used));
  events_->put("cluster_entropy", result.cluster_entropy);
  if (step.loss_scale) events_->put("loss_scale", *step.loss_scale);
  if (step.teacher_distance) events_->put("teacher_distance", *step.teacher_distance);
  events_->write(step.iteration);
  print(step, device);
}

void TrainingLog::print(const StepReport& step, torch::Device device) const {
  const auto eta = format_duration(events_->latest("eta_seconds"));
  if (!shows(step.iteration)) {
    log::progress(str("iteration ", step.iteration + 1, "/", max_iter_, "  loss ",
                      digits(events_->latest("total_loss")), "  eta ", eta));
    return;
  }
  log::progress("");
  log::info("eta: ", eta, "  iter: ", step.iteration,
            "  total_loss: ", digits(events_->median("total_loss")),
            "  loss_masks: ", digits(events_->median("loss_masks")),
            "  time: ", digits(events_->median("time")),
            "  data_time: ", digits(events_->median("data_time")),
            "  lr: ", digits(step.learning_rate), "  max_mem: ", peak_memory(device));
}

void TrainingLog::record(const std::vector<SetResult>& results, int64_t iteration) {
  for (const auto& result : results) {
    const auto prefix = (results.size() > 1 ? result.set + "/" : "") + "sem_seg/";
    for (const auto& [metric, value] : result.scores) events_->put(prefix + metric, value);
  }
  events_->write(std::max<int64_t>(0, iteration - 1));
}

void TrainingLog::image(const std::string& name, const Image& image, int64_t iteration) {
  events_->picture(name, image, iteration);
}

void TrainingLog::summarize(const LoaderCounts& counts, torch::Device device) const {
  log::info("trained on ", images_, " images in ", format_duration(seconds_), ": ",
            digits(static_cast<double>(images_) / seconds_), " images/s, ",
            digits(100 * data_seconds_ / seconds_), " % of the time waiting for data; ", counts.bad,
            " unreadable samples of this process left out, ", counts.empty, " without masks; ",
            counts.masks, " annotations and ", counts.crowds,
            " crowd regions left out of the other samples; peak memory ", peak_memory(device));
}

}  // namespace pixelclip
