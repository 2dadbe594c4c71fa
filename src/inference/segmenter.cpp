#include "inference/segmenter.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "base/error.hpp"
#include "base/signal.hpp"
#include "base/text.hpp"
#include "clip/find_weights.hpp"
#include "clip/open_clip.hpp"
#include "config/config.hpp"
#include "image/resize.hpp"
#include "inference/precision.hpp"
#include "inference/two_threads.hpp"
#include "inference/views.hpp"
#include "inference/windows.hpp"
#include "io/load_into.hpp"
#include "modeling/configured_traits.hpp"
#include "modeling/dense_recipe.hpp"
#include "modeling/prompt_learner.hpp"
#include "nn/device.hpp"
#include "nn/functional.hpp"
#include "text/clean.hpp"
#include "text/prompts.hpp"

namespace pixelclip {
using torch::Tensor;
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostCells = 128 * kScoreGrid;  // a side; longer images are squeezed
constexpr double kLongest = 3;  // times its short side: a longer image is encoded in windows
constexpr size_t kBatch = 8;    // windows encoded at once
constexpr size_t kRememberedNames = 4096;

/// What the public models see: 320 pixels for a ViT made for 224, and other ViTs in proportion; 640
/// for ConvNeXt.
Size2 usual_resolution(const ClipArchitecture& architecture) {
  if (!architecture.vit) return {640, 640};
  const auto patches = std::max<int64_t>(1, std::lround(architecture.vit->grid * 320.0 / 224));
  return {patches * architecture.vit->patch, patches * architecture.vit->patch};
}

/// The configuration of the weights: the one named, else config.yaml beside them; empty where there
/// is none.
fs::path config_of(const SegmenterOptions& options, const fs::path& weights) {
  if (!options.config.empty()) return options.config;
  std::error_code ignored;
  const fs::path file =
      (fs::is_directory(weights, ignored) ? weights : weights.parent_path()) / "config.yaml";
  return fs::exists(file, ignored) ? file : fs::path();
}

/// Cells along one side and where the windows on them start.
struct WindowAxis {
  int64_t cells;
  std::vector<int64_t> starts;

  WindowAxis(double pixels, double cell) {
    cells = std::clamp<int64_t>(std::llround(pixels / cell), kScoreGrid, kMostCells);
    starts = window_starts(cells, kScoreGrid, kScoreGrid / 2);
  }
};

}  // namespace

/// Embeddings [T, C] by class name.
struct Segmenter::TextCache {
  std::mutex mutex;
  std::map<std::string, Tensor> known;
};

Segmenter::Segmenter(const SegmenterOptions& options)
    : templates_(pixelclip::templates(options.templates)),
      window_(options.window),
      text_cache_(std::make_shared<TextCache>()) {
  const torch::Device device = find_device(options.device);
  if (options.precision != "float32" && options.precision != "bfloat16")
    fail("unknown precision \"", options.precision, "\": expected float32 or bfloat16");
  const auto type = autocast_type(options.precision);
  if (type && is_emulated(*type, device)) warn_of_emulation("the precision bfloat16", "float32");
  const fs::path path = find_weights(options.weights);
  const fs::path file = config_of(options, path);
  Config config = load_config(file);
  if (!options.method.empty()) config.model.dense.method = dense_method(options.method);
  if (!options.helper.empty()) config.model.dense.helper_weights = options.helper;
  const DenseRecipe recipe = dense_recipe(config.model, device);
  auto by_hand =
      chosen_traits(options.activation, options.heads, "set by --activation and --heads");
  if (options.activation == "auto" && options.heads.empty())
    by_hand = configured_traits(config.model.sem_seg_head);
  const auto [found, weights, architecture] = open_clip(options.weights, by_hand);
  check_dense(architecture, recipe.options);
  clip_ = CLIP(architecture);
  load_into(*clip_, weights,
            {.source = path.string(), .must_be_known = {"visual.", "transformer."}});
  clip_->eval();
  for (auto& parameter : clip_->parameters()) parameter.set_requires_grad(false);
  clip_->to(device);
  encoder_.emplace(
      clip_->visual,
      PixelStatistics(config.model.clip_pixel_mean, config.model.clip_pixel_std, device), type,
      recipe);
  description_ = architecture.describe();
  resolution_ = usual_resolution(architecture);
  if (!file.empty()) read_sizes(config.input, config.model.clip_resolution);
  if (options.resolution.height > 0) resolution_ = options.resolution;
}

