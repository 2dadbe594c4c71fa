#include "io/torch_writer.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "base/file.hpp"
#include "io/mapped_tensor.hpp"
#include "io/pickle_writer.hpp"
#include "io/zip_writer.hpp"

namespace pixelclip {

void io::check_writable(const torch::Tensor& tensor) {
  if (!tensor.defined()) fail("an undefined tensor cannot be written to a file");
  if (tensor.layout() != torch::kStrided || tensor.is_quantized() || tensor.is_meta()) {
    fail("a tensor of layout ", tensor.layout(), " on ", tensor.device(),
         " cannot be written to a file: only dense, plain tensors can");
  }
}

namespace {

/// Where a tensor's elements lie: equal views are written once.
struct TensorView {
  const void* storage;
  int64_t begin, end;  ///< bytes in the storage, end excluded
  torch::ScalarType dtype;
  std::vector<int64_t> sizes, strides;

  explicit TensorView(const torch::Tensor& tensor)
      : storage(tensor.storage().unsafeGetStorageImpl()),
        begin(tensor.storage_offset() * tensor.element_size()),
        end(begin),
        dtype(tensor.scalar_type()),
        sizes(tensor.sizes().vec()),
        strides(tensor.strides().vec()) {
    if (tensor.numel() == 0) return;
    int64_t last = 0;
    for (int64_t i = 0; i < tensor.dim(); ++i) last += (sizes[i] - 1) * strides[i];
    end = begin + (last + 1) * tensor.element_size();
  }
  auto operator<=>(const TensorView&) const = default;  // NOLINT(modernize-use-nullptr)
};

/// A record: one view written contiguous, or a stretch of memory that several views overlap in.
struct Record {
  std::vector<torch::Tensor> views;
  int64_t begin, end;  ///< bytes of the storage

  bool as_is() const { return views.size() > 1; }
  /// The record's elements, flat.
  torch::Tensor elements() const {
    const torch::Tensor& first = views.front();
    if (!as_is()) return first.reshape({-1});
    const int64_t item = first.element_size();
    return first.as_strided({(end - begin) / item}, {1}, begin / item);
  }
};

void collect(const Value& value, std::vector<torch::Tensor>& tensors) {
  if (const auto* tensor = value.get_if<torch::Tensor>()) tensors.push_back(tensor->detach());
  if (const auto* list = value.get_if<ValueList>()) {
    for (const auto& item : *list) collect(item, tensors);
  }
  if (const auto* tuple = value.get_if<Tuple>()) {
    for (const auto& item : tuple->items) collect(item, tensors);
  }
  if (const auto* dict = value.get_if<Dict>()) {
    for (const auto& [key, item] : dict->items) collect(item, tensors);
  }
}

/// Which record holds each view, planned before anything is written.
class Plan {
 public:
  explicit Plan(const Value& value) {
    std::vector<torch::Tensor> tensors;
    collect(value, tensors);
    std::map<TensorView, torch::Tensor> distinct;
    for (const auto& tensor : tensors) {
      io::check_writable(tensor);
      distinct.emplace(TensorView(tensor), tensor);
    }
    // In the order of storage and begin, so views that overlap stand together.
    std::vector<Record> found;
    std::vector<std::vector<TensorView>> views;
    for (const auto& [view, tensor] : distinct) {
      const bool joins = !found.empty() && views.back()[0].storage == view.storage &&
                         views.back()[0].dtype == view.dtype && view.begin < found.back().end;
      if (!joins) {
        found.push_back({{}, view.begin, view.end});
        views.emplace_back();
      }
      found.back().views.push_back(tensor);
      found.back().end = std::max(found.back().end, view.end);
      views.back().push_back(view);
    }
    number(tensors, std::move(found), views);
  }

  const std::vector<Record>& records() const { return records_; }

  StoredTensor place(const torch::Tensor& tensor) const {
    const size_t index = record_of_.at(TensorView(tensor));
    const Record& record = records_[index];
    const int64_t item = tensor.element_size();
    if (!record.as_is()) {
      return {std::to_string(index), tensor.numel(), 0, contiguous_strides(tensor)};
    }
    return {std::to_string(index), (record.end - record.begin) / item,
            tensor.storage_offset() - record.begin / item, tensor.strides().vec()};
  }

 private:
  static std::vector<int64_t> contiguous_strides(const torch::Tensor& tensor) {
    std::vector<int64_t> strides(tensor.dim());
    int64_t step = 1;
    for (int64_t i = tensor.dim(); i-- > 0;) {
      strides[i] = step;
      step *= std::max<int64_t>(tensor.size(i), 1);
    }
    return strides;
  }

  /// Numbers the records by their first use, so that equal values make equal files.
  void number(const std::vector<torch::Tensor>& tensors, std::vector<Record> found,
              const std::vector<std::vector<TensorView>>& views) {
    std::map<TensorView, size_t> where;
    for (size_t i = 0; i < found.size(); ++i) {
      for (const auto& view : views[i]) where[view] = i;
    }
    std::vector<std::optional<size_t>> numbers(found.size());
    for (const auto& tensor : tensors) {
      const TensorView view(tensor);
      const size_t index = where.at(view);
      if (!numbers[index]) {
        numbers[index] = records_.size();
        records_.push_back(std::move(found[index]));
      }
      record_of_[view] = *numbers[index];
    }
  }

  std::vector<Record> records_;
  std::map<TensorView, size_t> record_of_;
};

std::span<const uint8_t> text_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const Value& value,
                      std::optional<torch::ScalarType> floating) {
  const torch::NoGradGuard no_grad;
  const Plan plan(value);
  const auto dtype = [&](const torch::Tensor& tensor) {
    return floating && tensor.is_floating_point() ? *floating : tensor.scalar_type();
  };
  const std::string description = pickle(
      value, [&](const torch::Tensor& tensor) { return plan.place(tensor); }, dtype);
  write_atomically(path, [&](std::ostream& out) {
    ZipWriter zip(out);
    zip.add("archive/data.pkl", text_bytes(description));
    zip.add("archive/byteorder", text_bytes("little"));
    for (size_t i = 0; i < plan.records().size(); ++i) {
      const torch::Tensor elements = plan.records()[i].elements();
      const auto ready = elements.to(torch::kCPU, dtype(elements)).contiguous();
      zip.add("archive/data/" + std::to_string(i), io::bytes_of(ready));
    }
    zip.add("archive/version", text_bytes("3\n"));
    zip.finish();
  });
}

}  // namespace pixelclip
