#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace pixelclip {

/// Element types, with the numbers of onnx.TensorProto.DataType.
enum class OnnxType { float32 = 1, uint8 = 2, int32 = 6, int64 = 7, float16 = 10 };

/// A length that is fixed, or is known only when the model runs and then has a name.
using OnnxDim = std::variant<int64_t, std::string>;

using OnnxAttribute = std::variant<int64_t, float, std::string, std::vector<int64_t>>;
using OnnxAttributes = std::map<std::string, OnnxAttribute>;

/// A constant of the graph. `owner` keeps `bytes` alive.
struct OnnxTensor {
  std::string name;
  OnnxType type;
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;
  std::shared_ptr<const void> owner;
};

/// Whether the program was built with ONNX.
bool has_onnx();

/// An ONNX file under construction (opset 17). Values of the graph are referred to by name. This
/// header and its source know nothing of LibTorch, which ships another version of protobuf's
/// headers.
class OnnxModel {
 public:
  /// Errors: the program was built without ONNX.
  OnnxModel();
  ~OnnxModel();
  OnnxModel(const OnnxModel&) = delete;
  OnnxModel& operator=(const OnnxModel&) = delete;

  void add_input(const std::string& name, OnnxType type, const std::vector<OnnxDim>& shape,
                 const std::string& meaning);
  void add_output(const std::string& name, OnnxType type, const std::vector<OnnxDim>& shape,
                  const std::string& meaning);
  /// Returns the name of the node's only output: `output`, or a fresh name.
  std::string add_node(const std::string& op, const std::vector<std::string>& inputs,
                       const OnnxAttributes& attributes = {}, const std::string& output = "");
  /// Returns the tensor's name. A name that is already there is not added again.
  std::string add_tensor(OnnxTensor tensor);
  void set_metadata(const std::string& key, const std::string& value);

  /// Checks the graph with ONNX's checker and strict shape inference, then writes it atomically.
  /// With `weights_beside`, or when they exceed the 2 GB that a protobuf file can hold, the
  /// weights go to FILE.data beside it; returns whether they did.
  /// Errors: an unwritable path.
  bool write(const std::filesystem::path& file, bool weights_beside);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pixelclip
