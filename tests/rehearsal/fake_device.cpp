#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/utils.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>

#include "rehearsal/fake_memory.hpp"

namespace pixelclip::fake_cuda {
namespace {

constexpr int kPoison = 0xFF;  // NaN in every floating-point type
constexpr size_t kQuarantine = size_t{64} << 20;

thread_local c10::DeviceIndex current = 0;
thread_local std::array<c10::StreamId, kDevices> current_streams{};

struct Block {
  size_t size;
  c10::DeviceIndex device;  // -1: pinned host memory
  std::optional<at::Tensor> owner;
};

struct Event {
  c10::DeviceIndex device;
  c10::Stream stream;
  int64_t ticket;
};

struct Pending {
  c10::Stream stream;
  int64_t ticket;
  std::function<void()> complete;
  const void* there = nullptr;  // the device memory that it fills
};

/// `waiter` goes on after what `source` was given up to a ticket.
struct StreamWait {
  c10::Stream waiter, source;
  int64_t ticket;
};

struct State {
  std::mutex mutex;
  std::map<uintptr_t, Block> blocks;
  std::deque<std::pair<void*, size_t>> freed;  // kept for a while, so that the poison is read
  size_t freed_bytes = 0;
  std::array<int64_t, kDevices> allocated{}, peak{};
  Counts counts;
  std::vector<std::string> violations;
  std::deque<Pending> pending;
  std::vector<StreamWait> waits;
  int64_t tickets = 0;
  std::array<std::atomic<bool>, kDevices> contexts{};
  std::atomic<c10::StreamId> streams{1};
};

/// Never destroyed: tensors end after the statics of this file.
State& state() {
  static State& only = *new State;
  return only;
}

void* take(size_t bytes) {
  void* memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void note_allocation(void* memory, Block block) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  if (block.device >= 0) {
    auto& allocated = s.allocated[block.device];
    allocated += static_cast<int64_t>(block.size);
    s.peak[block.device] = std::max(s.peak[block.device], allocated);
    ++s.counts.allocations;
    s.counts.allocated += static_cast<int64_t>(block.size);
    s.counts.peak = std::max(s.counts.peak, allocated);
  }
  s.blocks[reinterpret_cast<uintptr_t>(memory)] = std::move(block);
}

/// Poisons a block and keeps it in quarantine; memory with an owner ends with it.
void release(void* memory) {
  if (!memory) return;
  State& s = state();
  std::optional<at::Tensor> owner;  // ends outside the lock
  std::vector<void*> ended;
  {
    std::lock_guard lock(s.mutex);
    const auto found = s.blocks.find(reinterpret_cast<uintptr_t>(memory));
    if (found == s.blocks.end()) return;
    Block block = std::move(found->second);
    s.blocks.erase(found);
    if (block.device >= 0) s.allocated[block.device] -= static_cast<int64_t>(block.size);
    owner = std::move(block.owner);
    if (!owner || owner->storage().use_count() == 1) std::memset(memory, kPoison, block.size);
    if (!owner) {
      s.freed.emplace_back(memory, block.size);
      s.freed_bytes += block.size;
    }
    while (s.freed_bytes > kQuarantine) {
      ended.push_back(s.freed.front().first);
      s.freed_bytes -= s.freed.front().second;
      s.freed.pop_front();
    }
  }
  for (void* block : ended) std::free(block);
}

struct Allocator final : c10::Allocator {
  explicit Allocator(bool pinned) : pinned_(pinned) {}
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device device =
        pinned_ ? c10::Device(at::kCPU) : c10::Device(at::kCUDA, current_device());
    if (bytes == 0) return {nullptr, nullptr, &release, device};
    void* memory = take(bytes);
    std::memset(memory, kPoison, bytes);
    if (!pinned_) touch(current);
    note_allocation(memory, {bytes, pinned_ ? c10::DeviceIndex{-1} : current, std::nullopt});
    return {memory, memory, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  bool pinned_;
};

/// Runs what is pending and for which `chosen` is true, in the order of its tickets.
template <typename Choose>
void complete(const Choose& chosen) {
  State& s = state();
  std::vector<std::function<void()>> work;
  {
    std::lock_guard lock(s.mutex);
    std::erase_if(s.pending, [&](Pending& pending) {
      if (!chosen(pending)) return false;
      work.push_back(std::move(pending.complete));
      return true;
    });
  }
  for (const auto& run : work) run();
}

/// Whether `stream` waits for `pending`, which is of another.
bool waits_for(const State& s, const c10::Stream& stream, const Pending& pending) {
  return std::any_of(s.waits.begin(), s.waits.end(), [&](const StreamWait& wait) {
    return wait.waiter == stream && wait.source == pending.stream && pending.ticket <= wait.ticket;
  });
}

void complete_event(const Event& event) {
  complete([&](const Pending& pending) {
    return pending.stream == event.stream && pending.ticket <= event.ticket;
  });
}

void count_wait() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  ++s.counts.synchronisations;
  ++s.counts.waits;
}

/// A device's random stream: a CPU generator that answers as one of the device.
struct Generator final : c10::GeneratorImpl {
  explicit Generator(c10::DeviceIndex device)
      : GeneratorImpl({at::kCUDA, device}, c10::DispatchKeySet(c10::DispatchKey::CUDA)),
        host(at::make_generator<at::CPUGeneratorImpl>()) {}
  void set_current_seed(uint64_t seed) override { host.set_current_seed(seed); }
  void set_offset(uint64_t) override {}
  uint64_t get_offset() const override { return 0; }
  uint64_t current_seed() const override { return host.current_seed(); }
  uint64_t seed() override { return host.seed(); }
  void set_state(const c10::TensorImpl& state) override {
    host.unsafeGetGeneratorImpl()->set_state(state);
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return host.unsafeGetGeneratorImpl()->get_state();
  }
  Generator* clone_impl() const override {
    auto* copy = new Generator(device_.index());
    copy->host = host.clone();
    return copy;
  }
  mutable at::Generator host;
};

c10::DeviceIndex checked(c10::DeviceIndex device) {
  if (device < 0) return current;
  TORCH_CHECK(device < kDevices, "CUDA error: invalid device ordinal");
  return device;
}

const at::Generator& default_generator(c10::DeviceIndex device) {
  static const std::array<at::Generator, kDevices> all{
      at::make_generator<Generator>(c10::DeviceIndex{0}),
      at::make_generator<Generator>(c10::DeviceIndex{1})};
  return all.at(checked(device));
}

/// Streams and events. As in CUDA, queries and waits of an event make a context on the current
/// device, whatever the event's is.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return at::kCUDA; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const auto old = getDevice();
    setDevice(device);
    return old;
  }
  c10::Device getDevice() const override { return {at::kCUDA, current}; }
  void setDevice(c10::Device device) const override {
    current = checked(device.index());
    touch(current);
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override { current = device.index(); }
  c10::Stream getStream(c10::Device device) const override {
    return current_stream(device.index());
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, {at::kCUDA, checked(device.index())});
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    return getNewStream(device, 0);
  }
  c10::Stream getNewStream(c10::Device device, int) const override {
    return c10::Stream(c10::Stream::UNSAFE, {at::kCUDA, checked(device.index())},
                       state().streams++);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const auto old = current_stream(stream.device_index());
    current_streams[stream.device_index()] = stream.id();
    return old;
  }
  c10::DeviceIndex deviceCount() const noexcept override { return kDevices; }
  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex device,
              const c10::EventFlag) const override {
    if (device != -1 && device != stream.device_index())
      report_violation("an event of one device was recorded on a stream of another");
    touch(stream.device_index());
    State& s = state();
    std::lock_guard lock(s.mutex);
    delete static_cast<Event*>(*event);
    *event = new Event{stream.device_index(), stream, s.tickets};
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (!event) return;
    const Event& of_source = *check(event);
    State& s = state();
    std::lock_guard lock(s.mutex);
    std::erase_if(s.waits, [&](const StreamWait& wait) {
      return wait.waiter == stream && wait.source == of_source.stream;
    });
    s.waits.push_back({stream, of_source.stream, of_source.ticket});
  }
  bool queryEvent(void* event) const override {
    if (event) complete_event(*check(event));
    return true;
  }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    if (event) touch(current);
    delete static_cast<Event*>(event);
  }
  void synchronizeEvent(void* event) const override {
    if (!event) return;
    count_wait();
    complete_event(*check(event));
  }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream& stream) const override {
    count_wait();
    wait_for_stream(stream);
  }
  void synchronizeDevice(const c10::DeviceIndex device) const override {
    count_wait();
    wait_for_device(checked(device));
  }
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}

 private:
  static const Event* check(void* event) {
    touch(current);
    return static_cast<const Event*>(event);
  }
};

