#include "cli/bench/timeline.hpp"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <cstdlib>
#include <set>

#include "base/error.hpp"

namespace pixelclip::cli {

void write_timeline(const std::filesystem::path& path, bool gpu,
                    const std::function<void()>& work) {
  namespace profiler = torch::autograd::profiler;
  setenv("KINETO_LOG_LEVEL", "9", /*overwrite=*/0);  // without a GPU it reports errors
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  std::set<torch::profiler::impl::ActivityType> activities = {
      torch::profiler::impl::ActivityType::CPU};
  if (gpu) activities.insert(torch::profiler::impl::ActivityType::CUDA);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities, {at::RecordScope::FUNCTION});
  work();
  profiler::disableProfiler()->save(path.string());
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) fail(path.string(), ": cannot be written");
}

}  // namespace pixelclip::cli
