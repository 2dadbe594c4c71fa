#include "nn/linear.hpp"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <torch/utils.h>

#include "base/scope_exit.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {
using testing::close;
using testing::on_device;
using torch::Tensor;

/// Its own seed, so that each test sees the same numbers alone and among others.
Tensor random(at::IntArrayRef sizes, bool trains, uint64_t seed) {
  torch::manual_seed(seed);
  return on_device(torch::randn(sizes)).requires_grad_(trains);
}

Tensor as_double(const Tensor& x) { return x.defined() ? x.detach().to(torch::kDouble) : x; }

TEST(Linear, EqualsTheProductInDoublePrecision) {
  for (const bool biased : {true, false}) {
    for (const int64_t rows : {1, 3, 77}) {
      const auto x = random({2, rows, 300}, false, 1), weight = random({256, 300}, false, 2);
      const auto bias = biased ? random({256}, false, 3) : Tensor();
      const auto expected = at::linear(as_double(x), as_double(weight), as_double(bias));
      EXPECT_TRUE(close(linear(x, weight, bias), expected, 1e-6)) << rows;
      const auto turned = x.transpose(0, 1).contiguous().transpose(0, 1);
      EXPECT_TRUE(close(linear(turned, weight, bias), expected, 1e-6)) << rows;
    }
  }
}

TEST(Linear, WhereGradientsAreKeptItIsLibTorchsOwn) {
  for (const auto& [x_trains, weight_trains] : {std::pair(true, false), {false, true}}) {
    const auto x = random({7, 300}, x_trains, 1), weight = random({256, 300}, weight_trains, 2);
    const auto y = linear(x, weight, Tensor());
    EXPECT_TRUE(y.requires_grad());
    EXPECT_TRUE(y.equal(at::linear(x, weight)));
    const torch::NoGradGuard no_grad;
    EXPECT_FALSE(linear(x, weight, Tensor()).requires_grad());
  }
}

TEST(Linear, ARowDoesNotDependOnThoseBesideIt) {
  // On the CPU; a GPU may choose another kernel for fewer rows.
  const auto x = random({400, 300}, false, 1).cpu(), weight = random({256, 300}, false, 2).cpu();
  const auto all = linear(x, weight, Tensor());
  for (const int64_t rows : {100, 200, 399})
    EXPECT_TRUE(linear(x.slice(0, 0, rows), weight, Tensor()).equal(all.slice(0, 0, rows))) << rows;
}

TEST(Linear, OtherTypesAutocastAndDisabledOneDnnAreLibTorchsOwn) {
  const auto x = random({3, 300}, false, 1), weight = random({256, 300}, false, 2);
  const auto bias = random({256}, false, 3);
  const auto expected = at::linear(as_double(x), as_double(weight), as_double(bias));
  EXPECT_TRUE(linear(as_double(x), as_double(weight), as_double(bias)).equal(expected));
  EXPECT_EQ(linear(x.slice(0, 0, 0), weight, bias).sizes(), (std::vector<int64_t>{0, 256}));
  {
    at::globalContext().setUserEnabledMkldnn(false);
    const ScopeExit restore([] { at::globalContext().setUserEnabledMkldnn(true); });
    EXPECT_TRUE(linear(x, weight, bias).equal(at::linear(x, weight, bias)));
  }
  const auto type = testing::test_device().type();
  at::autocast::set_autocast_enabled(type, true);
  const ScopeExit restore([&] {
    at::autocast::set_autocast_enabled(type, false);
    at::autocast::clear_cache();
  });
  const auto rounded = linear(x, weight, bias);
  EXPECT_EQ(rounded.scalar_type(), at::autocast::get_autocast_dtype(type));
  EXPECT_TRUE(close(rounded, expected, 1e-2));
}

}  // namespace
}  // namespace pixelclip
