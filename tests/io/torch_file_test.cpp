#include "io/torch_file.hpp"

#include <cstdlib>

#include "archives.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(TorchFile, ACheckpointOfThePublicFormIsRead) {
  SKIP_WITHOUT_SHARED();
  const Value file = read_torch_file(shared_folder() / "golden/vit/model.pth");
  EXPECT_EQ(file.as_dict().at("__author__").as_string(), "golden");
  EXPECT_EQ(file.as_dict().at("iteration").as_int(), 0);
  const StateDict state = to_state_dict(file, "model.pth");
  EXPECT_EQ(state.size(), 145u);
  // As Python's torch.load reads it.
  EXPECT_NEAR(weighted_sum(state), -28611.111816388388, 1e-6);
  const auto& strided = state.at("sem_seg_head.predictor.clip_model.token_embedding.weight");
  EXPECT_EQ(strided.strides().vec(), (std::vector<int64_t>{1, 1}));
  EXPECT_FLOAT_EQ(strided[3][5].item<float>(), 0.019538411870598793f);
}

TEST(TorchFile, EveryPublishedFormIsRead) {
  SKIP_WITHOUT_SHARED();
  const auto golden = shared_folder() / "golden";
  const StateDict convnext = read_state_dict(golden / "convnext/model.pth");
  EXPECT_EQ(convnext.size(), 185u);
  EXPECT_NEAR(weighted_sum(convnext), -44726.5644458772, 1e-6);
  const StateDict dino = read_state_dict(golden / "dino/dino.pth");
  EXPECT_EQ(dino.size(), 42u);
  EXPECT_NEAR(weighted_sum(dino), 36309.48025366967, 1e-6);
  const StateDict openai = read_state_dict(golden / "sources/openai_vit.pt");
  EXPECT_EQ(openai.size(), 62u);
  EXPECT_NEAR(weighted_sum(openai), 32074.916692316532, 1e-6);
  EXPECT_EQ(openai.at("visual.transformer.resblocks.0.attn.in_proj_weight").scalar_type(),
            torch::kHalf);
}

TEST(TorchFile, BothOpenClipFilesGiveTheSameWeights) {
  SKIP_WITHOUT_SHARED();
  const auto sources = shared_folder() / "golden/sources";
  const StateDict pickled = read_state_dict(sources / "open_clip_pytorch_model.bin");
  const StateDict safe = read_state_dict(sources / "open_clip_model.safetensors");
  ASSERT_EQ(pickled.size(), safe.size());
  for (const auto& [name, tensor] : safe) {
    EXPECT_TRUE(torch::equal(tensor, pickled.at(name))) << name;
  }
}

TEST(TorchFile, AnImageListIsRead) {
  SKIP_WITHOUT_SHARED();
  const Value list =
      read_torch_file(shared_folder() / "golden/train_vit/resized_images/sa_000020/image_list.da");
  ASSERT_EQ(list.as_list().size(), 4u);
  EXPECT_EQ(list.as_list()[1].as_dict().at("img_name").as_string(),
            "/resized_images/sa_000020/sa_223751.jpg");
}

Value sample() {
  const auto base = torch::arange(12, torch::kFloat);
  Dict model;
  model.set("plain", base.clone().view({3, 4}));
  model.set("transposed", torch::arange(6).view({2, 3}).t());
  model.set("half", torch::tensor({1.5f, -2.f}).to(torch::kHalf));
  model.set("bfloat16", torch::tensor({1.5f}).to(torch::kBFloat16));
  model.set("small", torch::arange(3).to(torch::kUInt16));
  model.set("flags", torch::tensor({true, false}));
  model.set("scalar", torch::tensor(7.0, torch::kDouble));
  model.set("empty", torch::empty({0, 3}));
  model.set("tied_a", base);
  model.set("tied_b", base);
  model.set("row", base.view({3, 4})[1]);
  model.set("gradient", torch::ones({2}, torch::requires_grad()));
  Dict root;
  root.set("model", model);
  root.set("optimizer",
           Dict{{{"state", Dict{{{0, Dict{{{"step", torch::tensor(3.f)}}}}}}},
                 {"param_groups", ValueList{Dict{{{"betas", Tuple{{0.9, 0.999}}}}}}}}});
  root.set("iteration", 12345678901);
  root.set("state", Bytes{"\x80\xff"});
  return root;
}

TEST(TorchFile, WhatIsWrittenIsReadBack) {
  const TempFolder folder;
  const Value written = sample();
  write_torch_file(folder / "a.pth", written);
  const Value read = read_torch_file(folder / "a.pth");
  const Dict& expected = written.as_dict().at("model").as_dict();
  const Dict& model = read.as_dict().at("model").as_dict();
  ASSERT_EQ(model.size(), expected.size());
  for (const auto& [name, tensor] : expected.items) {
    const auto& found = model.at(name.as_string()).as_tensor();
    EXPECT_EQ(found.scalar_type(), tensor.as_tensor().scalar_type()) << name.as_string();
    EXPECT_EQ(found.sizes(), tensor.as_tensor().sizes()) << name.as_string();
    EXPECT_TRUE(torch::equal(found, tensor.as_tensor())) << name.as_string();
    EXPECT_FALSE(found.requires_grad());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.const_data_ptr()) % 16, 0u) << name.as_string();
  }
  EXPECT_TRUE(model.at("transposed").as_tensor().is_contiguous());
  EXPECT_EQ(read.as_dict().at("iteration").as_int(), 12345678901);
  EXPECT_EQ(read.as_dict().at("state").get_if<Bytes>()->data, "\x80\xff");
}

