#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <torch/autograd.h>
#include <torch/library.h>
#include <torch/utils.h>

#include <cstring>
#include <set>
#include <string_view>

#include "rehearsal/fake_memory.hpp"

namespace pixelclip::fake_cuda {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;

/// Operations after which CUDA's code waits for the device, because the host needs their result.
const std::map<std::string, int> kReads = {{"aten::_local_scalar_dense", 1},
                                           {"aten::nonzero", 1},
                                           {"aten::masked_select", 1},
                                           {"aten::bincount", 2},
                                           {"aten::equal", 1},
                                           {"aten::_unique2", 1},
                                           {"aten::unique_dim", 1},
                                           {"aten::multinomial", 1},
                                           {"aten::repeat_interleave", 1},
                                           {"aten::unique_consecutive", 1},
                                           {"aten::_embedding_bag", 0}};

/// Operations that CUDA's code refuses in LibTorch's deterministic mode.
const std::set<std::string> kNotDeterministic = {"aten::upsample_bilinear2d_backward",
                                                 "aten::upsample_bicubic2d_backward",
                                                 "aten::upsample_nearest2d_backward",
                                                 "aten::_upsample_bilinear2d_aa_backward",
                                                 "aten::_upsample_bicubic2d_aa_backward",
                                                 "aten::bincount",
                                                 "aten::histc",
                                                 "aten::put_",
                                                 "aten::index_reduce_",
                                                 "aten::_adaptive_avg_pool2d_backward",
                                                 "aten::grid_sampler_2d_backward"};

/// The same memory, seen as a CPU tensor.
Tensor on_host(const Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_cuda()) return tensor;
  check_arrived(tensor);
  const at::AutoDispatchBelowAutograd guard;
  return at::from_blob(
      tensor.data_ptr(), tensor.sizes(), tensor.strides(), [keep = tensor](void*) {},
      tensor.options().device(at::kCPU));
}

Tensor device_tensor(c10::Storage storage, const Tensor& like, int64_t offset) {
  auto out = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CUDA), like.dtype());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(), offset);
  return out;
}

/// A result of the CPU's kernel becomes a device tensor that owns it.
Tensor on_device(const Tensor& tensor, c10::DeviceIndex device) {
  c10::Storage storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                       adopt(tensor, device), &device_allocator(), false);
  const auto out = device_tensor(std::move(storage), tensor, tensor.storage_offset());
  count_result(out);
  return out;
}

/// One call of an operation on device tensors: its arguments become CPU tensors on the same memory,
/// the CPU's kernel runs, and its results become device tensors.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack& stack)
      : op_(op), name_(op.schema().name()), stack_(stack) {}

  void run() {
    const auto& arguments = op_.schema().arguments();
    const size_t begin = stack_.size() - arguments.size();
    for (size_t i = 0; i < arguments.size(); ++i) to_host(stack_[begin + i], arguments[i]);
    if (device_ < 0) device_ = current_device();
    touch(device_);
    for (size_t i = 0; i < arguments.size(); ++i) use_generator(stack_[begin + i], arguments[i]);
    const auto read = kReads.find(name_);
    for (int i = 0; read != kReads.end() && i < read->second; ++i) count_read(name_, device_);
    if (!is_view()) count_operation(name_);
    if (kNotDeterministic.contains(name_)) at::globalContext().alertNotDeterministic(name_);
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    for (const auto& [host, device] : resized_) give_storage(host, device);
    const size_t results = op_.schema().returns().size();
    for (size_t i = stack_.size() - results; i < stack_.size(); ++i) to_device(stack_[i]);
  }

 private:
  struct Alias {
    Tensor host, device;
  };

  bool is_view() const {
    const auto& results = op_.schema().returns();
    return results.size() == 1 && results[0].alias_info() && !results[0].alias_info()->isWrite();
  }
  bool takes_indices() const { return name_.find("index") != std::string::npos; }

  Tensor host_of(const Tensor& tensor, bool written) {
    if (!tensor.defined()) return tensor;
    if (tensor.is_cuda()) {
      TORCH_CHECK(device_ < 0 || device_ == tensor.get_device(), name_,
                  ": expected all tensors to be on the same device, but found cuda:", device_,
                  " and ", tensor.device());
      device_ = tensor.get_device();
      if (written && tensor.numel() == 0) {  // an output that the kernel sizes
        const auto host = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
        resized_.push_back({host, tensor});
        aliases_.push_back({host, tensor});
        return host;
      }
      aliases_.push_back({on_host(tensor), tensor});
      return aliases_.back().host;
    }
    const bool number = tensor.dim() == 0 || tensor.unsafeGetTensorImpl()->is_wrapped_number();
    if (!number && takes_indices()) {
      count_copy(/*to_host=*/false, static_cast<int64_t>(tensor.nbytes()), /*blocking=*/true);
    } else {
      TORCH_CHECK(number, name_,
                  ": expected all tensors to be on the same device, but found a CPU ",
                  "tensor of shape ", tensor.sizes());
    }
    return tensor;
  }

  void to_host(c10::IValue& value, const c10::Argument& argument) {
    const bool written = argument.alias_info() && argument.alias_info()->isWrite();
    if (value.isTensor()) {
      value = host_of(value.toTensor(), written);
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(host_of(tensor, written));
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<OptionalTensor> list;
      for (const OptionalTensor tensor : value.toOptionalTensorList())
        list.push_back(tensor ? OptionalTensor(host_of(*tensor, false)) : tensor);
      value = list;
    } else if (value.isDevice()) {
      if (value.toDevice().is_cuda() && value.toDevice().has_index())
        device_ = value.toDevice().index();
      value = c10::Device(at::kCPU);
    }
  }

  void use_generator(c10::IValue& value, const c10::Argument& argument) {
    if (argument.type()->str().find("Generator") == std::string::npos) return;
    std::optional<at::Generator> given;
    if (!value.isNone()) given = value.toGenerator();
    value = host_generator(given, device_);
  }

  static void give_storage(const Tensor& host, const Tensor& device) {
    const auto got = on_device(host, device.get_device());
    device.unsafeGetTensorImpl()->set_storage_keep_dtype(got.storage());
    device.unsafeGetTensorImpl()->set_sizes_and_strides(got.sizes(), got.strides(),
                                                        got.storage_offset());
  }

  Tensor device_of(const Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_cpu()) return tensor;
    for (const auto& [host, device] : aliases_) {
      if (host.unsafeGetTensorImpl() == tensor.unsafeGetTensorImpl()) return device;
    }
    for (const auto& [host, device] : aliases_) {  // a view of an argument
      if (tensor.numel() == 0 || !tensor.storage().is_alias_of(host.storage())) continue;
      const auto bytes = static_cast<const char*>(tensor.const_data_ptr()) -
                         static_cast<const char*>(device.storage().data());
      return device_tensor(device.storage(), tensor, bytes / tensor.element_size());
    }
    return on_device(tensor, device_);
  }

  void to_device(c10::IValue& value) {
    if (value.isTensor()) {
      value = device_of(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(device_of(tensor));
      value = list;
    }
  }

  const c10::OperatorHandle& op_;
  const std::string name_;
  torch::jit::Stack& stack_;
  c10::DeviceIndex device_ = -1;
  std::vector<Alias> aliases_, resized_;
};

