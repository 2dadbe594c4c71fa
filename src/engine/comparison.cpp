#include "engine/comparison.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "data/catalog.hpp"
#include "engine/ways.hpp"
#include "evaluation/published.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

std::string stem(const std::string& path) { return fs::path(path).stem().string(); }

/// Every protocol with every method and all weights.
class Comparer {
 public:
  Comparer(const Config& config, const ComparisonPlan& plan, Comm& comm)
      : config_(config), plan_(plan), comm_(comm), pool_(comm.device()) {
    const std::vector<std::string> one = {""};
    for (const auto& protocol : plan.protocols.empty() ? one : plan.protocols) {
      for (const auto& method : plan.methods.empty() ? one : plan.methods) {
        for (const auto& weights : plan.weights.empty() ? one : plan.weights)
          add_way(protocol, method, weights);
      }
    }
  }

  ComparisonReport run(const std::function<void(const ComparisonReport&)>& after_each) {
    ComparisonReport report{.ways = shown_};
    const Catalog catalog(config_.datasets);
    std::string missing;
    for (const std::string& set : config_.test.protocol) {
      const DatasetInfo& info = catalog.find(set);
      if (!on_disk(info, &missing)) {
        log::warn("leaving out ", set, ": ", missing);
        continue;
      }
      report.sets.push_back(
          {.set = set,
           .comparison = score_ways(
               info, ways_, pool_, comm_,
               {.folder = fs::path(config_.output_dir) / "ways", .contested = plan_.contested})});
      const auto& first = report.sets.back().comparison.results.front();
      report.sets.back().class_names = first.names;
      if (comm_.is_main() && after_each) after_each(report);
      if (!first.complete) break;  // on every rank alike
    }
    if (report.sets.empty()) fail("none of the sets can be scored: ", missing);
    return report;
  }

 private:
  void add_way(const std::string& protocol, const std::string& method, const std::string& weights) {
    Config config = config_;
    if (!protocol.empty()) {
      config = load_config(protocol, plan_.overrides);
      apply_to_protocol(config, plan_.overrides);
      config.output_dir = config_.output_dir;
      config.datasets = config_.datasets;
      config.test.protocol = config_.test.protocol;
      config.model.weights = config_.model.weights;
      config.model.sem_seg_head = config_.model.sem_seg_head;
    }
    if (!method.empty()) config.model.dense.method = dense_method(method);
    if (!weights.empty()) config.model.weights = weights;
    const LoadedModel& loaded = pool_.model(config.model).loaded;
    ComparedWay shown{.weights = loaded.source.string(),
                      .method = to_string(config.model.dense.method),
                      .protocol = protocol.empty() ? "" : stem(protocol)};
    shown.name = shown.method;
    if (!shown.protocol.empty() && (plan_.protocols.size() > 1 || plan_.methods.empty()) &&
        shown.protocol != shown.method)
      shown.name += ", protocol " + shown.protocol;
    if (plan_.weights.size() > 1) shown.name += ", " + stem(shown.weights);
    shown.published = published_method_rows(loaded.architecture, shown.method);
    for (const ComparedWay& other : shown_) {
      if (other.name == shown.name)
        fail("two ways are called ", shown.name, ": each must be named once");
    }
    ways_.push_back({shown.name, std::move(config)});
    shown_.push_back(std::move(shown));
  }

  const Config& config_;
  const ComparisonPlan& plan_;
  Comm& comm_;
  ModelPool pool_;
  std::vector<Way> ways_;
  std::vector<ComparedWay> shown_;
};

}  // namespace

ComparisonReport compare(const Config& config, const ComparisonPlan& plan, Comm& comm,
                         const std::function<void(const ComparisonReport&)>& after_each) {
  return Comparer(config, plan, comm).run(after_each);
}

}  // namespace pixelclip