void Segmenter::read_sizes(const InputConfig& input, Size2 clip_resolution) {
  resolution_ = clip_resolution;
  short_side_ = input.min_size_test;
  long_side_ = input.max_size_test;
  format_ = input.format;
}

Tensor Segmenter::pixels(const Image& rgb, int64_t height, int64_t width) const {
  const bool as_is = height == rgb.height && width == rgb.width;
  return to_tensor(as_is ? rgb : resize_bilinear(rgb, height, width), format_);
}

Tensor Segmenter::inputs(const std::vector<Tensor>& views) const {
  std::vector<Tensor> resized;
  run_with_two_threads(encoder_->device(), [&] {
    for (const auto& view : views)
      resized.push_back(encoder_->input(view, resolution_.height, resolution_.width));
  });
  return torch::cat(resized);
}

Tensor Segmenter::whole_view(const Image& rgb) const {
  if (rgb.height < 1 || rgb.width < 1 || rgb.channels != 3) fail("cannot encode an empty image");
  if (short_side_ == 0) return pixels(rgb, rgb.height, rgb.width);
  const auto [height, width] = shortest_edge_size(rgb.height, rgb.width, short_side_, long_side_);
  return pixels(rgb, height, width);
}

std::vector<Tensor> Segmenter::cut_views(const Image& rgb, EncodedImage& image) const {
  const int64_t short_side = std::min(rgb.height, rgb.width),
                long_side = std::max(rgb.height, rgb.width);
  const double scale = short_side_ > 0 ? double(short_side_) / double(short_side) : 1.0;
  if (window_ == 0 && double(long_side) <= kLongest * double(short_side)) {
    image.windows = {{}};
    return {whole_view(rgb)};
  }
  const double cell =
      (window_ > 0 ? double(window_) : scale * double(short_side)) / kScoreGrid;  // pixels
  const WindowAxis rows(scale * double(rgb.height), cell), columns(scale * double(rgb.width), cell);
  image.rows = rows.cells, image.columns = columns.cells;
  const auto length = [&](int64_t cells) {
    return std::max<int64_t>(1, std::llround(cell * double(cells)));
  };
  const auto all = pixels(rgb, length(rows.cells), length(columns.cells));
  std::vector<Tensor> views;
  for (const int64_t row : rows.starts) {
    for (const int64_t column : columns.starts) {
      views.push_back(
          all.slice(1, std::llround(cell * double(row)), length(row + kScoreGrid))
              .slice(2, std::llround(cell * double(column)), length(column + kScoreGrid)));
      image.windows.push_back({row, column, {}, {}});
    }
  }
  return views;
}

std::vector<EncodedImage> Segmenter::encode(const std::vector<Source>& images) const {
  const torch::NoGradGuard no_grad;
  std::vector<EncodedImage> result;
  std::vector<Tensor> views;
  for (const Source& image : images) {
    result.push_back({image.height, image.width, kScoreGrid, kScoreGrid, {}});
    for (auto& view : cut_views(image.rgb, result.back())) views.push_back(std::move(view));
  }
  std::vector<EncodedImage::Window*> windows;  // one a view
  for (EncodedImage& image : result) {
    for (auto& window : image.windows) windows.push_back(&window);
  }
  for (size_t first = 0; first < views.size(); first += kBatch) {
    const auto end = std::min(views.size(), first + kBatch);
    const auto encoded =
        encoder_->dense(inputs({views.begin() + first, views.begin() + end}));  // [B, h, w, C]
    const auto norms = resize_bilinear(encoded.permute({0, 3, 1, 2}), kScoreGrid, kScoreGrid)
                           .norm(2, 1)
                           .clamp_min(1e-12);
    for (size_t i = first; i < end; ++i) {
      windows[i]->features = encoded[static_cast<int64_t>(i - first)];
      windows[i]->norms = norms[static_cast<int64_t>(i - first)];
    }
  }
  return result;
}

