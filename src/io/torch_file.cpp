#include "pixelclip/io/torch_file.hpp"

#include <algorithm>
#include <map>

#include "mapped_tensor.hpp"
#include "pixelclip/base/error.hpp"
#include "pixelclip/io/pickle.hpp"
#include "pixelclip/io/zip.hpp"

namespace pixelclip {
namespace {

constexpr uint64_t kLargestPickle = 256 << 20;

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Names what the file is instead of a zip archive.
[[noreturn]] void refuse_other_form(const MappedFile& file) {
  const std::string name = file.path().string();
  const std::string_view text = as_text(file.bytes());
  // torch.save before PyTorch 1.6 began with the pickled number 0x1950a86a20f9469cfc6c.
  const std::string_view magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  if (text.empty()) fail(name, ": the file is empty");
  if (text.size() > 14 && text[0] == '\x80' && text.substr(2, 12) == magic) {
    fail(name, ": this is the old non-zip form of torch.save; convert it once in Python with "
         "torch.save(torch.load(PATH, map_location='cpu'), NEW_PATH)");
  }
  if (text[0] == '\x80') {
    fail(name, ": this is a bare pickle, not a torch.save file; load it in Python and save its "
         "tensors with torch.save");
  }
  if (text.starts_with("version https://git-lfs")) {
    fail(name, ": this is a Git LFS pointer, not the file itself; run git lfs pull");
  }
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && text[start] == '<') {
    fail(name, ": this is a web page, not a checkpoint; the download went wrong");
  }
  fail(name, ": this is not a torch.save file (a zip archive was expected); give a .pth, .pt or "
       ".safetensors file");
}

/// The folder in the archive that holds data.pkl, with its slash.
std::string find_folder(const ZipReader& zip) {
  const std::string_view wanted = "/data.pkl";
  for (const auto& record : zip.records()) {
    const std::string_view name = record.name;
    if (name.ends_with(wanted) && name.find('/') == name.size() - wanted.size()) {
      return record.name.substr(0, name.size() - wanted.size() + 1);
    }
  }
  fail(zip.file().path().string(), ": this zip archive holds no data.pkl, so torch.save did not make it");
}

/// Storages by key and type, each mapped once so that tensors share them as they did when saved.
class Storages {
 public:
  Storages(const ZipReader& zip, std::string folder) : zip_(zip), folder_(std::move(folder)) {}

  torch::Tensor operator()(const std::string& key, torch::ScalarType dtype, int64_t numel) {
    const auto id = std::make_pair(key, dtype);
    if (const auto known = known_.find(id); known != known_.end() && known->second.numel() >= numel) {
      return known->second;
    }
    const std::string name = zip_.file().path().string();
    const ZipRecord* record = zip_.find(folder_ + "data/" + key);
    if (!record) fail(name, ": the record of storage '", printable(key), "' is missing");
    const auto bytes = zip_.bytes(*record);
    const size_t item = c10::elementSize(dtype);
    if (bytes.size() / item < static_cast<uint64_t>(numel)) {
      fail(name, ": storage '", printable(key), "' should hold ", numel, " elements of ", item,
           " bytes, but its record has ", bytes.size(), " bytes");
    }
    return known_[id] = io::on_mapping(zip_.file(), bytes, dtype, numel);
  }

 private:
  const ZipReader& zip_;
  std::string folder_;
  std::map<std::pair<std::string, torch::ScalarType>, torch::Tensor> known_;
};

bool is_script_module(const Value& value) {
  const auto* object = value.get_if<Opaque>();
  return object && object->name.starts_with("__torch__.") && object->state.size() == 1 &&
         object->state[0].is<Dict>();
}

/// Adds the tensors of a TorchScript module and of its children.
void collect_parameters(const Value& module, const std::string& prefix, Dict& into) {
  for (const auto& [key, value] : module.get_if<Opaque>()->state[0].get_if<Dict>()->items) {
    const auto* name = key.get_if<std::string>();
    if (!name) continue;
    if (value.is<torch::Tensor>()) into.items.emplace_back(prefix + *name, value);
    if (is_script_module(value)) collect_parameters(value, prefix + *name + ".", into);
  }
}

}  // namespace

Value read_torch_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  if (!looks_like_zip(file.bytes())) refuse_other_form(file);
  const ZipReader zip(file);
  const std::string folder = find_folder(zip);
  const std::string name = path.string();
  const ZipRecord& record = *zip.find(folder + "data.pkl");
  if (record.size > kLargestPickle) {
    fail(name, ": its pickle takes ", record.size, " bytes, more than the ", kLargestPickle,
         " that a checkpoint may need");
  }
  if (const auto* order = zip.find(folder + "byteorder"); order && as_text(zip.bytes(*order)) != "little") {
    fail(name, ": it was saved on a big-endian machine; load it there in Python and save it with "
         "torch.serialization.set_default_load_endianness");
  }
  const auto pickle = zip.bytes(record);
  zip.verify();
  Value value = unpickle(pickle, name, Storages(zip, folder));
  if (!is_script_module(value)) return value;
  Dict tensors;
  collect_parameters(value, "", tensors);
  return tensors;
}

}  // namespace pixelclip
