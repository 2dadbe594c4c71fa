#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/catalog.hpp"

namespace pixelclip {

/// Result of examining a data set.
struct Checkup {
  std::string set;
  std::vector<std::string> facts = {};     ///< lines: counts, ids, coverage
  std::vector<std::string> problems = {};  ///< would make scores or training wrong, or stop them
  std::vector<std::string> hints = {};     ///< possible problems
  std::string summary = {};                ///< pairs, classes, checksum of the list
  std::string list = {};                   ///< checksum of the names

  bool good() const { return problems.empty(); }
  /// One line: "SET: good: …" or "SET: 2 problems: …; …".
  std::string verdict() const;
};

struct CheckupOptions {
  int64_t limit = 0;          ///< pairs that are read, spread evenly; 0: all
  int threads = 0;            ///< 0: all cores
  bool decode_images = true;  ///< false: only their headers are read
};

/// Examines a test set: pairs, unreadable files, sizes that differ, unknown ids, signs of shifted
/// ids, of confused 0 and 255, of palettes saved as colors; coverage of the classes. Errors: the
/// set is not on disk.
Checkup examine_test_set(const DatasetInfo& info, const CheckupOptions& options = {});

/// Examines a training set, named as in the catalog or DATASETS.CUSTOM: unreadable samples, masks
/// of another size, samples without masks. Errors: the set is not on disk.
Checkup examine_training_set(DatasetsConfig datasets, const std::string& name,
                             bool with_annotations = true, const CheckupOptions& options = {});

/// Examines a few pairs of a test set before an evaluation with these class names and logs the
/// verdict. Labels in a single merged file are not examined.
void check_briefly(const DatasetInfo& info, const std::vector<std::string>& names);

}  // namespace pixelclip
