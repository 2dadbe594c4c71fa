#include "cli/image_work.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <optional>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"
#include "cli/video.hpp"
#include "image/formats.hpp"
#include "inference/budget.hpp"
#include "inference/pipeline.hpp"
#include "nn/torch_threads.hpp"

namespace pixelclip::cli {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kPixelsInWork = 256'000'000;  // of all workers together

/// What a worker gets: a file, a frame of a video, or a fault that was found before.
struct Pending {
  InputImage image;
  fs::path file;      ///< Of an image that is still to be read; else empty.
  std::string fault;  ///< Why there is no image; empty: there is one, or there are no more frames.
  size_t input = 0;
  bool last = true;  ///< Of its input.
};

/// What the worker hands on.
struct Outcome {
  std::string source, fault;
  FinishImage finish = {};
  std::vector<std::string> remarks = {};
  size_t input = 0;
  bool last = true;  ///< Of its input.
};

/// The images of all inputs in order.
class ImageSource {
 public:
  ImageSource(const Inputs& inputs, const ImageWork& work) : inputs_(inputs.items), work_(work) {}

  /// The next images, at most `batch`; nothing at the end.
  std::optional<std::vector<Pending>> next() {
    std::vector<Pending> some;
    while (some.size() < work_.batch && at_ < inputs_.size()) some.push_back(take());
    if (some.empty()) return std::nullopt;
    return some;
  }

  /// Takes no more frames of a video. May be called while another thread is in next().
  void abandon(size_t input) { abandoned_ = input; }
  /// The video whose frames are not all taken yet; null: there is none.
  const Input* open_video() const { return video_ ? &inputs_[at_] : nullptr; }
  int64_t frames() const { return frames_; }  ///< Read of that video.

 private:
  Pending take() {
    const Input& input = inputs_[at_];
    if (input.video) return take_frame(input);
    return {{input.file.string(), input.name, {}}, input.file, {}, at_++};
  }

  /// The next frame that counts; behind the last one an empty Pending.
  Pending take_frame(const Input& input) {
    Pending result{{input.file.string(), input.name, {}}, {}, {}, at_};
    try {
      if (!video_) video_.emplace(input.file), frames_ = 0;
      Image& rgb = result.image.image.rgb;
      while (at_ != abandoned_ && video_->next(rgb)) {
        const int64_t number = frames_++;
        if (number % work_.every != 0) continue;
        char name[32];
        std::snprintf(name, sizeof name, "/frame_%06lld", static_cast<long long>(number));
        result.image.source += str(" frame ", number);
        result.image.name += name;
        result.image.image.height = rgb.height, result.image.image.width = rgb.width;
        result.last = false;
        return result;
      }
      if (frames_ == 0)
        result.fault = input.file.string() + ": the video has no frames that can be read";
    } catch (const Error& e) {
      const std::string file = input.file.string();
      result.fault = str(e.file() == file ? "" : file + ": ", e.what());
    }
    result.image.image.rgb = {};
    video_.reset();
    ++at_;
    return result;
  }