nlohmann::json to_json(const Counts& counts) {
  return {{"operations", counts.operations},
          {"synchronisations", counts.synchronisations},
          {"reads", counts.reads},
          {"blocking_to_host", counts.blocking_to_host},
          {"blocking_to_device", counts.blocking_to_device},
          {"waits", counts.waits},
          {"to_host", counts.to_host},
          {"to_device", counts.to_device},
          {"bytes_to_host", counts.bytes_to_host},
          {"bytes_to_device", counts.bytes_to_device},
          {"allocations", counts.allocations},
          {"allocated", counts.allocated},
          {"peak", counts.peak},
          {"by_name", counts.by_name}};
}

/// FAKE_CUDA_REPORT names a folder: each process leaves its counts there at its end, by rank.
struct Report {
  ~Report() {
    const char* folder = std::getenv("FAKE_CUDA_REPORT");
    if (!folder) return;
    const char* rank = std::getenv("RANK");
    if (!rank && counts().operations == 0) return;  // a launcher, which computes nothing
    auto json = to_json(counts());
    json["violations"] = violations();
    json["contexts"] = contexts();
    std::ofstream(std::string(folder) + "/" + (rank ? rank : "0") + ".json")
        << json.dump(1) << "\n";
  }
} report;

}  // namespace

c10::Allocator& device_allocator() {
  static Allocator& only = *new Allocator(false);
  return only;
}