TEST(TorchFile, TensorsThatOverlapShareOneRecordAndMemory) {
  const TempFolder folder;
  write_torch_file(folder / "a.pth", sample());
  const Value read = read_torch_file(folder / "a.pth");
  const Dict& model = read.as_dict().at("model").as_dict();
  const auto a = model.at("tied_a").as_tensor();
  EXPECT_EQ(a.const_data_ptr(), model.at("tied_b").as_tensor().const_data_ptr());
  EXPECT_EQ(a.const_data_ptr<float>() + 4, model.at("row").as_tensor().const_data_ptr<float>());
}

TEST(TorchFile, AViewOfLargeMemoryIsWrittenAlone) {
  const TempFolder folder;
  const auto large = torch::zeros({1000, 1000});
  Dict dict;
  dict.set("column", large.select(1, 5));
  write_torch_file(folder / "a.pth", dict);
  EXPECT_LT(fs::file_size(folder / "a.pth"), 10'000u);
}

TEST(TorchFile, TensorsMayBeChangedInPlaceWithoutChangingTheFile) {
  const TempFolder folder;
  write_torch_file(folder / "a.pth", sample());
  const auto plain = [&] {
    return read_torch_file(folder / "a.pth")
        .as_dict()
        .at("model")
        .as_dict()
        .at("plain")
        .as_tensor();
  };
  plain().zero_();
  EXPECT_EQ(plain().sum().item<float>(), 66.f);
}

TEST(TorchFile, HalfPrecisionIsWrittenOnRequest) {
  const TempFolder folder;
  write_torch_file(folder / "a.pth", sample(), torch::kHalf);
  const Value read = read_torch_file(folder / "a.pth");
  const Dict& model = read.as_dict().at("model").as_dict();
  EXPECT_EQ(model.at("plain").as_tensor().scalar_type(), torch::kHalf);
  EXPECT_EQ(model.at("transposed").as_tensor().scalar_type(), torch::kLong);
  EXPECT_EQ(model.at("row").as_tensor().sum().item<float>(), 22.f);
}

TEST(TorchFile, PythonReadsWhatIsWrittenWithWeightsOnly) {
  const fs::path python = fs::path(PIXELCLIP_SOURCE_DIR) / ".deps/venv/bin/python";
  if (!fs::exists(python)) GTEST_SKIP() << "no Python with torch here";
  const TempFolder folder;
  write_torch_file(folder / "a.pth", sample());
  write_bytes(folder / "check.py", R"(
import sys, torch
f = torch.load(sys.argv[1], weights_only=True)
m = f['model']
assert torch.equal(m['plain'], torch.arange(12.).view(3, 4))
assert torch.equal(m['transposed'], torch.arange(6).view(2, 3).t())
assert m['half'].dtype == torch.float16 and m['half'].tolist() == [1.5, -2]
assert m['bfloat16'].dtype == torch.bfloat16 and m['bfloat16'].tolist() == [1.5]
assert m['small'].dtype == torch.uint16 and m['small'].tolist() == [0, 1, 2]
assert m['flags'].tolist() == [True, False]
assert m['scalar'].shape == () and m['scalar'].item() == 7
assert m['empty'].shape == (0, 3)
assert m['tied_a'].data_ptr() == m['tied_b'].data_ptr() == m['row'].data_ptr() - 16
assert m['row'].tolist() == [4, 5, 6, 7]
assert f['optimizer']['state'][0]['step'].item() == 3
assert f['optimizer']['param_groups'][0]['betas'] == (0.9, 0.999)
assert f['iteration'] == 12345678901 and f['state'] == b'\x80\xff'
mapped = torch.load(sys.argv[1], weights_only=True, mmap=True)['model']
assert torch.equal(mapped['plain'], m['plain'])
)");
  const std::string command = "OMP_NUM_THREADS=1 '" + python.string() + "' '" +
                              (folder / "check.py").string() + "' '" + (folder / "a.pth").string() +
                              "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST(TorchFile, ObjectsOfUnknownClassesCannotBeWritten) {
  const TempFolder folder;
  EXPECT_ERROR(write_torch_file(folder / "a.pth", Opaque{"my.Class", {}, {}}),
               HasSubstr("my.Class"));
  EXPECT_FALSE(fs::exists(folder / "a.pth"));
}

class TorchFileRefusal : public ::testing::Test {
 protected:
  void expect_refused(const std::string& bytes, const std::string& why) {
    write_bytes(folder_ / "x.pth", bytes);
    EXPECT_ERROR(read_torch_file(folder_ / "x.pth"), AllOf(HasSubstr("x.pth: "), HasSubstr(why)));
  }
  TempFolder folder_;
};

TEST_F(TorchFileRefusal, OtherFormsAreNamed) {
  expect_refused("", "is empty");
  expect_refused("\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", "is not a pickle");
  expect_refused(tensor_pickle("K\x06", "K\x01"), "a storage that it does not hold");
  expect_refused("<!DOCTYPE html>", "web page");
  expect_refused("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
  expect_refused("hello", "not a torch.save file");
}

TEST_F(TorchFileRefusal, ArchivesOfAnotherKindAreNamed) {
  expect_refused(zip_of({{"word/document.xml", "x"}}), "no data.pkl");
  expect_refused(zip_of({{"a/data.pkl", "\x80\x02N."}, {"a/byteorder", "big"}}), "big-endian");
  expect_refused(zip_of({{"a/data.pkl", tensor_pickle("K\x06", "K\x01")}}),
                 "storage '0' is missing");
  expect_refused(torch_archive(tensor_pickle("K\x06", "K\x01"), 5), "should hold 6 elements");
  std::string damaged = torch_archive(tensor_pickle("K\x06", "K\x01"));
  damaged[damaged.find(std::string(24, '\0') + "PK") + 3] = 1;
  expect_refused(damaged, "damaged");
}

}  // namespace
}  // namespace pixelclip::testing
