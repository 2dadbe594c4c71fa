#include "inference/argmax_tensor.hpp"

#include <torch/utils.h>

#include <functional>
#include <numeric>

#include "support/device.hpp"

namespace pixelclip {
namespace {

using ::testing::HasSubstr;
using testing::on_device;

double equal_share(const LabelMap& labels, const LabelMap& expected) {
  EXPECT_EQ(labels.height, expected.height);
  EXPECT_EQ(labels.width, expected.width);
  const auto same = std::inner_product(labels.ids.begin(), labels.ids.end(), expected.ids.begin(),
                                       0.0, std::plus<>(), std::equal_to<>());
  return same / static_cast<double>(expected.ids.size());
}

TEST(TiledArgmax, AgreesWithTheFusedOneWhateverTheTiles) {
  torch::manual_seed(3);
  for (const auto& [classes, h, w, height, width] :
       std::initializer_list<std::tuple<int, int, int, int, int>>{
           {21, 64, 64, 93, 117}, {3, 1, 7, 5, 50}, {1, 2, 2, 9, 1}}) {
    const auto scores = torch::randn({classes, h, w});
    const LabelMap fused = argmax_upsampled(scores, height, width);
    for (const int64_t values : {int64_t{1}, int64_t{5000}, int64_t{1} << 25}) {
      EXPECT_GE(equal_share(argmax_in_tiles(on_device(scores), height, width, values), fused),
                0.9999)
          << classes << " classes, " << values << " values";
    }
  }
  EXPECT_ERROR(argmax_in_tiles(on_device(torch::full({2, 2, 2}, std::nan(""))), 4, 4),
               HasSubstr("not a finite"));
}

TEST(ArgmaxOfTensors, LabelsImagesOfSeveralSizesAsTheCpuDoes) {
  torch::manual_seed(4);
  const std::vector<Size2> sizes = {{40, 61}, {33, 8}};
  std::vector<torch::Tensor> here, there;
  for (size_t i = 0; i < sizes.size(); ++i) {
    here.push_back(torch::randn({5, 16, 16}));
    there.push_back(on_device(here.back()));
  }
  const auto labels = argmax_upsampled(there, sizes, {"a.jpg", "b.jpg"});
  ASSERT_EQ(labels.size(), 2u);
  for (size_t i = 0; i < sizes.size(); ++i) {
    const LabelMap expected = argmax_upsampled(here[i], sizes[i].height, sizes[i].width);
    EXPECT_GE(equal_share(labels[i], expected), 0.999) << i;
    EXPECT_EQ(argmax_upsampled(there[i], sizes[i].height, sizes[i].width).ids, labels[i].ids) << i;
  }
  there[1][0][0][0] = std::nan("");
  EXPECT_ERROR(argmax_upsampled(there, sizes, {"a.jpg", "b.jpg"}),
               HasSubstr("b.jpg: a class score is not a finite"));
}

TEST(ArgmaxOfTensors, LabelsThatWereComparedAlreadyAreResizedToTheNearest) {
  const auto labels = on_device(torch::tensor({{1, 2}, {3, 4}}, torch::kInt));
  EXPECT_EQ(argmax_upsampled(labels, 2, 2).ids, (std::vector<int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(argmax_upsampled(labels, 2, 4).ids, (std::vector<int32_t>{1, 1, 2, 2, 3, 3, 4, 4}));
}

}  // namespace
}  // namespace pixelclip
