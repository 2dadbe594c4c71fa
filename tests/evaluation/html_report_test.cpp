#include "evaluation/html_report.hpp"

#include <algorithm>
#include <cstdio>

#include "base/file.hpp"
#include "base/random.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TempFolder;

SetResult synthetic_result(const std::string& set, int classes, int examples) {
  Random random(7);
  SetResult result;
  result.set = set;
  for (int c = 0; c < classes; ++c)
    result.names.push_back(c == 0 ? "<b>wall & \"co\"</b>" : str("class ", c));
  result.confusion = Confusion(classes);
  for (int p = 0; p < classes; ++p) {
    for (int t = 0; t < classes - 1; ++t) {  // the last class is absent
      result.confusion.counts()[p * (classes + 1) + t] =
          p == t ? 90000 + random.integer(0, 9000) : random.integer(0, 4000);
    }
  }
  result.scores = results_of(result.confusion, nullptr, result.names, ScoreRule::detectron2);
  result.scored = 7;
  result.listed = 9;
  result.failed = 2;
  result.unreadable = {"a/<p>.png: it is cut short"};
  result.fingerprint = "0123456789ab-cdef01234567";
  for (int e = 0; e < examples; ++e) {
    Example example{.kind = e == 0 ? "best" : "worst", .stem = str("image_", e), .score = 50.0 - e};
    const int height = 120, width = 160;
    example.image = Image(height, width, 3);
    example.truth = example.prediction = {height, width, std::vector<int32_t>(height * width)};
    for (int i = 0; i < height * width; ++i) {
      for (int k = 0; k < 3; ++k)
        example.image.pixels[3 * i + k] = static_cast<uint8_t>(i / width + 30 * k);
      example.truth.ids[i] = i % width < 10 ? 255 : i / width / 40 % classes;
      example.prediction.ids[i] = i % width / 50 % classes;
    }
    result.examples.push_back(example);
  }
  return result;
}

HtmlReport synthetic_report() {
  return {.subject = "model.pth",
          .protocol = "{\"RULE\": \"pixelclip\"}",
          .results = {synthetic_result("ade20k_150_test_sem_seg", 30, 2),
                      synthetic_result("<script>alert(1)</script>", 3, 1)},
          .compared = {{.name = "another",
                        .source = "its paper",
                        .scores = {{"ade20k_150_test_sem_seg", 12.3}}}},
          .curves = {{.name = "total_loss", .points = {{0, 0.7}, {100, 0.3}, {200, 0.2}}},
                     {.name = "mIoU", .points = {{200, 31}}}}};
}

TEST(HtmlReport, NamesFromFilesCannotBecomeMarkup) {
  const TempFolder folder;
  write_html_report(folder / "report.html", synthetic_report());
  const std::string page = read_text(folder / "report.html");
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<b>wall")));
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;wall &amp; &quot;co&quot;&lt;/b&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("://")));  // nothing is fetched
}

TEST(HtmlReport, CurvesAreReadFromCompleteLinesOfTheMetrics) {
  const TempFolder folder;
  EXPECT_THAT(read_curves(folder / "metrics.json"), IsEmpty());
  write_text(folder / "metrics.json",
             "{\"iteration\": 0, \"total_loss\": 0.5, \"time\": 1}\n{\"iteration\": 20, "
             "\"total_loss\": 0.25, \"set/mIoU\": 30}\n{\"iter");
  const auto curves = read_curves(folder / "metrics.json");
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].name, "set/mIoU");
  EXPECT_EQ(curves[1].name, "total_loss");
  EXPECT_THAT(curves[1].points, ElementsAre(std::pair(0.0, 0.5), std::pair(20.0, 0.25)));
}

/// The page as a browser holds it when its script has run.
std::string loaded_in_browser(const std::filesystem::path& page,
                              const std::filesystem::path& profile) {
  const std::string command =
      "chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir='" +
      profile.string() + "' --virtual-time-budget=3000 --dump-dom 'file://" + page.string() +
      "' 2>/dev/null";
  std::string dom;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[65536];
  for (size_t read; (read = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) dom.append(buffer, read);
  return pclose(pipe) == 0 ? dom : "the browser failed";
}

TEST(HtmlReport, ABrowserLoadsItWithoutErrorsAndItWorksByKeyboard) {
  if (std::system("command -v chromium >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "chromium is not installed";
  const TempFolder folder;
  write_html_report(folder / "report.html", synthetic_report());
  // A probe at the page's end sorts the first set's classes by IoU, opens an image and steps on.
  std::string page = read_text(folder / "report.html");
  page.replace(page.find("</body>"), 0, R"(<script>
    const table = document.querySelector('#set-0 table'), rows = () => [...table.tBodies[0].rows].map(r => r.cells[1].textContent);
    table.querySelectorAll('th button')[1].click();
    const sorted = rows(), values = sorted.slice(0, -1).map(Number);
    root.dataset.sorted = sorted.at(-1) === '–' && values.every((v, i) => i === 0 || values[i - 1] >= v);
    document.querySelector('figure button').click();
    dialog.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
    root.dataset.dialog = dialog.open && caption.textContent;
    root.dataset.images = [...document.images].filter(i => i.closest('figure') && i.complete && i.naturalWidth > 0).length;
    root.dataset.wide = document.documentElement.scrollWidth > innerWidth;
    root.dataset.focusable = [...document.querySelectorAll('th button, figure button, nav a, nav button')].every(e => e.tabIndex === 0);
  </script>)");
  write_text(folder / "probed.html", page);
  const std::string dom = loaded_in_browser(folder / "probed.html", folder / "profile");
  const std::string head = dom.substr(0, dom.find("<head>"));
  EXPECT_THAT(head, HasSubstr("data-ready=\"yes\""));
  EXPECT_THAT(head, Not(HasSubstr("data-error")));
  EXPECT_THAT(head, HasSubstr("data-sorted=\"true\""));
  EXPECT_THAT(head, HasSubstr("data-dialog=\"image_0: truth\""));
  EXPECT_THAT(head, HasSubstr("data-images=\"12\""));
  EXPECT_THAT(head, HasSubstr("data-wide=\"false\""));
  EXPECT_THAT(head, HasSubstr("data-focusable=\"true\""));
  EXPECT_THAT(dom, HasSubstr("<h2>ade20k_150_test_sem_seg</h2>"));
  EXPECT_THAT(dom, HasSubstr("<h2>&lt;script&gt;alert(1)&lt;/script&gt;</h2>"));
}

}  // namespace
}  // namespace pixelclip