  const std::vector<Input>& inputs_;
  const ImageWork& work_;
  size_t at_ = 0;
  std::optional<Video> video_;
  int64_t frames_ = 0;
  std::atomic<size_t> abandoned_ = SIZE_MAX;
};

/// Runs `task`; what it throws of a single image becomes the sentence that is returned.
std::string fault_of(const std::string& source, const std::function<void()>& task) {
  try {
    task();
  } catch (const Error& e) {
    return str(e.file() == source ? "" : source + ": ", e.what());
  } catch (const std::bad_alloc&) {
    return source + ": there is not enough memory for this image";
  } catch (const c10::Error& e) {
    return str(source, ": ", e.what_without_backtrace());
  }
  return {};
}

std::vector<Outcome> work_on(std::vector<Pending>&& pending, const ImageWork& work,
                             Budget& budget) {
  std::vector<Outcome> outcomes;
  std::vector<std::optional<ShownImageFile>> files(pending.size());
  int64_t pixels = 0;
  for (size_t i = 0; i < pending.size(); ++i) {
    Pending& one = pending[i];
    outcomes.push_back(
        {.source = one.image.source, .fault = one.fault, .input = one.input, .last = one.last});
    if (one.file.empty()) {
      pixels += one.image.image.height * one.image.image.width;
      continue;
    }
    outcomes[i].fault =
        fault_of(one.image.source, [&] { files[i].emplace(one.file, work.short_side); });
    if (files[i]) pixels += files[i]->pixels();
  }
  const Budget::Share share(budget, pixels);
  std::vector<InputImage> images;
  std::vector<size_t> places;
  for (size_t i = 0; i < pending.size(); ++i) {
    InputImage& image = pending[i].image;
    if (files[i]) {
      outcomes[i].fault =
          fault_of(image.source, [&] { image.image = files[i]->decode(&outcomes[i].remarks); });
    }
    if (!outcomes[i].fault.empty() || image.image.rgb.pixels.empty()) continue;
    images.push_back(std::move(image));
    places.push_back(i);
  }
  if (images.empty()) return outcomes;
  std::vector<FinishImage> finish;
  Outcome& first = outcomes[places.front()];
  const std::string fault = fault_of(first.source, [&] { finish = work.work(images); });
  if (fault.empty()) {
    for (size_t i = 0; i < places.size(); ++i) outcomes[places[i]].finish = std::move(finish[i]);
    return outcomes;
  }
  if (images.size() == 1) {
    first.fault = fault;
    return outcomes;
  }
  // One of several fails: each alone.
  for (size_t i = 0; i < places.size(); ++i) {
    Outcome& outcome = outcomes[places[i]];
    outcome.fault =
        fault_of(outcome.source, [&] { outcome.finish = work.work({images[i]}).front(); });
  }
  return outcomes;
}

}  // namespace

ImageWork image_work(const Inputs& inputs, const torch::Device& device) {
  const int cores = at::get_num_threads();
  ImageWork work;
  if (!device.is_cpu()) {
    work.workers = std::min(cores, 4);  // decode and write while one encodes
    work.batch = 8;
    return work;
  }
  const bool videos = std::any_of(inputs.items.begin(), inputs.items.end(),
                                  [](const Input& input) { return input.video; });
  work.workers =
      videos ? cores : static_cast<int>(std::clamp<int64_t>(inputs.items.size(), 1, cores));
  return work;
}

void for_each_image(const Inputs& inputs, const ImageWork& work) {
  for (const auto& fault : inputs.faults) log::error(fault);
  size_t failed = inputs.faults.size(), done = 0;
  const size_t count = inputs.items.size();
  bool failing = false;  // the input whose images are finished
  const auto report = [&](const std::string& fault) {
    if (failing) return;
    log::error(fault);
    failing = true;
    ++failed;
  };
  Progress progress("inputs", "files", static_cast<int64_t>(count));
  ImageSource source(inputs, work);
  Budget budget(kPixelsInWork);
  const auto worker = [&](std::vector<Pending>&& some, int) {
    return work_on(std::move(some), work, budget);
  };
  const auto finish = [&](std::vector<Outcome>&& outcomes) {
    for (Outcome& outcome : outcomes) {
      for (const auto& remark : outcome.remarks) formats::remark({}, remark);
      if (!outcome.fault.empty()) {
        report(outcome.fault);
        source.abandon(outcome.input);
      } else if (outcome.finish && !failing) {
        outcome.finish();
      }
      if (!outcome.last) continue;
      ++done;
      failing = false;
      progress.add(1, outcome.source);
    }
  };
  {
    const TorchThreads threads(std::max(1, at::get_num_threads() / work.workers));
    run_pipeline(
        work.workers, [&] { return source.next(); }, worker, finish);
  }
  if (const Input* video = source.open_video()) {
    report(str(video->file.string(), ": stopped after ", source.frames(), " frames"));
    ++done;
  }
  if (done < count) fail("stopped after ", done, " of ", count, " inputs");
  if (failed > 0)
    fail(failed, " of ", count + inputs.faults.size(),
         " inputs failed; the messages above name each");
}

}  // namespace pixelclip::cli
