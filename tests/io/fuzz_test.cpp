#include "archives.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "io/pickle_reader.hpp"
#include "io/safetensors.hpp"
#include "io/torch_file.hpp"
#include "io/torch_writer.hpp"
#include "io/weights_file.hpp"
#include "io/zip_reader.hpp"
#include "legacy.hpp"

namespace pixelclip::testing {
namespace {

/// Numbers that overflow, wrap, or point far away.
constexpr uint64_t nasty[] = {0,
                              1,
                              0x7F,
                              0xFF,
                              0x7FFF,
                              0xFFFF,
                              0x7FFFFFFF,
                              0xFFFFFFFF,
                              0x7FFFFFFFFFFFFFFF,
                              0x8000000000000000,
                              0xFFFFFFFFFFFFFFFF};

/// One random fault: flipped bits, a spliced number, a cut, a repeated or removed stretch.
std::string mutate(std::string bytes, Random& random) {
  const auto size = static_cast<int64_t>(bytes.size());
  for (int64_t faults = random.integer(1, 4); faults > 0 && !bytes.empty(); --faults) {
    const auto at = static_cast<size_t>(random.integer(0, static_cast<int64_t>(bytes.size())));
    switch (random.integer(0, 5)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.integer(0, 8));
        break;
      case 1: {
        const uint64_t number = nasty[random.integer(0, std::size(nasty))];
        const size_t width = std::min<size_t>(size_t{1} << random.integer(0, 4), bytes.size() - at);
        std::memcpy(bytes.data() + at, &number, width);
        break;
      }
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at / 2, random.integer(1, 64)));
        break;
      default:
        bytes.erase(at, random.integer(1, 64));
        break;
    }
  }
  // Now and then many faults in the tail, where zip archives keep their directory.
  if (size > 300 && random.chance(0.1) && bytes.size() > 300) {
    for (int i = 0; i < 4; ++i)
      bytes[bytes.size() - random.integer(1, 300)] = static_cast<char>(random.next());
  }
  return bytes;
}

/// Reads 1000 mutations of `seed`, or $PIXELCLIP_FUZZ_COUNT: each must be read or refused with an
/// Error, without large allocations. A failure leaves its bytes in the temporary folder.
void fuzz(const std::string& seed, uint64_t key,
          const std::function<void(const std::string&)>& read) {
  const char* named = std::getenv("PIXELCLIP_FUZZ_COUNT");
  const int64_t count = named ? std::atoll(named) : 1000;
  int64_t refused = 0;
  EXPECT_NO_THROW(read(seed));
  const AddressSpaceLimit limit;
  for (int64_t i = 0; i < count; ++i) {
    Random random(20, key, i);
    const std::string bytes = mutate(seed, random);
    try {
      read(bytes);
    } catch (const Error& e) {
      ++refused;
      EXPECT_THAT(std::string(e.what()), ::testing::Not(::testing::IsEmpty()));
    } catch (const std::exception& e) {
      const auto path = fs::temp_directory_path() / "pixelclip-fuzz-failure";
      write_bytes(path, bytes);
      FAIL() << "mutation " << i << " threw something else: " << e.what() << " (its bytes: " << path
             << ")";
    }
  }
  EXPECT_GT(refused, count / 10);
}

/// Touches every element of small tensors, as loading weights would.
void use(const Value& value) {
  if (const auto* tensor = value.get_if<torch::Tensor>()) {
    if (tensor->numel() < 1 << 12) tensor->to(torch::kDouble).sum();
  } else if (value.is<ValueList>() || value.is<Tuple>()) {
    for (const auto& item : value.as_list()) use(item);
  } else if (const auto* dict = value.get_if<Dict>()) {
    for (const auto& [key, item] : dict->items) use(item);
  }
}

Value synthetic_value() {
  Dict model;
  const auto base = torch::arange(24, torch::kFloat);
  model.set("a.weight", base.view({4, 6}));
  model.set("a.row", base.view({4, 6})[2]);
  model.set("b", torch::arange(5).to(torch::kUInt16));
  model.set("c", torch::ones({2, 3}, torch::kHalf));
  return Dict{
      {{"model", model}, {"iteration", 7}, {"list", ValueList{1, 2.5, Tuple{{"x", true}}}}}};
}

std::string file_bytes(const fs::path& path) { return read_text(path); }

/// Sets every checksum to "not computed", so that faults get past them.
std::string without_checksums(std::string bytes) {
  for (size_t at = 0; (at = bytes.find("PK\x01\x02", at)) != std::string::npos; at += 4) {
    poke<uint32_t>(bytes, at + 16, 0);
  }
  return bytes;
}