void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  Call(op, *stack).run();
}

c10::Device device_of(const std::optional<at::Device>& device) {
  return {at::kCUDA, device && device->has_index() ? device->index() : current_device()};
}

Tensor empty(at::IntArrayRef sizes, std::optional<at::ScalarType> type, std::optional<at::Layout>,
             std::optional<at::Device> device, std::optional<bool>,
             std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(device_of(device));
  const Tensor out(at::detail::empty_generic(sizes, &device_allocator(),
                                             c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                             type.value_or(at::kFloat), format));
  count_result(out);
  return out;
}

Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides,
                     std::optional<at::ScalarType> type, std::optional<at::Layout>,
                     std::optional<at::Device> device, std::optional<bool>) {
  const c10::DeviceGuard guard(device_of(device));
  const Tensor out(at::detail::empty_strided_generic(sizes, strides, &device_allocator(),
                                                     c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                                     type.value_or(at::kFloat)));
  count_result(out);
  return out;
}

size_t hash_of(const Tensor& tensor) {
  return std::hash<std::string_view>()(
      {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()});
}

/// A plain copy of equal bytes between host and device, as cudaMemcpyAsync makes it.
void copy_bytes(const Tensor& to, const Tensor& from, bool non_blocking) {
  const bool to_host = to.is_cpu();
  const Tensor& host = to_host ? to : from;
  const auto stream = current_stream((to_host ? from : to).get_device());
  const bool asynchronous = non_blocking && is_pinned(host.const_data_ptr());
  if (to_host) check_arrived(from);
  count_copy(to_host, static_cast<int64_t>(to.nbytes()), !asynchronous);
  if (!asynchronous) wait_for_stream(stream);
  if (asynchronous && to_host) {
    // The host sees poison until it has waited.
    const auto value = std::make_shared<std::string>(
        static_cast<const char*>(from.const_data_ptr()), from.nbytes());
    std::memset(to.mutable_data_ptr(), 0xFF, to.nbytes());
    return enqueue(
        stream, [to, value] { std::memcpy(to.mutable_data_ptr(), value->data(), value->size()); });
  }
  std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes());
  if (!asynchronous) return;
  enqueue(
      stream,
      [from, hash = hash_of(from)] {
        if (hash_of(from) != hash)
          report_violation("pinned memory changed before its copy to the device had happened");
      },
      to);
}

Tensor& copy(Tensor& self, const Tensor& from, bool non_blocking) {
  if (self.numel() == 0) return self;
  if (self.is_cuda() && from.is_cuda()) {
    count_operation("aten::copy_");
    touch(self.get_device());
    const c10::impl::ExcludeDispatchKeyGuard guard(c10::DispatchKeySet(c10::DispatchKey::CUDA));
    on_host(self).copy_(on_host(from));
    return self;
  }
  touch((self.is_cuda() ? self : from).get_device());
  // What is no plain copy is converted where it comes from, into memory that is not pinned.
  const Tensor ready = from.to(self.scalar_type()).expand_as(self).contiguous();
  if (self.is_contiguous()) {
    copy_bytes(self, ready, non_blocking);
  } else {
    const Tensor there = at::empty_like(self, at::MemoryFormat::Contiguous);
    copy_bytes(there, ready, non_blocking && self.is_cuda());
    self.copy_(there);
  }
  return self;
}

