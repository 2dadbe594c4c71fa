#pragma once

#include <torch/types.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "clip/dense_method.hpp"

namespace pixelclip {

/// Several dense methods on one encoder. Each asks for its features of the same inputs, one after
/// the other; the first to ask computes those of all that are wanted, so that the blocks before the
/// last run once for methods that share them. Threads do not share inputs.
class SharedTrunk {
 public:
  explicit SharedTrunk(std::vector<DenseOptions> methods) : methods_(std::move(methods)) {}

  /// From now on only these members ask for features on this thread. Without a call, all do.
  void want(const std::vector<size_t>& members);

  /// Gives the features by each of `methods`.
  using Compute =
      std::function<std::vector<torch::Tensor>(const std::vector<DenseOptions>& methods)>;
  /// The features of `inputs` by method `member`: those that another member has computed for equal
  /// inputs, else what `compute` gives.
  torch::Tensor features(size_t member, const torch::Tensor& inputs, const Compute& compute);

 private:
  struct Entry {
    torch::Tensor inputs;
    std::map<size_t, torch::Tensor> features;  ///< of the members that have not taken theirs
  };
  struct Work {
    std::vector<size_t> wanted;
    std::deque<Entry> entries;
  };
  static constexpr size_t kMostEntries = 64;  ///< windows of an image kept for each thread
  Work& work();

  const std::vector<DenseOptions> methods_;
  std::mutex mutex_;
  std::map<std::thread::id, Work> works_;
};

}  // namespace pixelclip
