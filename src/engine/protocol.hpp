#pragma once

#include <string>
#include <vector>

#include "clip/dense_method.hpp"
#include "config/config.hpp"
#include "modeling/pixelclip.hpp"

namespace pixelclip {

/// What numbers depend on beside weights and data, as JSON: sizes, rule, views, precision,
/// templates, dense method and the weights of its helper.
std::string protocol_text(const Config& config, const std::vector<std::string>& templates,
                          const DenseHelper* helper = nullptr);

/// Checksum of the weights that take part in scoring: the student's image encoder and the text
/// encoder.
std::string weights_checksum(PixelCLIP& model);
/// The same of the text encoder alone.
std::string text_checksum(PixelCLIP& model);

}  // namespace pixelclip
