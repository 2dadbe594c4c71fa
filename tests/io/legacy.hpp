#pragma once

#include <algorithm>
#include <cstring>
#include <string>

namespace pixelclip::testing {

/// Parts of a legacy torch.save file that tests change.
struct LegacyParts {
  std::string version = "M\xe9\x03";  // 1001
  std::string little_endian = "\x88";
  std::string view = "N";
  std::string keys = "]X\x01" + std::string(
                                    "\0\0\0"
                                    "0a",
                                    5);
};

/// The bytes of torch.save({"w": arange(6.).view(2, 3), "epoch": 3}, …,
/// _use_new_zipfile_serialization=False).
inline std::string legacy_file(const LegacyParts& parts = {}) {
  const auto pickle = [](const std::string& body) { return "\x80\x02" + body + "."; };
  const auto text = [](const std::string& word) {
    return "X" + std::string(1, static_cast<char>(word.size())) + std::string(3, '\0') + word;
  };
  const std::string storage = "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") +
                              text("cpu") + "K\x06" + parts.view + "tQ";
  const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n(" + storage +
                             std::string("K\0", 2) +
                             "K\x02K\x03\x86K\x03K\x01\x86\x89"
                             "ccollections\nOrderedDict\n)RtR";
  std::string bytes = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
  bytes += pickle(parts.version);
  bytes += pickle("}(" + text("protocol_version") + "M\xe9\x03" + text("little_endian") +
                  parts.little_endian + "u");
  bytes += pickle("}(" + text("w") + tensor + text("epoch") +
                  "K\x03"
                  "u");
  bytes += pickle(parts.keys);
  const int64_t numel = 6;
  bytes.append(reinterpret_cast<const char*>(&numel), sizeof(numel));
  for (int i = 0; i < 6; ++i) {
    const auto number = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  return bytes;
}

/// Parts of a pickled numpy array that tests change; `shape` is the inside of a pickled tuple.
struct NumpyParts {
  std::string module = "numpy.core.multiarray";
  std::string type = "f4", order = "<", shape = "K\x02K\x03", fortran = "\x89";
  bool big_endian = false;
  std::string data = "";  // opcodes that leave the bytes on the stack; empty: 1 to 6 as float32
};

/// The opcodes (protocol 2) that numpy.ndarray's pickling writes for one array.
inline std::string numpy_array(const NumpyParts& parts = {}) {
  const auto text = [](const std::string& word) {
    return "X" + std::string(1, static_cast<char>(word.size())) + std::string(3, '\0') + word;
  };
  std::string data = parts.data;
  if (data.empty()) {
    std::string bytes;
    for (int i = 1; i <= 6; ++i) {
      const auto number = static_cast<float>(i);
      char raw[sizeof(number)];
      std::memcpy(raw, &number, sizeof(number));
      if (parts.big_endian) std::reverse(raw, raw + sizeof(number));
      bytes.append(raw, sizeof(number));
    }
    data = "T" + std::string("\x18\0\0\0", 4) + bytes;  // BINSTRING, as Python 2 wrote
  }
  return "c" + parts.module + "\n_reconstruct\n(cnumpy\nndarray\n" + std::string("K\0", 2) +
         "\x85" + text("b") + "tR(K\x01(" + parts.shape + "tcnumpy\ndtype\n" + text(parts.type) +
         "\x89\x88\x87R(K\x03" + text(parts.order) + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" +
         std::string("K\0", 2) + "tb" + parts.fortran + data + "tb";
}

}  // namespace pixelclip::testing
