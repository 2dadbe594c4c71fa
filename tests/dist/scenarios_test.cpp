#include <signal.h>
#include <torch/autograd.h>
#include <torch/utils.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "base/error.hpp"
#include "dist/comm.hpp"
#include "dist/ddp.hpp"
#include "dist/processes.hpp"
#include "dist/watch.hpp"

// What the workers of the other tests do. An exception is a failure that the launcher's test sees.
namespace pixelclip::testing {
namespace {

#define CHECK_THAT(condition) \
  if (!(condition)) fail("not so on rank ", comm.rank(), ", line ", __LINE__, ": " #condition)

using torch::Tensor;

/// For a process that another one ends; the limit is for those that nobody does.
[[noreturn]] void wait_for_the_end() {
  std::this_thread::sleep_for(std::chrono::minutes(10));
  _exit(99);
}

void sleep_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

int values(Comm& comm) {
  const int rank = comm.rank();
  CHECK_THAT(comm.world_size() == 3 && comm.backend() == "gloo" && comm.is_main() == (rank == 0));
  const auto sum = torch::full({2, 3}, rank + 1.0);
  comm.all_reduce(sum, "sum");
  CHECK_THAT(sum.equal(torch::full({2, 3}, 6.0)));
  const auto wide = torch::zeros({4, 6});
  const auto strided = wide.index({torch::indexing::Slice(), torch::indexing::Slice(0, 6, 2)});
  strided.fill_(rank);
  comm.all_reduce(strided, "maximum of a strided view", Reduce::max);
  CHECK_THAT(strided.equal(torch::full({4, 3}, 2.0)) && wide.sum().item<double>() == 24.0);
  const auto whole = torch::full({1}, rank + 5, torch::kLong);
  comm.all_reduce(whole, "minimum of integers", Reduce::min);
  CHECK_THAT(whole.item<int64_t>() == 5);
  const auto parameter = torch::full({3}, 1.0 * rank, torch::requires_grad());
  comm.broadcast(parameter, "a parameter that trains", 1);
  CHECK_THAT(parameter.equal(torch::ones(3)));
  const auto parts = comm.all_gather(torch::full({2}, rank), "tensors");
  CHECK_THAT(parts.size() == 3 && parts[2].equal(torch::full({2}, 2)));
  CHECK_THAT(comm.all_reduce(0.5 * rank, "number") == 1.5);
  const std::string own = rank == 1 ? std::string() : std::string(10 * rank + 1, 'a' + rank);
  const std::vector<std::string> expected = {"a", "", std::string(21, 'c')};
  CHECK_THAT(comm.all_gather(own, "texts") == expected);
  CHECK_THAT(comm.broadcast(own, "text", 2) == expected[2]);
  CHECK_THAT(comm.broadcast(own, "empty text", 1).empty());
  comm.barrier("end");
  // The last to leave finds the store still served.
  if (rank == 2) sleep_for(0.5);
  return 0;
}

struct Model {
  Tensor shared, sometimes, never;
  std::vector<std::pair<std::string, Tensor>> parameters() const {
    return {{"shared", shared}, {"sometimes", sometimes}, {"never", never}};
  }
};

/// Large enough for more than one bucket.
Model make_model() {
  torch::manual_seed(3);
  const auto options = torch::requires_grad();
  return {torch::randn({700, 700}, options), torch::randn({600, 700}, options),
          torch::randn({500}, options)};
}

Tensor loss_of(const Model& model, int rank, int step) {
  torch::manual_seed(100 * step + rank);
  const auto hidden = torch::randn({2, 700}).matmul(model.shared).tanh();
  const auto loss = hidden.pow(2).sum();
  return (rank + step) % 2 == 0 ? loss + hidden.matmul(model.sometimes.t()).sin().sum() : loss;
}

/// The mean over both ranks, worked out on one.
Tensor mean_gradient(const Tensor& parameter, const Model& model, const std::vector<int>& steps) {
  auto total = torch::zeros_like(parameter);
  for (const int rank : {0, 1}) {
    for (const int step : steps) {
      const auto gradient = torch::autograd::grad({loss_of(model, rank, step)}, {parameter}, {}, {},
                                                  false, /*allow_unused=*/true)[0];
      if (gradient.defined()) total += gradient;
    }
  }
  return total / 2;
}

bool near(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>() <= 1e-5 * b.abs().max().item<double>();
}

int gradients(Comm& comm) {
  const Model model = make_model();
  const Model twin = make_model();
  GradientReducer reducer(model.parameters(), comm);
  for (int step = 0; step < 3; ++step) {
    comm.set_step(step);
    for (const auto& [name, parameter] : model.parameters()) parameter.mutable_grad().reset();
    reducer.backward(loss_of(model, comm.rank(), step));
    CHECK_THAT(near(model.shared.grad(), mean_gradient(twin.shared, twin, {step})));
    CHECK_THAT(near(model.sometimes.grad(), mean_gradient(twin.sometimes, twin, {step})));
    CHECK_THAT(!model.never.grad().defined());
  }
  // Two backward passes, of which only the last communicates.
  for (const auto& [name, parameter] : model.parameters()) parameter.mutable_grad().reset();
  loss_of(model, comm.rank(), 7).backward();
  reducer.backward(loss_of(model, comm.rank(), 8));
  CHECK_THAT(near(model.shared.grad(), mean_gradient(twin.shared, twin, {7, 8})));
  CHECK_THAT(near(model.sometimes.grad(), mean_gradient(twin.sometimes, twin, {7, 8})));
  // Where the first loss uses every parameter, later ones must too.
  const Model other = make_model();
  GradientReducer strict({{"shared", other.shared}, {"sometimes", other.sometimes}}, comm);
  strict.backward(other.shared.sum() + other.sometimes.sum());
  CHECK_THAT(other.sometimes.grad().equal(torch::ones_like(other.sometimes)));
  try {
    strict.backward(other.shared.sum());
    fail("an unused parameter was accepted");
  } catch (const c10::Error&) {
  }
  try {
    GradientReducer wrong({{"x", torch::zeros({2 + comm.rank()}, torch::requires_grad())}}, comm);
    fail("parameters of different shapes were accepted");
  } catch (const Error& e) {
    const std::string expected = "rank 1 trains x [3] of type Float where rank 0 trains x [2]";
    if (std::string(e.what()).find(expected) == std::string::npos) throw;
  }
  const auto start = torch::full({4}, 1.0 * comm.rank());
  broadcast_tensors({start}, comm, "model");
  CHECK_THAT(start.equal(torch::zeros(4)));
  return 0;
}

/// Rank 1 fails in the way that `kind` names while the others wait for it.
int misfortune(Comm& comm, const std::string& kind) {
  comm.set_step(7);
  comm.barrier("start");
  std::cout << "ready" << std::endl;
  if (kind == "is killed") wait_for_the_end();
  if (comm.rank() == 1) {
    sleep_for(0.3);
    if (kind == "throws") fail("the disk is on fire");
    if (kind == "dies") raise(SIGKILL);
    if (kind == "exits") _exit(3);
    if (kind == "stops") raise(SIGSTOP);
    wait_for_the_end();
  }
  const auto tensor = torch::ones({8});
  comm.all_reduce(tensor, "assignment");
  return 0;
}

std::atomic<int> signals_seen{0};

int counts_signals(Comm& comm, int number) {
  signal(number, [](int) { ++signals_seen; });
  comm.barrier("handlers are set");
  std::cout << "ready" << std::endl;
  for (int i = 0; i < 500 && signals_seen == 0; ++i) sleep_for(0.02);
  sleep_for(0.3);
  std::cout << "signals: " + str(signals_seen.load()) + "\n" << std::flush;
  comm.barrier("end");
  return 0;
}

/// A device whose events report the error of an earlier kernel, as CUDA's do.
struct BrokenGpu final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::DeviceType::PrivateUse1; }
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  c10::Device getDevice() const override { return {type(), 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  bool queryEvent(void*) const override { TORCH_CHECK(false, "an illegal memory access"); }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, BrokenGpu)

int gpu_fails(const WorldInfo& world) {
  const StorePtr store = part_of(serve_store(0, std::chrono::seconds(20)), 0);
  Watch watch(store, world, torch::kCPU, {});
  const BrokenGpu gpu;
  c10::Event event(gpu.type());
  event.record(gpu.getStream(gpu.getDevice()));
  watch.end_with(watch.begin("all_reduce of 'sums'"), std::move(event));
  wait_for_the_end();
  return 0;
}

}  // namespace

int run_scenario(const std::vector<std::string>& arguments) {
  const std::string name = arguments.at(0);
  std::cout << str("process ", getpid(), "\n") << std::flush;
  const WorldInfo world = world_from_environment();
  if (name == "stays away" && world.rank == 1) wait_for_the_end();
  if (name == "dies early" && world.rank == 1) fail("no such file");
  CommOptions options;
  options.connect_limit = std::chrono::seconds(20);
  if (name == "waits") options.connect_limit = std::chrono::milliseconds(500);
  if (name == "is late") options.time_limit = std::chrono::milliseconds(1500);
  if (name == "stops") options.silence_limit = std::chrono::milliseconds(2000);
  if (name == "gpu fails") return gpu_fails(world);
  torch::Device device = torch::kCPU;
  if (name == "one gpu" || (name == "mixed devices" && world.rank == 0)) device = {torch::kCUDA, 0};
  Comm comm(world, device, options);
  return run_rank(comm, [&] {
    if (name == "values") return values(comm);
    if (name == "gradients") return gradients(comm);
    if (name == "signals") return counts_signals(comm, std::stoi(arguments.at(1)));
    return misfortune(comm, name);
  });
}

}  // namespace pixelclip::testing