EncodedImage Segmenter::encode(const Image& rgb, int64_t height, int64_t width) const {
  return encode(std::vector<Source>{{rgb, height, width}}).front();
}

EncodedImage Segmenter::encode(const Image& rgb) const {
  return encode(rgb, rgb.height, rgb.width);
}

Tensor Segmenter::dense(const Image& rgb) const {
  const torch::NoGradGuard no_grad;
  return encoder_->dense(inputs({whole_view(rgb)})).squeeze(0);
}

std::pair<Tensor, Tensor> Segmenter::dense_and_pooled(const Image& rgb) const {
  const torch::NoGradGuard no_grad;
  const auto [dense, pooled] = encoder_->dense_and_pooled(inputs({whole_view(rgb)}));
  return {dense.squeeze(0), pooled.squeeze(0)};
}

Tensor Segmenter::pooled(const Image& rgb) const {
  const torch::NoGradGuard no_grad;
  return encoder_->pooled(inputs({whole_view(rgb)})).squeeze(0);
}

Tensor Segmenter::text(const std::vector<std::string>& names) const {
  std::map<std::string, Tensor> found;
  std::vector<std::string> fresh;
  {
    const std::lock_guard lock(text_cache_->mutex);
    for (const auto& name : names) {
      const auto at = text_cache_->known.find(name);
      if (at != text_cache_->known.end()) {
        found.insert(*at);
      } else if (std::find(fresh.begin(), fresh.end(), name) == fresh.end()) {
        fresh.push_back(name);
      }
    }
  }
  if (!fresh.empty()) {
    const auto encoded = encode_classes(clip_, fresh, templates_).transpose(0, 1);  // [N, T, C]
    const std::lock_guard lock(text_cache_->mutex);
    if (text_cache_->known.size() + fresh.size() > kRememberedNames) text_cache_->known.clear();
    for (size_t i = 0; i < fresh.size(); ++i) {
      found[fresh[i]] = text_cache_->known[fresh[i]] = encoded[static_cast<int64_t>(i)].clone();
    }
  }
  std::vector<Tensor> rows;
  for (const auto& name : names) rows.push_back(found.at(name));
  return torch::stack(rows, 1);  // [T, N, C]
}

Words Segmenter::words(const std::vector<std::string>& names, const Background& background) const {
  const torch::NoGradGuard no_grad;
  const signals::Doing encoding(str("encoding ", names.size(), " words"));
  Words words;
  std::vector<std::string> all;  // as encode_classes takes them
  std::map<std::string, size_t> seen;
  for (const auto& name : names) {
    all.push_back(trimmed(name));
    words.names.push_back(shown_name(all.back()));
    if (all.back().empty())
      fail("a class name is empty (name ", all.size(), " of ", names.size(), "): leave it out");
    const auto read =
        clean_text(all.back());  // the model makes no difference between large and small letters
    const auto [first, fresh] = seen.emplace(read, all.size());
    if (!fresh) {
      fail("the class name \"", words.names.back(), "\" is listed twice, as names ", first->second,
           " and ", all.size(), ": remove one");
    }
    if (background.wanted() && read == "background")
      fail("the class name \"background\" stands for the rest of the image: leave it out");
  }
  if (background.least_cosine && !(std::abs(*background.least_cosine) <= 1)) {
    fail("the background's threshold is ", *background.least_cosine,
         "; it is a cosine, from -1 to 1");
  }
  if (names.empty()) fail("there are no class names: name at least one thing to look for");
  all.insert(all.end(), background.words.begin(), background.words.end());
  words.bank = one_row_a_class(l2_normalise(text(all).mean(0)));
  if (!background.words.empty()) {
    words.bank.background = static_cast<int64_t>(names.size());
    std::fill(words.bank.owner.begin() + words.bank.background, words.bank.owner.end(),
              words.bank.background);
  }
  words.least_cosine = background.least_cosine;
  if (background.wanted()) words.names.push_back("background");
  return words;
}

}  // namespace pixelclip
