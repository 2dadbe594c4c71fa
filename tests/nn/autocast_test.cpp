#include "nn/autocast.hpp"

#include <torch/utils.h>

#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

torch::ScalarType type_of_a_product() {
  const auto x = testing::on_device(torch::ones({2, 2}));
  return torch::matmul(x, x).scalar_type();
}

TEST(Autocast, GivesProductsItsTypeForAScope) {
  EXPECT_EQ(type_of_a_product(), torch::kFloat);
  {
    const Autocast autocast(testing::test_device(), torch::kBFloat16);
    EXPECT_EQ(type_of_a_product(), torch::kBFloat16);
  }
  EXPECT_EQ(type_of_a_product(), torch::kFloat);
}

TEST(Autocast, WithoutATypeTheScopeAroundItHolds) {
  const Autocast outer(testing::test_device(), torch::kBFloat16);
  {
    const Autocast none(testing::test_device(), std::nullopt);
    EXPECT_EQ(type_of_a_product(), torch::kBFloat16);
  }
  {
    const Autocast inner(testing::test_device(), torch::kHalf);
    EXPECT_EQ(type_of_a_product(), torch::kHalf);
  }
  EXPECT_EQ(type_of_a_product(), torch::kBFloat16);
}

}  // namespace
}  // namespace pixelclip
