#include "inference/argmax_kernel.hpp"
#include "inference/argmax_pixel.hpp"

namespace pixelclip {
namespace {

/// One thread a pixel; neighbours read the same cells of the grid, which stays in the GPU's cache.
__global__ void label_pixels(const float* scores, int classes, int h, int w, int64_t height,
                             int64_t width, int32_t* labels) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= height * width) return;
  labels[at] = argmax_at(scores, classes, h, w, place_on_grid(at / width, height, h),
                         place_on_grid(at % width, width, w));
}

}  // namespace

bool argmax_kernel(const float* scores, int classes, int h, int w, int64_t height, int64_t width,
                   int32_t* labels, void* stream) {
  constexpr int kThreads = 256;
  const auto blocks = static_cast<unsigned>((height * width + kThreads - 1) / kThreads);
  label_pixels<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(scores, classes, h, w,
                                                                           height, width, labels);
  return cudaGetLastError() == cudaSuccess;
}

}  // namespace pixelclip
