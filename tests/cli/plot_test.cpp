#include <gmock/gmock.h>

#include "base/file.hpp"
#include "cli/command.hpp"
#include "support/support.hpp"

namespace pixelclip::cli {
void add_plot(CLI::App& app);
}

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

void make_run(const fs::path& folder, int lines) {
  fs::create_directories(folder);
  std::string text;
  for (int i = 0; i < lines; ++i) {
    text += str("{\"iteration\": ", i, ", \"total_loss\": ", 1.0 / (i + 1),
                ", \"loss_masks\": 1, \"eta_seconds\": 3}\n");
  }
  text += str("{\"iteration\": ", lines - 1, ", \"demo_val/mIoU\": 31.25}\n{\"iteration\": ", lines,
              ", \"tot");
  write_text(folder / "metrics.json", text);
}

TEST(Plot, DrawsTheCurvesOfSeveralRunsIntoOnePage) {
  const TempFolder folder;
  make_run(folder / "a", 5000);
  make_run(folder / "b <&>", 1);
  const auto outcome =
      run_command(cli::add_plot, {"plot", (folder / "a").string(), (folder / "b <&>").string()});
  EXPECT_EQ(outcome.error, "");
  const auto page = read_text(folder / "a/curves.html");
  EXPECT_THAT(outcome.out, HasSubstr((folder / "a/curves.html").string()));
  EXPECT_THAT(page, AllOf(HasSubstr(">total_loss</text>"), HasSubstr(">demo_val/mIoU</text>"),
                          HasSubstr("b &lt;&amp;&gt;"), HasSubstr("iteration 4999: 31.25"),
                          HasSubstr("</html>")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("loss_masks")), Not(HasSubstr("eta_seconds")),
                          Not(HasSubstr("nan")), Not(HasSubstr("http"))));
  EXPECT_LT(page.size(), 60000u) << "long curves are thinned";
}

TEST(Plot, AFolderWithoutNumbersIsNamed) {
  const TempFolder folder;
  EXPECT_THAT(run_command(cli::add_plot, {"plot", folder.path().string()}).error,
              HasSubstr(folder.path().string() + " holds no metrics.json"));
  write_text(folder / "metrics.json", "not JSON\n");
  EXPECT_THAT(run_command(cli::add_plot, {"plot", folder.path().string()}).error,
              HasSubstr("holds no numbers yet"));
}

}  // namespace
}  // namespace pixelclip::testing
