#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/catalog.hpp"
#include "dist/comm.hpp"
#include "engine/model_factory.hpp"
#include "evaluation/evaluate.hpp"

namespace pixelclip {

/// The weights and helpers of several configurations, each read once.
class ModelPool {
 public:
  struct Entry {
    LoadedModel loaded;
    std::string checksum;  ///< weights_checksum
  };

  explicit ModelPool(torch::Device device) : device_(device) {}

  /// That of MODEL.WEIGHTS or CLIP_PRETRAINED. Errors: as load_model.
  Entry& model(const ModelConfig& config);
  /// MODEL.DENSE. Errors: as dense_recipe.
  DenseRecipe recipe(const ModelConfig& config);

 private:
  torch::Device device_;
  std::map<std::string, std::unique_ptr<Entry>> models_;
  std::map<std::string, std::shared_ptr<const DenseHelper>> helpers_;
};

/// A way of scoring sets.
struct Way {
  std::string name = {};  ///< Differs from the others'; its folder has this name.
  Config config = {};
};

/// What the ways of a call share.
struct WaysOptions {
  std::filesystem::path folder = {};  ///< Each way keeps its progress in FOLDER/NAME.
  int contested = 0;                  ///< Images kept on which the ways disagree most.
  int64_t limit = 0;                  ///< Only the first images of the set; 0: all.
  SemSegSet::Accepts among = {};      ///< Of these, only the ones that it accepts; empty: all.
};

/// Scores a set in several ways. An image is decoded once, and for ways that differ in MODEL.DENSE
/// alone the blocks before the last run once. A way that was scored before is not scored again.
/// Errors: names that do not fit the labels, a method that the weights do not allow.
Comparison score_ways(const DatasetInfo& info, const std::vector<Way>& ways, ModelPool& pool,
                      Comm& comm, const WaysOptions& options);

}  // namespace pixelclip
