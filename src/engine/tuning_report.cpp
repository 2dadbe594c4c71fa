#include "engine/tuning_report.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "config/writer.hpp"
#include "evaluation/html.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

bool has_change(const TuningResult& result) { return result.rest.ways.size() > 1; }

/// The chosen keys as a file on top of the configuration that the search started from.
std::string yaml_of(const fs::path& folder, const fs::path& config_file,
                    const TuningResult& result) {
  const Config base = load_config(config_file);
  Config chosen = base;
  const ModelConfig& model = result.tuned.model;
  chosen.test = result.tuned.test;
  chosen.test.protocol = base.test.protocol;
  chosen.input = result.tuned.input;
  chosen.model.dense = model.dense;
  chosen.model.clip_resolution = model.clip_resolution;
  chosen.model.clip_pixel_mean = model.clip_pixel_mean;
  chosen.model.clip_pixel_std = model.clip_pixel_std;
  chosen.model.precision = model.precision;
  chosen.model.text_precision = model.text_precision;
  chosen.model.prompt_templates_file = model.prompt_templates_file;
  return str("# ", outcome(result), "\n_BASE_: \"",
             fs::relative(config_file, folder).generic_string(), "\"\n",
             to_yaml_where_other(chosen, base));
}

nlohmann::ordered_json json_of(const TuningResult& result) {
  nlohmann::ordered_json trials = nlohmann::ordered_json::array();
  for (const TuningTrial& trial : result.trials) {
    nlohmann::ordered_json entry = {
        {"round", trial.round}, {"axis", trial.axis}, {"keys", trial.keys}};
    if (trial.refusal.empty()) {
      entry["mIoU"] = trial.score;
      entry["chosen"] = trial.chosen;
      entry["fingerprint"] = trial.fingerprint;
    } else {
      entry["refused"] = trial.refusal;
    }
    trials.push_back(std::move(entry));
  }
  const double before = result.rest_before(), after = result.rest_after();
  return {{"set", result.set},
          {"tuned_on", result.tuned.test.tuned_on},
          {"search",
           {{"images", result.searched},
            {"before", result.search_before},
            {"after", result.search_after}}},
          {"rest",
           {{"images", result.held_out},
            {"before", before},
            {"after", after},
            {"gain", after - before}}},
          {"trials", std::move(trials)}};
}

std::vector<TableRow> rows_of(const TuningResult& result) {
  std::vector<TableRow> rows = {{"round", "axis", "mIoU on the images of the search", "keys"}};
  for (const TuningTrial& trial : result.trials)
    rows.push_back(
        {str(trial.round), trial.axis, trial.refusal.empty() ? shown(trial.score, 2) : "–",
         str(trial.keys.empty() ? "" : "`" + trial.keys + "`", trial.chosen ? " **kept**" : "",
             trial.refusal.empty() ? "" : " refused: " + trial.refusal)});
  return rows;
}

}  // namespace

std::string outcome(const TuningResult& result) {
  const double before = result.rest_before(), gain = result.rest_after() - before;
  if (!has_change(result))
    return str(result.set, ": no configuration was better than the first on the ", result.searched,
               " images of the search; it has ", shown(before, 2), " mIoU on the ", result.held_out,
               " others");
  return str(result.set, ": ", shown(result.search_before, 2), " to ",
             shown(result.search_after, 2), " mIoU on the ", result.searched,
             " images of the search, ", shown(before, 2), " to ", shown(result.rest_after(), 2),
             " on the ", result.held_out, " others, which took no part",
             gain > 0 ? "" : ": no gain; keep the first configuration");
}

void write_tuning(const fs::path& folder, const fs::path& config_file, const TuningResult& result) {
  write_comparison(folder, result.rest);
  write_text(folder / "tuned.yaml", yaml_of(folder, config_file, result));
  write_json(folder / "tuning.json", json_of(result));
  write_atomically(folder / "tuning.md", [&](std::ostream& out) {
    out << outcome(result) << "\n\n";
    write_markdown(out, rows_of(result));
  });
}

}  // namespace pixelclip
