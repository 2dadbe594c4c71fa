#include "archives.hpp"
#include "io/torch_file.hpp"
#include "legacy.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class LegacyTorch : public ::testing::Test {
 protected:
  Value read(const std::string& bytes) {
    write_bytes(folder_ / "x.pth", bytes);
    return read_torch_file(folder_ / "x.pth");
  }
  void expect_refused(const std::string& bytes, const std::string& why) {
    const AddressSpaceLimit limit;
    EXPECT_ERROR(read(bytes), AllOf(HasSubstr("x.pth: "), HasSubstr(why)));
  }
  TempFolder folder_;
};

TEST_F(LegacyTorch, TensorsLieOnTheDataBehindThePickles) {
  const auto state = read(legacy_file()).as_dict();
  EXPECT_TRUE(
      torch::equal(state.at("w").as_tensor(), torch::arange(6, torch::kFloat).view({2, 3})));
  EXPECT_EQ(state.at("epoch").as_int(), 3);
  std::string form;
  read_torch_file(folder_ / "x.pth", &form);
  EXPECT_EQ(form, "torch.save before PyTorch 1.6");
}

TEST_F(LegacyTorch, EveryTruncationIsRefused) {
  const std::string whole = legacy_file();
  for (size_t size = 0; size < whole.size(); ++size) {
    write_bytes(folder_ / "x.pth", whole.substr(0, size));
    EXPECT_THROW(read_torch_file(folder_ / "x.pth"), Error) << size;
  }
}

