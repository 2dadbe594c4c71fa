#include "cli/image_work.hpp"

#include <ATen/Parallel.h>

#include <atomic>
#include <mutex>
#include <set>

#include "base/file.hpp"
#include "base/log.hpp"
#include "image/codec.hpp"
#include "support/support.hpp"

namespace pixelclip::cli {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

class ImageWorkTest : public ::testing::Test {
 protected:
  /// Twelve images; `bad` of them is no image.
  Inputs inputs(const std::set<int>& bad = {}) {
    for (int i = 0; i < 12; ++i) {
      const auto file = folder_ / str("p", i, ".png");
      if (bad.count(i)) {
        write_text(file, "no image");
      } else {
        write_png(file, Image(4 + i, 8, 3));
      }
    }
    return find_inputs({folder_.path().string()}, /*videos=*/false);
  }

  const TempFolder folder_;
};

TEST_F(ImageWorkTest, FinishesInTheOrderOfTheInputsWithAnyWorkersAndBatch) {
  const auto all = inputs();
  for (const int workers : {1, 2, 5}) {
    for (const size_t batch : {1, 3}) {
      std::vector<int64_t> heights;
      ImageWork work;
      work.workers = workers;
      work.batch = batch;
      work.work = [&](const std::vector<InputImage>& images) {
        EXPECT_LE(images.size(), batch);
        std::vector<FinishImage> finish;
        for (const auto& image : images)
          finish.push_back([&heights, h = image.image.height] { heights.push_back(h); });
        return finish;
      };
      for_each_image(all, work);
      EXPECT_THAT(heights, ElementsAre(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    }
  }
}

TEST_F(ImageWorkTest, OneFaultDoesNotStopTheOthersNorThoseOfItsBatch) {
  log::add_file(folder_ / "log.txt");
  auto all = inputs({2});
  all.faults = {"d: no such image"};
  for (const int workers : {1, 3}) {
    std::string done;
    ImageWork work;
    work.workers = workers;
    work.batch = 4;
    work.work = [&](const std::vector<InputImage>& images) {
      std::vector<FinishImage> finish;
      for (const auto& image : images) {
        if (image.name == "p5") fail(image.source, ": is damaged");
        finish.push_back([&done, name = image.name] { done += name + " "; });
      }
      return finish;
    };
    EXPECT_ERROR(for_each_image(all, work), HasSubstr("3 of 13 inputs failed"));
    EXPECT_EQ(done, "p0 p1 p3 p4 p6 p7 p8 p9 p10 p11 ");
  }
  const auto text = read_text(folder_ / "log.txt");
  EXPECT_LT(text.find("p2.png"), text.find("p5.png: is damaged"));
}

TEST_F(ImageWorkTest, WhatIsNoFaultOfAnImageEndsTheWork) {
  const auto all = inputs();
  ImageWork work;
  work.workers = 2;
  work.work = [](const std::vector<InputImage>& images) -> std::vector<FinishImage> {
    if (images.front().name == "p3") throw std::logic_error("a broken invariant");
    return {[] {}};
  };
  EXPECT_THROW(for_each_image(all, work), std::logic_error);
}

TEST_F(ImageWorkTest, WorkersShareTheThreadsOfLibTorch) {
  const int before = at::get_num_threads();
  at::set_num_threads(4);
  std::atomic<int> threads = 0;
  ImageWork work;
  work.workers = 2;
  work.work = [&](const std::vector<InputImage>&) -> std::vector<FinishImage> {
    threads = at::get_num_threads();
    return {[] {}};
  };
  for_each_image(inputs(), work);
  EXPECT_EQ(threads, 2);
  EXPECT_EQ(at::get_num_threads(), 4);
  at::set_num_threads(before);
}

}  // namespace
}  // namespace pixelclip::cli
