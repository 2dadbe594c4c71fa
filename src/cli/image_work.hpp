#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "cli/inputs.hpp"
#include "image/shown_image.hpp"

namespace pixelclip::cli {

/// One image of the inputs: a file, or a frame of a video.
struct InputImage {
  std::string source;  ///< For messages: the file, and the frame of a video.
  std::string name;    ///< What its results are called.
  ShownImage image;
};

/// What is left to do for an image in the order of the inputs: messages, collecting results.
using FinishImage = std::function<void()>;

/// How a command works on its images.
struct ImageWork {
  /// Of images above 50 megapixels, as in ShownImageFile; 0: all are read whole.
  int64_t short_side = 0;
  int64_t every = 1;  ///< Of a video's frames, one in so many.
  int workers = 1;    ///< Threads; they share the calling thread's number of LibTorch threads.
  size_t batch = 1;   ///< Images handed to `work` at once, at most.
  /// Called by several threads at once; gives what is left to do for each image.
  std::function<std::vector<FinishImage>(const std::vector<InputImage>& images)> work;
};

/// Workers and batch for an encoder on `device`: on a CPU, where several threads with an image each
/// do more than one image with all of them, a worker for each core; on a GPU, batches of 8.
ImageWork image_work(const Inputs& inputs, const torch::Device& device);

/// Reads, works and finishes overlapped. Messages and what `work` leaves to do come in the order of
/// the inputs, whatever the number of workers. An image that fails is logged and the others go on.
/// A stop signal ends it after the images in progress. Errors, at the end: how many inputs failed;
/// nothing was found; stopped.
void for_each_image(const Inputs& inputs, const ImageWork& work);

}  // namespace pixelclip::cli
