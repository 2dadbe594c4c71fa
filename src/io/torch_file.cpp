#include "io/torch_file.hpp"

#include <functional>
#include <optional>

#include "base/error.hpp"
#include "io/legacy_torch.hpp"
#include "io/pickle_reader.hpp"
#include "io/storages.hpp"
#include "io/zip_reader.hpp"

namespace pixelclip {
namespace {

constexpr uint64_t kLargestPickle = 256 << 20;

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Names what the file is instead of a zip archive.
[[noreturn]] void refuse_form(const MappedFile& file) {
  const std::string name = file.path().string();
  const std::string_view text = as_text(file.bytes());
  if (text.empty()) fail(name, ": the file is empty");
  if (text.starts_with("version https://git-lfs")) {
    fail(name, ": this is a Git LFS pointer, not the file itself; run git lfs pull");
  }
  const size_t start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && text[start] == '<') {
    fail(name, ": this is a web page, not a checkpoint; the download went wrong");
  }
  fail(name,
       ": this is not a torch.save file (a zip archive was expected); give a .pth, .pt or "
       ".safetensors file");
}

/// What torch.save wrote before it wrote archives, or a pickle of numpy arrays.
Value read_other_form(const MappedFile& file, std::string* form) {
  if (io::looks_like_legacy_torch(file.bytes())) {
    if (form) *form = "torch.save before PyTorch 1.6";
    return io::read_legacy_torch(file);
  }
  if (file.bytes().size() < 2 || file.bytes()[0] != 0x80) refuse_form(file);
  if (form) *form = "pickle";
  const std::string name = file.path().string();
  return unpickle(
      file.bytes(), name, [&](const std::string&, torch::ScalarType, int64_t) -> torch::Tensor {
        fail(name,
             ": this pickle names a storage that it does not hold, so torch.save did not make it");
      });
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
  fail(zip.file().path().string(),
       ": this zip archive holds no data.pkl, so torch.save did not make it");
}

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

Value read_torch_file(const std::filesystem::path& path, std::string* form) {
  const MappedFile file(path);
  if (!looks_like_zip(file.bytes())) return read_other_form(file, form);
  const ZipReader zip(file);
  const std::string folder = find_folder(zip);
  const std::string name = path.string();
  const ZipRecord& record = *zip.find(folder + "data.pkl");
  if (record.size > kLargestPickle) {
    fail(name, ": its pickle takes ", record.size, " bytes, more than the ", kLargestPickle,
         " that a checkpoint may need");
  }
  if (const auto* order = zip.find(folder + "byteorder");
      order && as_text(zip.bytes(*order)) != "little") {
    fail(name,
         ": it was saved on a big-endian machine; load it there in Python and save it with "
         "torch.serialization.set_default_load_endianness");
  }
  const auto pickle = zip.bytes(record);
  zip.verify();
  io::Storages storages(file,
                        [&](const std::string& key) -> std::optional<std::span<const uint8_t>> {
                          const ZipRecord* found = zip.find(folder + "data/" + key);
                          if (!found) return std::nullopt;
                          return zip.bytes(*found);
                        });
  Value value = unpickle(pickle, name, std::ref(storages));
  const bool script = is_script_module(value);
  if (form) *form = script ? "TorchScript archive" : "torch.save";
  if (!script) return value;
  Dict tensors;
  collect_parameters(value, "", tensors);
  return tensors;
}

}  // namespace pixelclip
