#pragma once

#include <torch/types.h>

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/file.hpp"

namespace pixelclip::io {

/// A file's storages by key and type, each mapped once so that tensors share them as they did when
/// saved.
class Storages {
 public:
  /// The bytes that the file holds for a key; nothing when it has none.
  using Find = std::function<std::optional<std::span<const uint8_t>>(const std::string& key)>;

  Storages(MappedFile file, Find find) : file_(std::move(file)), find_(std::move(find)) {}

  /// Errors: the record is missing or holds fewer than `numel` elements.
  torch::Tensor operator()(const std::string& key, torch::ScalarType dtype, int64_t numel);

 private:
  MappedFile file_;
  Find find_;
  std::map<std::pair<std::string, torch::ScalarType>, torch::Tensor> known_;
};

}  // namespace pixelclip::io
