#include <gmock/gmock.h>

#include "base/file.hpp"
#include "cli/bench/text.hpp"
#include "cli/bench/train.hpp"
#include "cli/command.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::HasSubstr;

TEST(Bench, AFileThatCannotBeWrittenIsNamedBeforeAnythingIsMeasured) {
  const TempFolder folder;
  write_text(folder / "file", "");
  const std::string inside = folder / "file/out.json";
  const auto json = run_command(cli::add_bench_text, {"text", "--json", inside});
  EXPECT_THAT(json.error,
              HasSubstr("--json: cannot make the folder " + (folder / "file").string()));
  const auto timeline = run_command(cli::add_bench_train, {"train", "--timeline", inside});
  EXPECT_THAT(timeline.error,
              HasSubstr("--timeline: cannot make the folder " + (folder / "file").string()));
  const auto place = run_command(cli::add_bench_text, {"text", "--json", folder.path()});
  EXPECT_THAT(place.error, HasSubstr("is a folder; expected a file"));
  EXPECT_EQ(json.log + timeline.log + place.log, "");
}

}  // namespace
}  // namespace pixelclip::testing
