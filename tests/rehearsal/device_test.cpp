#include <torch/autograd.h>
#include <torch/cuda.h>
#include <torch/utils.h>

#include "nn/copy_stream.hpp"
#include "rehearsal/fake_cuda.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using fake_cuda::Counts;
using testing::close;
using torch::Tensor;

const torch::Device kFirst(torch::kCUDA, 0), kSecond(torch::kCUDA, 1);

Tensor pinned(at::IntArrayRef sizes) {
  return torch::ones(sizes, torch::TensorOptions().pinned_memory(true));
}

Counts counts_of(const std::function<void()>& body) {
  fake_cuda::reset_counts();
  body();
  return fake_cuda::counts();
}

TEST(FakeCuda, ComputesTheNumbersOfTheCpu) {
  torch::manual_seed(1);
  const auto x = torch::randn({2, 3, 4}), w = torch::randn({5, 4});
  const auto on_gpu = torch::matmul(x.to(kFirst), w.to(kFirst).t());
  EXPECT_TRUE(on_gpu.is_cuda());
  EXPECT_TRUE(close(on_gpu, torch::matmul(x, w.t()), 1e-6));
}

TEST(FakeCuda, GradientsPassThroughAttention) {
  torch::manual_seed(1);
  const auto gradient = [&](torch::Device device, bool causal, const Tensor& mask) {
    torch::manual_seed(2);
    auto x = torch::randn({2, 2, 5, 8}).to(device).requires_grad_();
    const auto there = mask.defined() ? std::optional<Tensor>(mask.to(device)) : std::nullopt;
    at::scaled_dot_product_attention(x, x * 2, x * 3, there, 0.0, causal).square().sum().backward();
    return x.grad();
  };
  EXPECT_TRUE(close(gradient(kFirst, true, {}), gradient(torch::kCPU, true, {}), 1e-5));
  const auto mask = torch::ones({5, 5}, torch::kBool).tril(1);
  EXPECT_TRUE(close(gradient(kFirst, false, mask), gradient(torch::kCPU, false, mask), 1e-5));
}

TEST(FakeCuda, CountsAForeachOperationOnce) {
  const std::vector<Tensor> some(7, torch::ones({3}, kFirst));
  EXPECT_EQ(counts_of([&] { at::_foreach_mul(some, 2.0); }).operations, 1);
  const auto q = torch::ones({1, 1, 4, 8}, kFirst);
  EXPECT_EQ(counts_of([&] { at::scaled_dot_product_attention(q, q, q); }).operations, 1);
}

TEST(FakeCuda, ToldApartAreCopiesThatTheHostWaitsFor) {
  const auto page_locked = pinned({4}), pageable = torch::ones({4});
  EXPECT_TRUE(page_locked.is_pinned());
  EXPECT_FALSE(pageable.is_pinned());
  const auto upload = [&](const Tensor& from, bool non_blocking) {
    return counts_of([&] { from.to(kFirst, torch::kFloat, non_blocking); });
  };
  EXPECT_EQ(upload(page_locked, true).synchronisations, 0);
  EXPECT_EQ(upload(page_locked, true).to_device, 1);
  EXPECT_EQ(upload(page_locked, false).blocking_to_device, 1);
  EXPECT_EQ(upload(pageable, true).blocking_to_device, 1);
  const auto x = torch::ones({4}, kFirst);
  EXPECT_EQ(counts_of([&] { x.cpu(); }).blocking_to_host, 1);
  EXPECT_EQ(counts_of([&] { x.sum().item<float>(); }).reads, 1);
  EXPECT_EQ(counts_of([&] { x.nonzero(); }).reads, 1);
  EXPECT_EQ(counts_of([&] { torch::cuda::synchronize(); }).waits, 1);
}

TEST(FakeCuda, AResultReadBeforeTheHostHasWaitedIsPoison) {
  const auto x = torch::ones({4}, kSecond);
  auto here = pinned({4});
  here.copy_(x, /*non_blocking=*/true);
  EXPECT_TRUE(here.isnan().all().item<bool>());
  torch::cuda::synchronize(0);  // the wrong device
  EXPECT_TRUE(here.isnan().all().item<bool>());
  torch::cuda::synchronize(1);
  EXPECT_TRUE(here.equal(torch::ones({4})));
}

TEST(FakeCuda, APinnedSourceThatChangesTooEarlyIsReported) {
  auto source = pinned({4});
  const size_t before = fake_cuda::violations().size();
  const auto x = source.to(kFirst, torch::kFloat, /*non_blocking=*/true);
  torch::cuda::synchronize(0);
  source.fill_(2);  // the copy has happened
  const auto y = source.to(kFirst, torch::kFloat, /*non_blocking=*/true);
  source.fill_(3);
  torch::cuda::synchronize(0);
  EXPECT_EQ(fake_cuda::violations().size(), before + 1);
}

TEST(FakeCuda, AUseOnAnotherStreamBeforeTheCopyIsReported) {
  const CopyStream copies(kFirst);
  const auto source = pinned({4});
  const auto use = [&](bool waits) {
    const size_t before = fake_cuda::violations().size();
    Tensor there;
    const auto copied =
        copies.run([&] { there = source.to(kFirst, torch::kFloat, /*non_blocking=*/true); });
    if (waits) copies.hand_over(copied, {there});
    EXPECT_TRUE(close((there + 1).cpu(), torch::full({4}, 2.0), 0));
    torch::cuda::synchronize(0);
    return fake_cuda::violations().size() - before;
  };
  EXPECT_EQ(use(true), 0u);
  EXPECT_EQ(use(false), 1u);
}

TEST(FakeCuda, FreedMemoryIsPoisoned) {
  auto x = torch::ones({64}, kFirst) * 1;
  const auto dangling = at::from_blob(x.data_ptr(), {64}, torch::kFloat);
  const auto block = torch::empty({64}, torch::TensorOptions().device(kFirst));
  EXPECT_TRUE(at::from_blob(block.data_ptr(), {64}, torch::kFloat).isnan().all().item<bool>());
  auto held = torch::empty({64}, torch::TensorOptions().device(kFirst)).fill_(1);
  const auto* freed = held.const_data_ptr<float>();
  held.reset();
  EXPECT_TRUE(std::isnan(freed[0]));
}

TEST(FakeCuda, TensorsOfTwoDevicesDoNotMix) {
  const auto x = torch::ones({2}, kFirst), y = torch::ones({2}, kSecond);
  EXPECT_THROW(x + y, c10::Error);
  EXPECT_THROW(x + torch::ones({2}), c10::Error);
  EXPECT_EQ((x + y.to(kFirst)).sum().item<double>(), 4);
}

TEST(FakeCuda, ATensorWithoutElementsKeepsItsShapeWhenItIsWritten) {
  EXPECT_EQ(torch::zeros({0, 4}, kFirst).sizes().vec(), (std::vector<int64_t>{0, 4}));
}

TEST(FakeCuda, EachDeviceHasARandomStreamOfItsOwn) {
  torch::manual_seed(5);
  const auto here = torch::rand({3}), first = torch::rand({3}, kFirst);
  torch::manual_seed(5);
  EXPECT_TRUE(torch::rand({3}, kSecond).cpu().equal(first.cpu()));
  EXPECT_TRUE(torch::rand({3}).equal(here));
}

}  // namespace
}  // namespace pixelclip
