#include "engine/checkpointer.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <fstream>

#include "base/file.hpp"
#include "io/torch_writer.hpp"
#include "support/device.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Value state_with(int64_t number) {
  Dict model, state;
  model.set("weight", on_device(torch::full({64, 64}, number, torch::kFloat)));
  state.set("model", std::move(model));
  state.set("iteration", number);
  return state;
}

int64_t iteration_in(const Checkpointer& checkpointer) {
  return checkpointer.load_last()->second.as_dict().at("iteration").as_int();
}

void save(Checkpointer& checkpointer, int64_t number) {
  checkpointer.save(Checkpointer::numbered(number), state_with(number));
  checkpointer.wait();
}

TEST(Checkpointer, KeepsTheNewestFilesAndTheNamedOnes) {
  const TempFolder folder;
  Checkpointer checkpointer(folder.path(), 2);
  EXPECT_FALSE(checkpointer.load_last().has_value());
  for (const int64_t number : {1, 2, 3, 10000000}) save(checkpointer, number);
  checkpointer.save("model_best", state_with(2));
  checkpointer.wait();
  EXPECT_FALSE(fs::exists(folder / "model_0000002.pth"));
  EXPECT_TRUE(fs::exists(folder / "model_0000003.pth"));
  EXPECT_TRUE(fs::exists(folder / "model_10000000.pth"));
  EXPECT_TRUE(fs::exists(folder / "model_best.pth"));
  EXPECT_EQ(iteration_in(checkpointer), 10000000);  // the best one is not where a run goes on
}

TEST(Checkpointer, FallsBackFromADamagedFileToTheOneBefore) {
  const TempFolder folder;
  Checkpointer checkpointer(folder.path(), 0);
  for (const int64_t number : {5, 6, 7}) save(checkpointer, number);
  fs::resize_file(folder / "model_0000007.pth", fs::file_size(folder / "model_0000007.pth") / 2);
  EXPECT_EQ(iteration_in(checkpointer), 6);
  fs::remove(folder / "model_0000006.pth");
  EXPECT_EQ(iteration_in(checkpointer), 5);
  write_text(folder / "model_0000005.pth", "");
  EXPECT_ERROR(checkpointer.load_last(), HasSubstr("none of the checkpoints in"));
}

TEST(Checkpointer, FilesWithHigherNumbersAreNoPartOfThisRun) {
  const TempFolder folder;
  for (const int64_t number : {95, 97})
    write_torch_file(folder / (Checkpointer::numbered(number) + ".pth"), state_with(number));
  Checkpointer checkpointer(folder.path(), 1);
  EXPECT_EQ(iteration_in(checkpointer), 97);
  for (const int64_t number : {1, 2}) save(checkpointer, number);
  EXPECT_EQ(iteration_in(checkpointer), 2);
  EXPECT_FALSE(fs::exists(folder / "model_0000001.pth"));
  EXPECT_TRUE(fs::exists(folder / "model_0000097.pth"));
  write_text(folder / "model_0000002.pth", "damaged");
  EXPECT_ERROR(checkpointer.load_last(),
               HasSubstr("none of the checkpoints in"));  // never those of another run
}

TEST(Checkpointer, AFailedWriteIsReportedAndKeepsThePreviousFile) {
  const TempFolder folder;
  Checkpointer checkpointer(folder.path(), 1);
  save(checkpointer, 1);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{8192, before.rlim_max};  // a disk with 8 KiB left
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  checkpointer.save(Checkpointer::numbered(2), state_with(2));
  EXPECT_ERROR(checkpointer.wait(),
               AllOf(HasSubstr("model_0000002.pth"), HasSubstr("cannot write")));
  checkpointer.save(Checkpointer::numbered(2),
                    state_with(2));  // fails as well, which the next save must not feel
  checkpointer.save(Checkpointer::numbered(2), state_with(2));
  EXPECT_ERROR(checkpointer.wait(), HasSubstr("cannot write"));
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(iteration_in(checkpointer), 1);
  int files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 2) << "a half-written file was left";
  save(checkpointer, 3);
  EXPECT_EQ(iteration_in(checkpointer), 3);
}

TEST(Checkpointer, RemainsOfAKilledWriteAreRemovedByTheNext) {
  const TempFolder folder;
  write_text(folder / "model_0000001.pth.tmp.99", "half");
  write_text(folder / "notes.pth.tmp.99", "not ours");
  Checkpointer checkpointer(folder.path(), 1);
  save(checkpointer, 2);
  EXPECT_FALSE(fs::exists(folder / "model_0000001.pth.tmp.99"));
  EXPECT_TRUE(fs::exists(folder / "notes.pth.tmp.99"));
}

TEST(Checkpointer, TheStateIsCopiedBeforeSaveReturns) {
  const TempFolder folder;
  Checkpointer checkpointer(folder.path(), 0);
  const auto state = state_with(4);
  checkpointer.save("model_0000004", state);
  state.as_dict().at("model").as_dict().at("weight").as_tensor().fill_(99);  // training goes on
  checkpointer.wait();
  const auto read = checkpointer.load_last()->second;
  EXPECT_TRUE(
      read.as_dict().at("model").as_dict().at("weight").as_tensor().eq(4).all().item<bool>());
}

}  // namespace
}  // namespace pixelclip::testing
