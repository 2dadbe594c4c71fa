#include "clip/shared_trunk.hpp"

#include <torch/utils.h>

#include <algorithm>

namespace pixelclip {
using torch::Tensor;

Tensor SharedTrunk::features(size_t member, const Tensor& inputs, const Compute& compute) {
  std::deque<Entry>* own = nullptr;
  {
    const std::lock_guard lock(mutex_);
    own = &entries_[std::this_thread::get_id()];  // a map's elements stay where they are
  }
  for (auto entry = own->begin(); entry != own->end(); ++entry) {
    if (!entry->features[member].defined() || entry->inputs.sizes() != inputs.sizes() ||
        !torch::equal(entry->inputs, inputs))
      continue;
    Tensor found = std::move(entry->features[member]);
    entry->features[member].reset();
    if (std::none_of(entry->features.begin(), entry->features.end(),
                     [](const Tensor& x) { return x.defined(); }))
      own->erase(entry);
    return found;
  }
  Entry entry{inputs, compute()};
  Tensor result = std::move(entry.features.at(member));
  entry.features[member].reset();
  if (methods_.size() > 1) own->push_back(std::move(entry));
  if (own->size() > kMostEntries) own->pop_front();
  return result;
}

}  // namespace pixelclip
