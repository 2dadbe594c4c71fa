#include "io/pickle_reader.hpp"
#include "io/pickle_writer.hpp"

#include "archives.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

torch::Tensor six_floats(const std::string& key, torch::ScalarType dtype, int64_t numel) {
  if (key != "0" || dtype != torch::kFloat || numel > 6) fail("x.pth: no such storage");
  return torch::arange(6, torch::kFloat);
}

Value read(const std::string& pickle) { return unpickle(bytes_of(pickle), "x.pth", six_floats); }

std::string proto(const std::string& body) { return "\x80\x02" + body + "."; }

void expect_refused(const std::string& pickle, const std::string& why) {
  const AddressSpaceLimit limit;
  EXPECT_ERROR(read(pickle), AllOf(HasSubstr("x.pth: "), HasSubstr(why)));
}

TEST(Pickle, PlainValuesAreReadBack) {
  Dict dict;
  dict.set("none", {});
  dict.set("yes", true);
  for (const int64_t number : {int64_t{0}, int64_t{255}, int64_t{256}, int64_t{-1},
                               int64_t{1} << 31, INT64_MIN, INT64_MAX}) {
    dict.items.emplace_back(number, number);
  }
  dict.set("pi", 3.25);
  dict.set("text", "a\nb");
  dict.set("bytes", Bytes{std::string("\0\x7f\x80\xff", 4)});
  dict.set("list", ValueList{1, "two", Tuple{{3.0, false}}, ValueList(), Tuple(), Dict()});
  const Value back = read(pickle(dict, nullptr, nullptr));
  EXPECT_TRUE(back.as_dict().at("none").is_none());
  EXPECT_TRUE(back.as_dict().at("yes").as_bool());
  for (const auto& [key, value] : back.as_dict().items) {
    if (key.is<int64_t>()) {
      EXPECT_EQ(key.as_int(), value.as_int());
    }
  }
  EXPECT_EQ(back.as_dict().find(INT64_MIN)->as_int(), INT64_MIN);
  EXPECT_EQ(back.as_dict().at("pi").as_double(), 3.25);
  EXPECT_EQ(back.as_dict().at("text").as_string(), "a\nb");
  EXPECT_EQ(back.as_dict().at("bytes").get_if<Bytes>()->data, std::string("\0\x7f\x80\xff", 4));
  const auto& list = back.as_dict().at("list").as_list();
  ASSERT_EQ(list.size(), 6u);
  EXPECT_EQ(list[2].get_if<Tuple>()->items[0].as_double(), 3.0);
  EXPECT_TRUE(list[3].is<ValueList>() && list[4].is<Tuple>() && list[5].is<Dict>());
}

TEST(Pickle, NewerProtocolsAreRead) {
  // pickle.dumps({"a": [1, b"x"], "b": {"a": 2}}, protocol=4) with its frame and memo
  const std::string four = std::string(
      "\x80\x04\x95\x1f\0\0\0\0\0\0\0}\x94(\x8c\x01"
      "a\x94]\x94(K\x01"
      "C\x01x\x94"
      "e\x8c\x01"
      "b\x94}\x94h\x01K\x02su.",
      42);
  const Value value = read(four);
  EXPECT_EQ(value.as_dict().at("a").as_list()[0].as_int(), 1);
  EXPECT_EQ(value.as_dict().at("b").as_dict().at("a").as_int(), 2);
}

TEST(Pickle, UnknownClassesAreKeptButNeverRun) {
  const Value value = read(proto("cos\nsystem\n(X\x02" + std::string("\0\0\0", 3) + "rmtR"));
  const auto* object = value.get_if<Opaque>();
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->name, "os.system");
  EXPECT_EQ(object->args.at(0).as_string(), "rm");
  EXPECT_EQ(value.kind(), "an object of class os.system");
}

TEST(Pickle, ALaterEntryReplacesAnEarlierOneUnderTheSameKey) {
  const Value value = read(proto("}(K\x01K\x02K\x01K\x03u"));
  ASSERT_EQ(value.as_dict().size(), 1u);
  EXPECT_EQ(value.as_dict().find(1)->as_int(), 3);
}

