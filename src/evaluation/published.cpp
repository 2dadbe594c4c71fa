#include "evaluation/published.hpp"

#include <array>

#include "base/log.hpp"
#include "config/class_names.hpp"
#include "config/config.hpp"

namespace pixelclip {

std::string published_backbone(const ClipArchitecture& architecture) {
  const auto& vit = architecture.vit;
  if (vit && vit->width == 768 && vit->layers == 12 && vit->patch == 16) return "ViT-B/16";
  const auto& convnext = architecture.convnext;
  const std::array<int64_t, 4> depths{3, 3, 27, 3}, widths{128, 256, 512, 1024};
  if (convnext && convnext->depths == depths && convnext->widths == widths) return "ConvNeXt-B";
  return "";
}

namespace {

std::vector<ComparedRow> rows_of(const ClipArchitecture& architecture) {
  const auto backbone = published_backbone(architecture);
  if (backbone.empty()) return {};
  const auto file = find_data_file("datasets/published_results.json");
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    log::warn("published results are not shown, because there is no ", file.string());
    return {};
  }
  auto rows = read_compared(file);
  std::erase_if(rows, [&](const ComparedRow& row) { return row.backbone != backbone; });
  return rows;
}

}  // namespace

std::vector<ComparedRow> published_rows(const ClipArchitecture& architecture, bool dino_masks) {
  auto rows = rows_of(architecture);
  std::erase_if(rows, [&](const ComparedRow& row) {
    return !row.method.empty() || row.masks != (dino_masks ? "DINO" : "SA-1B");
  });
  return rows;
}

std::vector<ComparedRow> published_method_rows(const ClipArchitecture& architecture,
                                               const std::string& method) {
  auto rows = rows_of(architecture);
  std::erase_if(rows, [&](const ComparedRow& row) { return row.method != method; });
  return rows;
}

}  // namespace pixelclip
