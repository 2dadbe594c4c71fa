#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pixelclip/evaluation/confusion.hpp"

namespace pixelclip {

/// One set's outcome, as it goes into tables and files.
struct SetResult {
  std::string set = {};
  Results scores = {};
  std::vector<std::string> names = {};  ///< Of the classes.
  Confusion confusion = Confusion();
  int64_t scored = 0;      ///< Pictures that count.
  int64_t listed = 0;      ///< Pairs of the set.
  int64_t unlabelled = 0;  ///< Left out because every pixel is ignored, where the set says so.
  int64_t failed = 0;      ///< Pictures that could not be read, over all ranks.
  std::vector<std::string> unreadable = {};  ///< "path: reason" of this rank's unreadable pictures.
  bool complete = true;  ///< False when the evaluation was stopped before its end.
  double seconds = 0;
};

/// A table for the log: a row a set with its headline score, fwIoU, mACC, pACC and counts.
std::string results_table(const std::vector<SetResult>& results);
/// detectron2's lines for spreadsheets: task, names, values.
std::string copypaste_lines(const SetResult& result);

/// The score called `name`, NaN when there is none.
double score_of(const Results& results, const std::string& name);

/// The score that stands for a set: IoU by Cityscapes' rule, else mIoU.
double headline(const SetResult& result);

/// FOLDER/results.json {set: {"sem_seg": {…}}}, results.md and results.csv.
void write_results(const std::filesystem::path& folder, const std::vector<SetResult>& results);
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