c10::Allocator& pinned_allocator() {
  static Allocator& only = *new Allocator(true);
  return only;
}

bool is_pinned(const void* address) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  const auto at = reinterpret_cast<uintptr_t>(address);
  auto found = s.blocks.upper_bound(at);
  if (found == s.blocks.begin()) return false;
  --found;
  return found->second.device < 0 && at < found->first + found->second.size;
}

c10::DataPtr adopt(const at::Tensor& owner, c10::DeviceIndex device) {
  void* memory = owner.storage().mutable_data();
  const auto bytes = owner.storage().nbytes();
  if (bytes > 0) note_allocation(memory, {bytes, device, owner});
  return {memory, bytes > 0 ? memory : nullptr, &release, {at::kCUDA, device}};
}

c10::DeviceIndex current_device() { return current; }

c10::Stream current_stream(c10::DeviceIndex device) {
  device = checked(device);
  return c10::Stream(c10::Stream::UNSAFE, {at::kCUDA, device}, current_streams[device]);
}

void touch(c10::DeviceIndex device) { state().contexts[device] = true; }

at::Generator host_generator(const std::optional<at::Generator>& generator,
                             c10::DeviceIndex device) {
  const auto& own = generator ? *generator : default_generator(device);
  TORCH_CHECK(own.device().is_cuda(), "Expected a 'cuda' device type for generator but found '",
              own.device().type(), "'");
  return static_cast<Generator*>(own.unsafeGetGeneratorImpl())->host;
}

void enqueue(c10::Stream stream, std::function<void()> complete, const at::Tensor& there) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  s.pending.push_back({stream, ++s.tickets, std::move(complete),
                       there.defined() ? there.storage().data() : nullptr});
}

