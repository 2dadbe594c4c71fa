#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/catalog.hpp"

namespace pixelclip {

/// What an examination of a data set found.
struct Checkup {
  std::string set;
  std::vector<std::string> facts = {};     ///< lines: counts, ids, coverage
  std::vector<std::string> problems = {};  ///< scores or training would be wrong, or stop
  std::vector<std::string> hints = {};     ///< may be right, and deserve a look
  std::string summary = {};  ///< half a sentence: pairs, classes, checksum of the list
  std::string list = {};     ///< checksum of the names: equal lists have equal ones

  bool good() const { return problems.empty(); }
  /// One line: "SET: good: …" or "SET: 2 problems: …; …".
  std::string verdict() const;
};

struct CheckupOptions {
  int64_t limit = 0;          ///< pairs that are read, spread evenly; 0: all
  int threads = 0;            ///< 0: all cores
  bool decode_images = true;  ///< else only their headers are read
};

/// A test set: pairs, unreadable files, sizes that disagree, ids without meaning, signs of shifted
/// ids, of 0 and 255 mixed up, of palettes that became colors; coverage of the classes. Errors:
/// the set is not on disk.
Checkup examine_test_set(const DatasetInfo& info, const CheckupOptions& options = {});

/// A training set by its name in the catalog or DATASETS.CUSTOM: unreadable samples, masks of
/// another size, samples without masks. Errors: the set is not on disk.
Checkup examine_training_set(DatasetsConfig datasets, const std::string& name,
                             bool with_annotations = true, const CheckupOptions& options = {});

/// Before an evaluation with these class names: a few pairs of a test set, the verdict in the log.
/// Labels that all lie in one large file are not looked at.
void check_briefly(const DatasetInfo& info, const std::vector<std::string>& names);

}  // namespace pixelclip
