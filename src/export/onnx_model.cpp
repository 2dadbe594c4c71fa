#include "export/onnx_model.hpp"

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "pixelclip/version.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kOpset = 17;
constexpr int64_t kIrVersion = 8;              // of opset 17
constexpr size_t kMostInside = 1'900'000'000;  // protobuf ends at 2^31 bytes, graph included
constexpr size_t kLeastBeside = 1024;          // shapes and scalars stay in the graph
constexpr uint64_t kAlignment = 4096;          // lets runtimes map the weights

void set_type(onnx::ValueInfoProto& value, const std::string& name, OnnxType type,
              const std::vector<OnnxDim>& shape, const std::string& meaning) {
  value.set_name(name);
  value.set_doc_string(meaning);
  auto* tensor = value.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(static_cast<int>(type));
  tensor->mutable_shape();
  for (const auto& length : shape) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (const auto* fixed = std::get_if<int64_t>(&length)) dim->set_dim_value(*fixed);
    if (const auto* free = std::get_if<std::string>(&length)) dim->set_dim_param(*free);
  }
}

void set_attribute(onnx::AttributeProto& attribute, const std::string& name,
                   const OnnxAttribute& value) {
  attribute.set_name(name);
  if (const auto* number = std::get_if<int64_t>(&value)) {
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(*number);
  } else if (const auto* real = std::get_if<float>(&value)) {
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    attribute.set_type(onnx::AttributeProto::STRING);
    attribute.set_s(*text);
  } else {
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const int64_t item : std::get<std::vector<int64_t>>(value)) attribute.add_ints(item);
  }
}

void set_header(onnx::TensorProto& proto, const OnnxTensor& tensor) {
  proto.set_name(tensor.name);
  proto.set_data_type(static_cast<int>(tensor.type));
  for (const int64_t length : tensor.shape) proto.add_dims(length);
}

void set_bytes(onnx::TensorProto& proto, const OnnxTensor& tensor) {
  proto.set_raw_data(tensor.bytes.data(), tensor.bytes.size());
}

void set_place(onnx::TensorProto& proto, const std::string& file, uint64_t offset, size_t size) {
  proto.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto add = [&](const char* key, const std::string& value) {
    auto* entry = proto.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  };
  add("location", file);
  add("offset", std::to_string(offset));
  add("length", std::to_string(size));
}

}  // namespace

bool has_onnx() { return true; }

struct OnnxModel::State {
  onnx::ModelProto model;
  std::vector<OnnxTensor> tensors;
  std::set<std::string> names;
  int64_t nodes = 0;

  onnx::GraphProto& graph() { return *model.mutable_graph(); }

  /// The graph without the large tensors, which stand as inputs: what is checked is what the nodes
  /// do, and no weights are copied.
  void check() const {
    onnx::ModelProto skeleton = model;
    for (const auto& tensor : tensors) {
      if (tensor.bytes.size() < kLeastBeside) {
        auto* proto = skeleton.mutable_graph()->add_initializer();
        set_header(*proto, tensor);
        set_bytes(*proto, tensor);
      } else {
        set_type(*skeleton.mutable_graph()->add_input(), tensor.name, tensor.type,
                 {tensor.shape.begin(), tensor.shape.end()}, "");
      }
    }
    try {
      onnx::checker::check_model(skeleton);
      onnx::shape_inference::InferShapes(skeleton, onnx::OpSchemaRegistry::Instance(),
                                         onnx::ShapeInferenceOptions(true, 1, true));
    } catch (const std::exception& e) {
      fail("internal error: the ONNX checker refuses the graph: ", e.what());
    }
  }
};

OnnxModel::OnnxModel() : state_(std::make_unique<State>()) {
  auto& model = state_->model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("pixelclip");
  model.set_producer_version(PIXELCLIP_VERSION);
  model.add_opset_import()->set_version(kOpset);
  state_->graph().set_name("pixelclip");
  set_metadata("version", PIXELCLIP_VERSION);
}

OnnxModel::~OnnxModel() = default;

void OnnxModel::add_input(const std::string& name, OnnxType type, const std::vector<OnnxDim>& shape,
                          const std::string& meaning) {
  set_type(*state_->graph().add_input(), name, type, shape, meaning);
}

void OnnxModel::add_output(const std::string& name, OnnxType type,
                           const std::vector<OnnxDim>& shape, const std::string& meaning) {
  set_type(*state_->graph().add_output(), name, type, shape, meaning);
}

std::string OnnxModel::add_node(const std::string& op, const std::vector<std::string>& inputs,
                                const OnnxAttributes& attributes, const std::string& output) {
  auto& node = *state_->graph().add_node();
  node.set_op_type(op);
  node.set_name(str(op, "_", state_->nodes++));
  for (const auto& input : inputs) node.add_input(input);
  for (const auto& [name, value] : attributes) set_attribute(*node.add_attribute(), name, value);
  node.add_output(output.empty() ? node.name() + "_output" : output);
  return node.output(0);
}

std::string OnnxModel::add_tensor(OnnxTensor tensor) {
  const std::string name = tensor.name;
  if (state_->names.insert(name).second) state_->tensors.push_back(std::move(tensor));
  return name;
}

void OnnxModel::set_metadata(const std::string& key, const std::string& value) {
  auto* entry = state_->model.add_metadata_props();
  entry->set_key(key);
  entry->set_value(value);
}

bool OnnxModel::write(const fs::path& file, bool weights_beside) {
  state_->check();
  size_t size = 0;
  for (const auto& tensor : state_->tensors) size += tensor.bytes.size();
  const bool beside = weights_beside || size > kMostInside;
  const fs::path data = file.string() + ".data";
  std::vector<const OnnxTensor*> in_data;
  uint64_t offset = 0;
  for (const auto& tensor : state_->tensors) {
    auto& proto = *state_->graph().add_initializer();
    set_header(proto, tensor);
    if (beside && tensor.bytes.size() >= kLeastBeside) {
      set_place(proto, data.filename().string(), offset, tensor.bytes.size());
      offset += (tensor.bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
      in_data.push_back(&tensor);
    } else {
      set_bytes(proto, tensor);
    }
  }
  const auto write_data = [&](std::ostream& out) {
    for (const auto* tensor : in_data) {
      out.write(reinterpret_cast<const char*>(tensor->bytes.data()),
                static_cast<std::streamsize>(tensor->bytes.size()));
      const size_t padding = (kAlignment - tensor->bytes.size() % kAlignment) % kAlignment;
      out << std::string(padding, '\0');
    }
  };
  // The weights are complete before the graph that refers to them appears.
  write_atomically(file, [&](std::ostream& out) {
    if (beside) write_atomically(data, write_data);
    if (!state_->model.SerializeToOstream(&out))
      fail("cannot write ", file.string(), ": the graph does not fit into one protobuf file");
  });
  return beside;
}

}  // namespace pixelclip
