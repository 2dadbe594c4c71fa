#include "clip/shared_trunk.hpp"

#include <torch/utils.h>

#include <numeric>

namespace pixelclip {
using torch::Tensor;

/// That of this thread; a map's elements stay where they are.
SharedTrunk::Work& SharedTrunk::work() {
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = works_.try_emplace(std::this_thread::get_id());
  if (fresh) {
    at->second.wanted.resize(methods_.size());
    std::iota(at->second.wanted.begin(), at->second.wanted.end(), size_t{0});
  }
  return at->second;
}

void SharedTrunk::want(const std::vector<size_t>& members) { work() = {members, {}}; }

Tensor SharedTrunk::features(size_t member, const Tensor& inputs, const Compute& compute) {
  auto& [wanted, entries] = work();
  for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
    const auto found = entry->features.find(member);
    if (found == entry->features.end() || !torch::equal(entry->inputs, inputs)) continue;
    Tensor result = std::move(found->second);
    entry->features.erase(found);
    if (entry->features.empty()) entries.erase(entry);
    return result;
  }
  std::vector<DenseOptions> methods;
  for (const size_t each : wanted) methods.push_back(methods_[each]);
  const auto computed = compute(methods);
  Entry entry{inputs, {}};
  for (size_t i = 0; i < wanted.size(); ++i) entry.features[wanted[i]] = computed[i];
  Tensor result = std::move(entry.features.at(member));
  entry.features.erase(member);
  if (!entry.features.empty()) entries.push_back(std::move(entry));
  if (entries.size() > kMostEntries) entries.pop_front();
  return result;
}

}  // namespace pixelclip