void check_arrived(const at::Tensor& tensor) {
  State& s = state();
  const auto current = current_stream(tensor.get_device());
  std::lock_guard lock(s.mutex);
  if (s.pending.empty()) return;
  const void* const memory = tensor.storage().data();
  for (const auto& pending : s.pending) {
    if (pending.there != memory || pending.stream == current) continue;
    if (waits_for(s, current, pending)) continue;
    s.violations.push_back("memory was used before its copy on another stream had happened");
  }
}

void wait_for_device(c10::DeviceIndex device) {
  touch(device);
  complete([&](const Pending& pending) { return pending.stream.device_index() == device; });
}

void wait_for_stream(c10::Stream stream) {
  touch(stream.device_index());
  const State& s = state();
  complete([&](const Pending& pending) {
    return pending.stream == stream || waits_for(s, stream, pending);
  });
}

void count_operation(const std::string& name) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  ++s.counts.operations;
  ++s.counts.by_name[name];
}

void count_read(const std::string& name, c10::DeviceIndex device) {
  {
    State& s = state();
    std::lock_guard lock(s.mutex);
    ++s.counts.synchronisations;
    ++s.counts.reads;
    ++s.counts.by_name["read by " + name];
  }
  wait_for_stream(current_stream(device));
}

void count_copy(bool to_host, int64_t bytes, bool blocking) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  Counts& counts = s.counts;
  ++(to_host ? counts.to_host : counts.to_device);
  (to_host ? counts.bytes_to_host : counts.bytes_to_device) += bytes;
  counts.synchronisations += blocking;
  (to_host ? counts.blocking_to_host : counts.blocking_to_device) += blocking;
}

void count_result(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.scalar_type() != at::kFloat) return;
  State& s = state();
  std::lock_guard lock(s.mutex);
  s.counts.largest_float = std::max(s.counts.largest_float, tensor.numel());
}

void report_violation(const std::string& text) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  s.violations.push_back(text);
}

Counts counts() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  return s.counts;
}

void reset_counts() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  s.counts = {};
  s.peak = s.allocated;
  for (const int64_t bytes : s.allocated) s.counts.peak = std::max(s.counts.peak, bytes);
}

std::vector<std::string> violations() {
  State& s = state();
  std::lock_guard lock(s.mutex);
  return s.violations;
}

std::vector<int> contexts() {
  std::vector<int> devices;
  for (int i = 0; i < kDevices; ++i) {
    if (state().contexts[i]) devices.push_back(i);
  }
  return devices;
}

int64_t peak_memory(int device) {
  State& s = state();
  std::lock_guard lock(s.mutex);
  return s.peak.at(device < 0 ? current : device);
}

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

}  // namespace pixelclip::fake_cuda

namespace at {  // where LibTorch looks for this name

struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex device) const override {
    for (const int with : pixelclip::fake_cuda::contexts()) {
      if (with == device) return true;
    }
    return false;
  }
  DeviceIndex deviceCount() const override { return pixelclip::fake_cuda::kDevices; }
  int getNumGPUs() const override { return pixelclip::fake_cuda::kDevices; }
  DeviceIndex current_device() const override { return pixelclip::fake_cuda::current_device(); }
  DeviceIndex getCurrentDevice() const override { return pixelclip::fake_cuda::current_device(); }
  void setCurrentDevice(DeviceIndex device) const override {
    c10::impl::VirtualGuardImpl(kCUDA).setDevice({kCUDA, device});
  }
  Allocator* getCUDADeviceAllocator() const override {
    return &pixelclip::fake_cuda::device_allocator();
  }
  Allocator* getPinnedMemoryAllocator() const override {
    return &pixelclip::fake_cuda::pinned_allocator();
  }
  bool isPinnedPtr(const void* data) const override {
    return pixelclip::fake_cuda::is_pinned(data);
  }
  void deviceSynchronize(DeviceIndex device) const override {
    c10::impl::VirtualGuardImpl(kCUDA).synchronizeDevice(device);
  }
  const Generator& getDefaultGenerator(DeviceIndex device) const override {
    return pixelclip::fake_cuda::default_generator(device);
  }
};
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace at