const Tensor& resize(const Tensor& self, at::IntArrayRef sizes, std::optional<at::MemoryFormat>) {
  auto* const tensor = self.unsafeGetTensorImpl();
  tensor->set_sizes_contiguous(sizes);
  const auto bytes = static_cast<size_t>(tensor->numel()) * self.element_size();
  if (tensor->storage().nbytes() < bytes) {
    const c10::DeviceGuard guard(self.device());
    tensor->set_storage_keep_dtype(c10::Storage(c10::Storage::use_byte_size_t(), bytes,
                                                device_allocator().allocate(bytes),
                                                &device_allocator(), true));
  }
  return self;
}

Tensor as_strided(const Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides,
                  std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, sizes, strides, offset);
}

Tensor view(const Tensor& self, at::IntArrayRef sizes) { return at::native::view(self, sizes); }

Tensor copy_from_and_resize(const Tensor& self, const Tensor& to) {
  auto out = to;
  return out.resize_(self.sizes()).copy_(self);
}

void record_stream(Tensor&, c10::Stream) {}

/// The memory-saving attention of CUDA, one operation each way.
class Attention : public torch::autograd::Function<Attention> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& query,
                        const Tensor& key, const Tensor& value, const OptionalTensor& mask,
                        bool causal, std::optional<double> scale) {
    const at::AutoDispatchBelowADInplaceOrView guard;
    count_operation("aten::_scaled_dot_product_efficient_attention");
    OptionalTensor bias;
    if (mask) bias = on_host(*mask);
    const auto [out, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
        on_host(query), on_host(key), on_host(value), 0.0, causal, bias, scale);
    const auto result = on_device(out, query.get_device());
    context->save_for_backward(
        {query, key, value, mask.value_or(Tensor()), result, on_device(sums, query.get_device())});
    context->saved_data["causal"] = causal;
    context->saved_data["scale"] = scale;
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const at::AutoDispatchBelowADInplaceOrView guard;
    count_operation("aten::_scaled_dot_product_efficient_attention_backward");
    const auto saved = context->get_saved_variables();
    const auto host = [&](size_t i) { return on_host(saved[i]); };
    OptionalTensor bias;
    if (saved[3].defined()) bias = host(3);
    const auto [query, key, value] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        on_host(gradients[0]), host(0), host(1), host(2), host(4), host(5), 0.0,
        context->saved_data["causal"].toBool(), bias,
        context->saved_data["scale"].to<std::optional<double>>());
    const auto back = [&](const Tensor& t) { return on_device(t, saved[0].get_device()); };
    return {back(query), back(key), back(value), {}, {}, {}};
  }
};

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value,
                 const OptionalTensor& mask, double dropout, bool causal,
                 std::optional<double> scale, bool) {
  TORCH_CHECK(dropout == 0, "the fake device has no dropout in attention");
  OptionalTensor bias;
  if (mask && mask->defined()) {
    bias = mask->scalar_type() == at::kBool
               ? at::zeros(mask->sizes(), query.options())
                     .masked_fill(mask->logical_not(), -std::numeric_limits<double>::infinity())
               : *mask;
    while (bias->dim() < 4) bias = bias->unsqueeze(0);
  }
  return Attention::apply(query, key, value, bias, causal, scale);
}

/// Operations that CUDA has kernels of its own for, and that LibTorch would otherwise take apart.
bool is_one_kernel(const std::string& name) {
  static const std::set<std::string> names = {"aten::convolution",
                                              "aten::convolution_backward",
                                              "aten::native_group_norm",
                                              "aten::native_layer_norm",
                                              "aten::native_group_norm_backward",
                                              "aten::native_layer_norm_backward",
                                              "aten::silu_backward"};
  return name.starts_with("aten::_foreach_") || names.contains(name);
}

TORCH_LIBRARY_IMPL(_, CUDA, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", TORCH_FN(empty));
  m.impl("empty_strided", TORCH_FN(empty_strided));
  m.impl("copy_", TORCH_FN(copy));
  m.impl("resize_", TORCH_FN(resize));
  m.impl("as_strided", TORCH_FN(as_strided));
  m.impl("view", TORCH_FN(view));
  m.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  m.impl("record_stream", TORCH_FN(record_stream));
  for (const auto& op : c10::Dispatcher::singleton().getAllOpNames()) {
    if (!is_one_kernel(op.name)) continue;
    const auto full = op.overload_name.empty() ? op.name : op.name + "." + op.overload_name;
    m.impl(full.c_str(), torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
  }
}

TORCH_LIBRARY_IMPL(aten, AutogradCUDA, m) {
  m.impl("scaled_dot_product_attention", TORCH_FN(attention));
}

}  // namespace
}  // namespace pixelclip::fake_cuda
