#include "base/error.hpp"
#include "export/onnx_model.hpp"

namespace pixelclip {

bool has_onnx() { return false; }

struct OnnxModel::State {};

OnnxModel::OnnxModel() {
  fail(
      "this program was built without ONNX: install libonnx-dev and libprotobuf-dev (Debian) and "
      "build it again");
}
OnnxModel::~OnnxModel() = default;

void OnnxModel::add_input(const std::string&, OnnxType, const std::vector<OnnxDim>&,
                          const std::string&) {}
void OnnxModel::add_output(const std::string&, OnnxType, const std::vector<OnnxDim>&,
                           const std::string&) {}
std::string OnnxModel::add_node(const std::string&, const std::vector<std::string>&,
                                const OnnxAttributes&, const std::string&) {
  return "";
}
std::string OnnxModel::add_tensor(OnnxTensor) { return ""; }
void OnnxModel::set_metadata(const std::string&, const std::string&) {}
bool OnnxModel::write(const std::filesystem::path&, bool) { return false; }

}  // namespace pixelclip