TEST_F(LegacyTorch, LengthsThatContradictTheTensorsAreRefused) {
  const std::string whole = legacy_file();
  const size_t length = whole.size() - 6 * 4 - 8;  // of the only storage
  for (const int64_t number : {int64_t{5}, int64_t{7}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    std::string bytes = whole;
    poke(bytes, length, number);
    expect_refused(bytes, "elements where its tensors expect 6");
  }
}

TEST_F(LegacyTorch, OtherVersionsAndMachinesAreRefused) {
  expect_refused(legacy_file({.version = "M\xe8\x03"}), "is not 1001");
  expect_refused(legacy_file({.little_endian = "\x89"}), "big-endian");
}

TEST_F(LegacyTorch, StoragesThatAreMissingRepeatedOrViewsAreRefused) {
  expect_refused(legacy_file({.keys = "]X\x01" + std::string("\0\0\0"
                                                             "9a",
                                                             5)}),
                 "a storage that no tensor names");
  expect_refused(legacy_file({.keys = "]"}), "storage '0' is missing");
  const std::string key = "X\x01" + std::string(
                                        "\0\0\0"
                                        "0",
                                        4);
  expect_refused(legacy_file({.keys = "](" + key + key + "e"}) + std::string(40, '\0'),
                 "6, or is cut short");
  expect_refused(legacy_file({.view = "K\x01"}), "views of each other");
}

TEST_F(LegacyTorch, PythonsOwnFilesAreRead) {
  const fs::path python = fs::path(PIXELCLIP_SOURCE_DIR) / ".deps/venv/bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << "no Python with torch here";
  write_bytes(folder_ / "make.py", R"(
import pickle, sys, torch
base = torch.arange(12.)
state = {'a': base.view(3, 4), 'row': base.view(3, 4)[1], 't': base.view(3, 4).t(), 'half': torch.ones(2).half(),
         'long': torch.arange(3), 'bf16': torch.tensor([1.5]).bfloat16(), 'flag': torch.tensor([True]), 'empty': torch.empty(0, 2),
         'parameter': torch.nn.Parameter(torch.ones(3))}
torch.save({'model': state, 'epoch': 5}, sys.argv[1], _use_new_zipfile_serialization=False)
pickle.dump(state, open(sys.argv[2], 'wb'), protocol=2)
net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
torch.save(net, sys.argv[3])
)");
  const auto path = [&](const char* name) { return (folder_ / name).string(); };
  const std::string command = "OMP_NUM_THREADS=1 '" + python.string() + "' '" + path("make.py") +
                              "' '" + path("a.pth") + "' '" + path("b.pkl") + "' '" +
                              path("c.pth") + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  for (const char* name : {"a.pth", "b.pkl"}) {
    const auto state = read_state_dict(folder_ / name);
    ASSERT_EQ(state.size(), 9u) << name;
    const auto base = torch::arange(12, torch::kFloat).view({3, 4});
    EXPECT_TRUE(torch::equal(state.at("a"), base)) << name;
    EXPECT_TRUE(torch::equal(state.at("row"), base[1])) << name;
    EXPECT_TRUE(torch::equal(state.at("t"), base.t())) << name;
    EXPECT_TRUE(torch::equal(state.at("half"), torch::ones({2}, torch::kHalf))) << name;
    EXPECT_TRUE(torch::equal(state.at("long"), torch::arange(3))) << name;
    EXPECT_EQ(state.at("bf16").item<float>(), 1.5f) << name;
    EXPECT_EQ(state.at("empty").sizes().vec(), (std::vector<int64_t>{0, 2})) << name;
    EXPECT_EQ(state.at("parameter").sum().item<float>(), 3) << name;
  }
  const auto net = read_state_dict(folder_ / "c.pth");
  EXPECT_EQ(net.at("0.weight").sizes().vec(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(net.at("1.running_var").sum().item<float>(), 3);
}

TEST(NumpyPickle, ArraysBecomeTensorsInBothOrdersAndByteOrders) {
  const TempFolder folder;
  const auto read = [&](const std::string& array) {
    write_bytes(folder / "a.pkl", "\x80\x02}X\x01" +
                                      std::string("\0\0\0"
                                                  "w",
                                                  4) +
                                      array + "s.");
    return read_torch_file(folder / "a.pkl").as_dict().at("w");
  };
  const auto expected = torch::tensor({{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}});
  EXPECT_TRUE(torch::equal(read(numpy_array()).as_tensor(), expected));
  EXPECT_TRUE(torch::equal(read(numpy_array({.fortran = "\x88"})).as_tensor(),
                           torch::tensor({{1.f, 3.f, 5.f}, {2.f, 4.f, 6.f}})));
  EXPECT_TRUE(
      torch::equal(read(numpy_array({.order = ">", .big_endian = true})).as_tensor(), expected));
  EXPECT_TRUE(
      torch::equal(read(numpy_array({.module = "numpy._core.multiarray"})).as_tensor(), expected));
  // Elements that are no numbers stay what they are, unread.
  EXPECT_TRUE(read(numpy_array({.type = "O8"})).is<Opaque>());
}

TEST(NumpyPickle, ShapesThatDoNotFitTheBytesAreRefused) {
  const auto read = [](const std::string& pickle) {
    const AddressSpaceLimit limit;
    const TempFolder folder;
    write_bytes(folder / "x.pkl", "\x80\x02" + pickle + ".");
    read_torch_file(folder / "x.pkl");
  };
  const std::string huge("\x8a\x08\0\0\0\0\0\0\0\x7f", 10), zero("K\0", 2);
  EXPECT_ERROR(read(numpy_array({.shape = "K\x02K\x04"})), HasSubstr("does not fit its 24 bytes"));
  EXPECT_ERROR(read(numpy_array({.shape = huge + huge})), HasSubstr("does not fit its 24 bytes"));
  EXPECT_ERROR(read(numpy_array({.shape = zero + huge + huge})),
               HasSubstr("does not fit its 24 bytes"));
  EXPECT_ERROR(read(numpy_array({.shape = "J\xff\xff\xff\xff"})), HasSubstr("a negative number"));
  EXPECT_ERROR(read(numpy_array({.type = "f8"})), HasSubstr("does not fit its 24 bytes"));
  std::string many;
  for (int i = 0; i < 70; ++i) many += "K\x01";
  EXPECT_ERROR(read(numpy_array({.shape = many})), HasSubstr("70 dimensions"));
}

TEST(NumpyPickle, BytesSharedByManyArraysCannotFillTheMemory) {
  const TempFolder folder;
  // One text of 1000 bytes, put into the memo and used for a thousand arrays.
  std::string pickle = "\x80\x02]X" + std::string("\xe8\x03\0\0", 4) + std::string(1000, 'x') +
                       "q\x01"
                       "0";
  for (int i = 0; i < 1000; ++i)
    pickle += numpy_array({.type = "u1", .shape = "M\xe8\x03", .data = "h\x01"}) + "a";
  write_bytes(folder / "x.pkl", pickle + ".");
  EXPECT_ERROR(read_torch_file(folder / "x.pkl"), HasSubstr("share their bytes many times"));
}

}  // namespace
}  // namespace pixelclip::testing