TEST(Fuzz, DamagedTorchFilesAreReadOrRefused) {
  const TempFolder folder;
  write_torch_file(folder / "a.pth", synthetic_value());
  fuzz(without_checksums(file_bytes(folder / "a.pth")), 1, [&](const std::string& bytes) {
    write_bytes(folder / "b.pth", bytes);
    use(read_torch_file(folder / "b.pth"));
  });
}

TEST(Fuzz, DamagedPicklesAreReadOrRefused) {
  SKIP_WITHOUT_SHARED();
  for (const char* name : {"vit/model.pth", "sources/openai_vit.pt", "dino/dino.pth",
                           "train_vit/resized_images/sa_000020/image_list.da"}) {
    const ZipReader zip(MappedFile(shared_folder() / "golden" / name));
    for (const auto& record : zip.records()) {
      if (!record.name.ends_with("/data.pkl")) continue;
      const auto bytes = zip.bytes(record);
      fuzz({bytes.begin(), bytes.end()}, 2, [](const std::string& pickle) {
        use(unpickle(bytes_of(pickle), "x", [](auto&, torch::ScalarType dtype, int64_t numel) {
          static const auto zeros = torch::zeros({1 << 24}, torch::kByte);
          const auto typed = zeros.view(dtype);
          if (numel > typed.numel()) fail("too large");
          return typed.narrow(0, 0, numel);
        }));
      });
    }
  }
}

/// Reads mutations of a file's bytes as weights are read.
void fuzz_weights(const std::string& seed, uint64_t key, const fs::path& path) {
  fuzz(seed, key, [&](const std::string& bytes) {
    write_bytes(path, bytes);
    use(read_weights_file(path).weights);
  });
}

TEST(Fuzz, DamagedLegacyTorchFilesAreReadOrRefused) {
  const TempFolder folder;
  fuzz_weights(legacy_file(), 4, folder / "a.pth");
}

TEST(Fuzz, DamagedPicklesOfNumpyArraysAreReadOrRefused) {
  const TempFolder folder;
  const std::string word = std::string("\0\0\0", 3);
  fuzz_weights(
      "\x80\x02}X\x05" + word + "model}(X\x01" + word + "w" + numpy_array() + "X\x01" + word + "v" +
          numpy_array({.module = "numpy._core.multiarray", .order = ">", .fortran = "\x88"}) +
          "us.",
      5, folder / "a.pkl");
}

TEST(Fuzz, StoragesPickledWithoutTorchSaveAreReadOrRefused) {
  const TempFolder folder;
  // As pickle.dump writes a tensor: its storage is a legacy stream of its own, here one that holds
  // a whole dict.
  const std::string stream = legacy_file();
  const auto length = static_cast<uint32_t>(stream.size());
  const std::string bytes =
      "B" + std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + stream;
  fuzz_weights("\x80\x04}X\x01" + std::string("\0\0\0", 3) +
                   "w"
                   "ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\n" +
                   bytes + "\x85R" + std::string("K\0", 2) +
                   "K\x02K\x03\x86K\x03K\x01\x86\x89"
                   "ccollections\nOrderedDict\n)RtRs.",
               6, folder / "a.pkl");
}

TEST(Fuzz, DamagedIndexesOfShardsAreReadOrRefused) {
  const TempFolder folder;
  write_safetensors(folder / "a.safetensors", {{"a", torch::ones({2, 3})}});
  write_torch_file(folder / "b.bin", Dict{{{"b", torch::ones({4})}}});
  fuzz_weights(
      R"({"metadata": {"total_size": 40}, "weight_map": {"a": "a.safetensors", "b": "b.bin"}})", 7,
      folder / "x.index.json");
  fuzz_weights(file_bytes(folder / "a.safetensors"), 8, folder / "b.safetensors");
}

TEST(Fuzz, DamagedSafetensorsAreReadOrRefused) {
  const TempFolder folder;
  write_safetensors(folder / "a.safetensors",
                    {{"a", torch::ones({2, 3})}, {"b", torch::ones({5}, torch::kByte)}},
                    {{"iteration", "7"}});
  fuzz(file_bytes(folder / "a.safetensors"), 3, [&](const std::string& bytes) {
    write_bytes(folder / "b.safetensors", bytes);
    use(to_value(read_safetensors(folder / "b.safetensors").tensors));
  });
}

}  // namespace
}  // namespace pixelclip::testing