TEST(Pickle, ATensorHonoursStridesAndOffset) {
  const auto tensor = read(tensor_pickle("K\x02K\x02", "K\x01K\x03", "K\x01")).as_tensor();
  EXPECT_TRUE(torch::equal(tensor, torch::tensor({{1.f, 4.f}, {2.f, 5.f}})));
}

TEST(Pickle, TensorsThatDoNotFitTheirStorageAreRefused) {
  const std::string zero("K\0", 2), huge("\x8a\x08\0\0\0\0\0\0\0\x7f", 10);
  const std::string minus("J\xff\xff\xff\xff"), one("K\x01");
  expect_refused(tensor_pickle("K\x07", "K\x01"), "does not fit its storage");
  expect_refused(tensor_pickle("K\x06", "K\x01", "K\x01"), "does not fit its storage");
  expect_refused(tensor_pickle(huge, one), "does not fit its storage");
  expect_refused(tensor_pickle(one, one, huge), "does not fit its storage");
  expect_refused(tensor_pickle("K\x02", huge), "does not fit its storage");
  expect_refused(tensor_pickle(huge + huge, zero + zero), "does not fit its storage");
  expect_refused(tensor_pickle(zero + huge + huge, one + one + one), "does not fit its storage");
  expect_refused(tensor_pickle(huge, zero), "repeat their elements");
  expect_refused(tensor_pickle("K\x02", minus), "negative number");
  expect_refused(tensor_pickle(minus, one), "negative number");
  expect_refused(tensor_pickle(one, one, minus), "negative offset");
  expect_refused(tensor_pickle(one, one + one), "1 sizes and 2 strides");
  expect_refused(tensor_pickle("G\x7f\xf8" + std::string(6, '\0'), one), "shape");
  expect_refused(tensor_pickle(one, one, zero, "K\x07"), "no such storage");
  expect_refused(tensor_pickle(one, one, zero, minus), "negative size");
}

TEST(Pickle, EveryTruncationIsRefused) {
  const std::string whole = tensor_pickle("K\x02K\x02", "K\x01K\x03");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_ERROR(read(whole.substr(0, size)), HasSubstr("x.pth: "));
  }
}

TEST(Pickle, ObjectsThatHoldThemselvesAreRefused) {
  expect_refused(proto(std::string("]q\0h\0a", 6)), "hold themselves");
  expect_refused(proto(std::string("}q\0K\x01h\0s", 8)), "hold themselves");
}

TEST(Pickle, DeepNestingIsRefused) {
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "]";
  for (int i = 1; i < 1'000'000; ++i) deep += "a";
  expect_refused(proto(deep), "deeper than 256");
}

TEST(Pickle, ManyUnfinishedContainersTakeLittleTime) {
  expect_refused("\x80\x02" + std::string(6'000'000, ']'), "more than");
  expect_refused("\x80\x02" + std::string(3'000'000, '('), "ends early");
}

TEST(Pickle, SharedPartsThatUnfoldWithoutBoundAreRefused) {
  // Forty lists, each holding the one before it twice.
  std::string laughs("]q\0", 3);
  for (int i = 1; i < 40; ++i) {
    laughs += std::string("](h") + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) +
              "eq" + static_cast<char>(i);
  }
  expect_refused(proto(laughs), "unfold to far more");
}

TEST(Pickle, ABrokenStackOrMemoIsRefused) {
  expect_refused(proto(""), "stack is empty");
  expect_refused(proto("(0"), "stack is empty");
  expect_refused(proto("t"), "a mark is missing");
  expect_refused(proto("h\x05"), "memo entry is missing");
  expect_refused(proto("NR"), "stack is empty");
  expect_refused(proto("NNR"), "arguments should be");
  expect_refused(proto("K\x01K\x02"
                       "a"),
                 "holds none");
  expect_refused(proto("}(K\x01u"), "key without a value");
  expect_refused(proto("NQ"), "storage's description");
  expect_refused(proto("Nr\xff\xff\xff\xff"), "memo number");
  expect_refused(proto("\x8b\xff\xff\xff\xff"), "ends early");
  expect_refused(proto("I1\n"), "opcode 73");
  expect_refused("\x80\x01N.", "protocol 1");
}

}  // namespace
}  // namespace pixelclip::testing
