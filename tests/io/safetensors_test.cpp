#include "io/safetensors.hpp"

#include "archives.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SafetensorsFile : public ::testing::Test {
 protected:
  void write(const std::string& header, const std::string& data) {
    uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), 8);
    write_bytes(path_, bytes + header + data);
  }
  void expect_refused(const std::string& header, const std::string& data, const std::string& why) {
    write(header, data);
    const AddressSpaceLimit limit;
    EXPECT_ERROR(read_safetensors(path_), AllOf(HasSubstr("x.safetensors: "), HasSubstr(why)));
  }
  static std::string entry(const std::string& dtype, const std::string& shape,
                           const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" + offsets +
           "]}";
  }
  TempFolder folder_;
  fs::path path_ = folder_ / "x.safetensors";
};

TEST_F(SafetensorsFile, GoldenTensorsAndMetadataAreRead) {
  SKIP_WITHOUT_SHARED();
  const auto file = read_safetensors(shared_folder() / "golden/vit/expected.safetensors");
  EXPECT_EQ(file.tensors.size(), 136u);
  EXPECT_EQ(file.metadata.at("kind"), "vit");
  EXPECT_EQ(file.tensors.at("in.image.0").sizes().vec(), (std::vector<int64_t>{3, 128, 128}));
  EXPECT_EQ(file.tensors.at("in.image.0").scalar_type(), torch::kByte);
  EXPECT_EQ(file.tensors.at("train.losses").numel(), 4);
}

TEST_F(SafetensorsFile, WhatIsWrittenIsReadBackAligned) {
  const StateDict tensors{{"a", torch::tensor({uint8_t{1}, uint8_t{2}, uint8_t{3}}, torch::kByte)},
                          {"b", torch::arange(6, torch::kFloat).view({2, 3}).t()},
                          {"c", torch::tensor(2.5, torch::kDouble)},
                          {"d \"\\ \n", torch::zeros({0, 4}, torch::kHalf)}};
  write_safetensors(path_, tensors, {{"iteration", "7"}});
  const auto file = read_safetensors(path_);
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(torch::equal(file.tensors.at(name), tensor)) << name;
    EXPECT_EQ(file.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
  }
  EXPECT_EQ(file.metadata.at("iteration"), "7");
  write_safetensors(path_, tensors, {}, torch::kHalf);
  EXPECT_EQ(read_safetensors(path_).tensors.at("b").scalar_type(), torch::kHalf);
  EXPECT_EQ(read_safetensors(path_).tensors.at("a").scalar_type(), torch::kByte);
}

TEST_F(SafetensorsFile, MisalignedTensorsAreRead) {
  write("{\"a\":" + entry("F32", "1", "0,4") + "}  ", std::string("\0\0\x80\x3f", 4));
  const auto header = "{\"a\":" + entry("F32", "1", "0,4") + "}";
  for (const char* padding : {"", " ", "  ", "   "}) {
    write(header + padding, std::string("\0\0\x80\x3f", 4));
    EXPECT_EQ(read_safetensors(path_).tensors.at("a").item<float>(), 1.f);
  }
}

TEST_F(SafetensorsFile, HeadersThatContradictTheFileAreRefused) {
  const auto one = [&](const std::string& dtype, const std::string& shape, const std::string& at) {
    return "{\"a\":" + entry(dtype, shape, at) + "}";
  };
  const std::string data(8, '\0');
  expect_refused(one("F32", "2", "0,12"), data, "does not fit");
  expect_refused(one("F32", "3", "0,12"), data, "cut short");
  expect_refused(one("F32", "1", "0,4"), data, "belong to none");
  expect_refused(one("F32", "1", "4,8"), data, "gap");
  expect_refused(one("F32", "2", "8,0"), data, "gap");
  expect_refused(one("F32", "2", "0,-8"), data, "negative");
  expect_refused(one("F32", "1e300", "0,8"), data, "fractional");
  expect_refused(one("F32", "1e999", "0,8"), data, "not valid JSON");
  expect_refused(one("F32", "NaN", "0,8"), data, "not valid JSON");
  expect_refused(one("F99", "2", "0,8"), data, "unknown type");
  expect_refused(one("F32", "18446744073709551615", "0,8"), data, "does not fit");
  expect_refused(one("F32", "4294967296,4294967296", "0,8"), data, "does not fit");
  expect_refused(one("F32", "0,18446744073709551615,18446744073709551615,0", "0,0"), "",
                 "does not fit");
  expect_refused("{\"a\":" + entry("F32", "1", "0,4") + ",\"b\":" + entry("F32", "1", "2,6") + "}",
                 data, "overlaps");
  expect_refused("{\"a\":" + entry("F32", "1", "0,4") + ",\"a\":" + entry("F32", "1", "4,8") + "}",
                 data, "twice");
}

TEST_F(SafetensorsFile, HeadersOfAnotherFormAreRefused) {
  expect_refused("[]", "", "a list");
  expect_refused("null", "", "null");
  expect_refused("{\"a\":1}", "", "a number");
  expect_refused("{\"a\":{}}", "", "lacks");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", "",
                 "a list");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"other\":1}}", "", "unknown field");
  expect_refused("{\"__metadata__\":{\"a\":1}}", "", "a number");
  expect_refused("{\"a\":", "", "not valid JSON");
  expect_refused(std::string(2'000'000, '['), "", "a list");
  expect_refused("{\"a\":{\"shape\":[" + std::string(2'000'000, '1') + "]}}", "", "");
}

TEST_F(SafetensorsFile, AShortFileOrAHugeHeaderIsRefused) {
  write_bytes(path_, "1234567");
  EXPECT_ERROR(read_safetensors(path_), HasSubstr("cut short"));
  write_bytes(path_, std::string(8, '\xff') + "{}");
  EXPECT_ERROR(read_safetensors(path_), HasSubstr("claims"));
  write_bytes(path_, std::string("\x10\0\0\0\0\0\0\0{}", 10));
  EXPECT_ERROR(read_safetensors(path_), HasSubstr("cut short"));
}

TEST_F(SafetensorsFile, WhatTheFormatCannotHoldIsNotWritten) {
  EXPECT_ERROR(write_safetensors(path_, {{"\xff", torch::ones(1)}}), HasSubstr("UTF-8"));
  EXPECT_ERROR(write_safetensors(path_, {{"z", torch::ones(1, torch::kComplexDouble)}}),
               HasSubstr("'z'"));
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace pixelclip::testing
