#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "evaluation/confusion.hpp"
#include "evaluation/table.hpp"
#include "image/image.hpp"

namespace pixelclip {

/// An example image of a set, at most 480 pixels wide and high.
struct Example {
  std::string kind = {};  ///< "best", "worst" or "random"
  std::string stem = {};
  double score = 0;  ///< Its own mean IoU, percent.
  Image image = {};
  LabelMap truth = {}, prediction = {};
};

/// Result of one set, as written to tables and files.
struct SetResult {
  std::string set = {};
  Results scores = {};
  std::vector<std::string> names = {};  ///< Of the classes.
  Confusion confusion = Confusion();
  int64_t scored = 0;  ///< Images scored.
  int64_t listed = 0;  ///< Pairs of the set.
  int64_t unlabelled =
      0;  ///< Images left out because all pixels are ignored, for sets that require it.
  int64_t failed = 0;  ///< Images that could not be read, over all ranks.
  int64_t unpaired =
      0;  ///< Images without labels, labels without images, and ambiguous pairs; not in `listed`.
  int64_t expected = 0;  ///< Images that belong to the set, listed or not; 0: unknown.
  /// "path: reason" of the unreadable images; of all ranks if predictions are written.
  std::vector<std::string> unreadable = {};
  bool complete = true;  ///< False when the evaluation was stopped before its end.
  /// What readers must know of the images: that some of them chose the configuration, or empty.
  std::string note = {};
  bool plain_clip = false;  ///< Measured on CLIP's own weights, before any training.
  double seconds = 0;
  /// Checksum of the protocol and, after "-", of the weights. Results with equal first parts were
  /// measured in the same way; equal fingerprints also mean equal weights.
  std::string fingerprint = {};
  std::vector<Example> examples = {};  ///< On rank 0.
};

/// "ONLY 48.3 % OF THE SET: 700 of 1449 images" if only part of the set was scored; else empty.
std::string coverage_remark(const SetResult& result);

/// Results of another method, for comparison.
struct ComparedRow {
  std::string name = {}, source = {};
  std::vector<std::pair<std::string, double>> scores = {};  ///< (set, mIoU)
  std::string backbone = {}, masks = {}, method = {};  ///< backbone and training masks, if given
};
/// A JSON list [{name, source, scores: {set: mIoU}}]; a row may also say its backbone and masks.
/// Errors: anything else, a row without a source.
std::vector<ComparedRow> read_compared(const std::filesystem::path& path);

/// Headings, then a row a set: its headline score, fwIoU, mACC, pACC, counts, fingerprint, remarks.
std::vector<TableRow> result_rows(const std::vector<SetResult>& results, int decimals = 2);
/// Headings (the sets), then the headline scores of this run and of each of `compared`, with its
/// source.
std::vector<TableRow> comparison_rows(const std::vector<SetResult>& results,
                                      const std::vector<ComparedRow>& compared);

/// Both tables for the log; the second only where there is something to compare with.
std::string results_table(const std::vector<SetResult>& results,
                          const std::vector<ComparedRow>& compared = {});
/// detectron2's lines for spreadsheets: task, names, values.
std::string copypaste_lines(const SetResult& result);

/// The score `name`, NaN if there is none.
double score_of(const Results& results, const std::string& name);

/// The main score of a set: IoU by Cityscapes' rule, else mIoU.
double headline(const SetResult& result);

/// FOLDER/results.json {set: {"sem_seg": {…}, "evaluation": {fingerprint, images, …}}},
/// results.md and results.csv. An undefined score is null in JSON, nan in the others.
void write_results(const std::filesystem::path& folder, const std::vector<SetResult>& results,
                   const std::vector<ComparedRow>& compared = {});
/// One set as the public tool writes it: {"sem_seg": {…}}.
void write_single_result(const std::filesystem::path& path, const SetResult& result);

/// The confusion as CSV: a row a predicted class, a column a true class (the last: ignored).
void write_confusion(const std::filesystem::path& path, const SetResult& result);

/// A class mistaken for another: how many pixels, as a share of the true class.
struct ConfusedPair {
  int truth = 0, predicted = 0;
  int64_t pixels = 0;
  double share = 0;
};
/// The `count` largest mistakes by pixels.
std::vector<ConfusedPair> most_confused(const Confusion& confusion, int count);

}  // namespace pixelclip
