#pragma once

#include <torch/types.h>

#include "support/support.hpp"

namespace pixelclip::testing {

/// Succeeds when |actual − expected| ≤ relative · max|expected| + absolute everywhere; NaN fails.
/// The failure names the worst element.
inline ::testing::AssertionResult close(const torch::Tensor& actual, const torch::Tensor& expected,
                                        double relative, double absolute = 0.0) {
  if (actual.sizes() != expected.sizes()) {
    return ::testing::AssertionFailure()
           << "shape " << actual.sizes() << ", expected " << expected.sizes();
  }
  if (actual.numel() == 0) return ::testing::AssertionSuccess();
  const auto a = actual.detach().cpu().to(torch::kDouble).flatten();
  const auto e = expected.detach().cpu().to(torch::kDouble).flatten();
  const auto difference = (a - e).abs().nan_to_num(1e300, 1e300, 1e300);
  const int64_t worst = difference.argmax().item<int64_t>();
  const double bound = relative * e.abs().max().item<double>() + absolute;
  if (difference[worst].item<double>() <= bound) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "element " << worst << " is " << a[worst].item<double>()
                                       << ", expected " << e[worst].item<double>() << ", off by "
                                       << difference[worst].item<double>() << ", allowed " << bound;
}

}  // namespace pixelclip::testing
