#include "demo/small_clip.hpp"

#include <torch/nn/functional.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "base/signal.hpp"
#include "clip/traits.hpp"
#include "clip/vit.hpp"
#include "config/config.hpp"
#include "image/codec.hpp"
#include "io/state_dict.hpp"
#include "io/torch_writer.hpp"
#include "nn/functional.hpp"
#include "nn/seeded_init.hpp"
#include "text/bpe_tokenizer.hpp"

namespace fs = std::filesystem;
namespace F = torch::nn::functional;
using nlohmann::json;
using torch::Tensor;

namespace pixelclip {
namespace {

/// Must be increased when the training changes other than by its options.
constexpr int kClipVersion = 5;

/// Number of patches of an image in a training step (FLIP, Li et al. 2023). Few patches are faster
/// and make the pooled embedding close to that of single patches, which the dense output needs.
constexpr int64_t kMinPatches = 2, kMaxPatches = 16;

/// All images, shrunk, as bytes, with captions as indices into the list of occurring tokens, so
/// that only their rows of the token embedding are trained.
struct CaptionedImages {
  Tensor images;                               // [N, 3, side, side] uint8
  std::vector<std::vector<int64_t>> captions;  // of each image: rows of `tokens`
  std::vector<int64_t> tokens;                 // ascending; the end token is the last

  int64_t size() const { return images.size(0); }
};

CaptionedImages read_images(const fs::path& folder, int64_t side) {
  const json captions = read_json(folder / "captions.json");
  std::vector<std::string> stems;
  CaptionedImages data;
  for (const auto& [stem, caption] : captions.items()) {
    stems.push_back(stem);
    data.captions.push_back(BpeTokenizer::shared().encode(caption.get<std::string>()));
    data.tokens.insert(data.tokens.end(), data.captions.back().begin(), data.captions.back().end());
  }
  if (stems.empty()) fail((folder / "captions.json").string(), ": holds no captions");
  std::sort(data.tokens.begin(), data.tokens.end());
  data.tokens.erase(std::unique(data.tokens.begin(), data.tokens.end()), data.tokens.end());
  for (auto& ids : data.captions) {
    for (int64_t& id : ids) {
      id = std::lower_bound(data.tokens.begin(), data.tokens.end(), id) - data.tokens.begin();
    }
  }
  data.images = torch::empty({static_cast<int64_t>(stems.size()), 3, side, side}, torch::kByte);
  parallel_for(static_cast<int64_t>(stems.size()), 0, [&](int64_t i) {
    torch::NoGradGuard no_grad;
    Image image = read_rgb(folder / "photos" / (stems[static_cast<size_t>(i)] + ".jpg"));
    const Tensor pixels =
        torch::from_blob(image.pixels.data(), {image.height, image.width, 3}, torch::kByte)
            .permute({2, 0, 1})
            .unsqueeze(0)
            .to(torch::kFloat);
    const Tensor small = at::adaptive_avg_pool2d(pixels, {side, side}).round();
    data.images[i].copy_(small[0]);
  });
  return data;
}

ClipArchitecture architecture_of(const DemoClipOptions& options) {
  ClipArchitecture architecture;
  architecture.vit = VitOptions{.width = options.width,
                                .layers = options.layers,
                                .patch = options.patch,
                                .grid = options.side / options.patch,
                                .embedding = options.embedding,
                                .activation = Activation::quick_gelu};
  architecture.text = TextOptions{.width = options.width,
                                  .layers = options.text_layers,
                                  .heads = std::max<int64_t>(1, options.width / 64),
                                  .context = BpeTokenizer::kContext,
                                  .vocabulary = BpeTokenizer::kVocabulary,
                                  .embedding = options.embedding,
                                  .activation = Activation::quick_gelu};
  return architecture;
}

/// OpenAI's initialization: normal matrices whose standard deviation depends on width and depth.
void initialise(CLIP& clip, const DemoClipOptions& options) {
  torch::NoGradGuard no_grad;
  const auto width = static_cast<double>(options.width);
  for (auto& item : clip->named_parameters()) {
    const std::string& name = item.key();
    Tensor& value = item.value();
    const bool visual = name.starts_with("visual.");
    const auto layers = static_cast<double>(visual ? options.layers : options.text_layers);
    if (name == "logit_scale") {
      value.fill_(std::log(1 / 0.07));
    } else if (name.ends_with("bias")) {
      value.zero_();
    } else if (name.find("ln_") != std::string::npos) {
      value.fill_(1);
    } else if (name.ends_with("out_proj.weight") || name.ends_with("c_proj.weight")) {
      value.normal_(0, 1 / std::sqrt(2 * width * layers));
    } else if (name.ends_with("c_fc.weight")) {
      value.normal_(0, 1 / std::sqrt(2 * width));
    } else if (name == "token_embedding.weight") {
      value.normal_(0, 0.02);
    } else if (name == "positional_embedding") {
      value.normal_(0, 0.01);
    } else if (name == "visual.conv1.weight") {
      value.normal_(0, 1 / std::sqrt(3.0 * static_cast<double>(options.patch * options.patch)));
    } else {
      value.normal_(0, 1 / std::sqrt(width));
    }
  }
}

/// Encoder input [B, 3, side, side]: float, normalised, each image mirrored with probability ½.
Tensor image_batch(const CaptionedImages& data, const std::vector<int64_t>& rows, Random& random) {
  const ModelConfig model;
  const auto vector3 = [](const std::vector<double>& v) {
    return torch::tensor(v, torch::kFloat).view({1, 3, 1, 1});
  };
  Tensor images = data.images.index_select(0, torch::tensor(rows)).to(torch::kFloat);
  for (int64_t i = 0; i < images.size(0); ++i) {
    if (random.chance(0.5)) images[i].copy_(images[i].flip({2}));
  }
  return (images - vector3(model.clip_pixel_mean)) / vector3(model.clip_pixel_std);
}

/// Draws the images in random order, each once per epoch.
class Shuffle {
 public:
  Shuffle(uint64_t seed, int64_t size) : random_(seed, 1), order_(static_cast<size_t>(size)) {
    for (int64_t i = 0; i < size; ++i) order_[static_cast<size_t>(i)] = i;
    next_ = order_.size();
  }

  std::vector<int64_t> draw(int64_t count) {
    std::vector<int64_t> rows;
    while (static_cast<int64_t>(rows.size()) < count) {
      if (next_ == order_.size()) {
        for (size_t i = order_.size(); i > 1; --i) {
          std::swap(order_[i - 1],
                    order_[static_cast<size_t>(random_.integer(0, static_cast<int64_t>(i)))]);
        }
        next_ = 0;
      }
      rows.push_back(order_[next_++]);
    }
    return rows;
  }

 private:
  Random random_;
  std::vector<int64_t> order_;
  size_t next_;
};

double rate_factor(int64_t iteration, int64_t iterations) {
  const double warm_up = std::clamp<double>(static_cast<double>(iterations) / 5, 1, 50);
  const double done = static_cast<double>(iteration) / static_cast<double>(iterations);
  return std::min(1.0, static_cast<double>(iteration + 1) / warm_up) * 0.5 *
         (1 + std::cos(std::numbers::pi * done));
}

/// Symmetric cross-entropy over the similarities of images and captions.
Tensor contrastive_loss(const Tensor& images, const Tensor& texts, const Tensor& logit_scale) {
  const auto scores =
      logit_scale.exp().clamp_max(100) * torch::mm(l2_normalise(images), l2_normalise(texts).t());
  const auto same = torch::arange(scores.size(0));
  return 0.5 * (F::cross_entropy(scores, same) + F::cross_entropy(scores.t(), same));
}

class ClipTrainer {
 public:
  ClipTrainer(CLIP& clip, const CaptionedImages& data, const DemoClipOptions& options)
      : clip_(clip),
        visual_(clip->visual->as<VisionTransformerImpl>()),
        data_(data),
        options_(options),
        shuffle_(options.seed, data.size()),
        draws_(options.seed, 2),
        tokens_(torch::tensor(data.tokens)) {
    auto parameters = clip->named_parameters();
    logit_scale_ = parameters["logit_scale"];
    table_ = parameters["token_embedding.weight"];
    rows_ = table_.detach().index_select(0, tokens_).requires_grad_();
    for (auto& item : parameters) {
      if (item.key() != "token_embedding.weight") trained_.push_back(item.value());
    }
    trained_.push_back(rows_);
    optimizer_ = std::make_unique<torch::optim::AdamW>(
        trained_, torch::optim::AdamWOptions(options.learning_rate)
                      .betas({0.9, 0.98})
                      .weight_decay(options.weight_decay));
  }

  void step(int64_t iteration) {
    const auto rows = shuffle_.draw(options_.batch);
    std::vector<std::vector<int64_t>> captions;
    for (const int64_t row : rows) captions.push_back(data_.captions[static_cast<size_t>(row)]);
    const Tensor ids = pad_tokens(captions);  // the end token has the largest id here too
    const Tensor texts = clip_->encode_embedded(F::embedding(ids, rows_), ids.argmax(1));
    const int64_t patches = (options_.side / options_.patch) * (options_.side / options_.patch);
    const int64_t kept =
        draws_.integer(std::min(kMinPatches, patches), std::min(kMaxPatches, patches) + 1);
    const Tensor drawn =
        torch::rand({options_.batch, patches}).argsort(int64_t{1}).slice(1, 0, kept);
    const Tensor images = visual_->pooled_of_patches(image_batch(data_, rows, draws_), drawn);
    optimizer_->zero_grad();
    contrastive_loss(images, texts, logit_scale_).backward();
    torch::nn::utils::clip_grad_norm_(trained_, 1.0);
    auto& group = static_cast<torch::optim::AdamWOptions&>(optimizer_->param_groups()[0].options());
    group.lr(options_.learning_rate * rate_factor(iteration, options_.iterations));
    optimizer_->step();
  }

  /// A CLIP trained on web data has embeddings for all tokens, which prompts are initialized from.
  /// Tokens that occur in no caption get the rows of randomly drawn other tokens.
  void finish() {
    torch::NoGradGuard no_grad;
    const int64_t words = rows_.size(0) - 2;  // the last two are the start and the end of a text
    table_.copy_(rows_.index_select(0, torch::randint(words, {table_.size(0)}, torch::kLong)));
    table_.index_copy_(0, tokens_, rows_);
  }

 private:
  CLIP& clip_;
  VisionTransformerImpl* visual_;
  const CaptionedImages& data_;
  const DemoClipOptions& options_;
  Shuffle shuffle_;
  Random draws_;
  Tensor tokens_, logit_scale_, table_, rows_;
  std::vector<Tensor> trained_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
};

json clip_stamp(const fs::path& folder, const DemoClipOptions& options) {
  return {{"version", kClipVersion},
          {"world", read_json(folder / "world.json")},
          {"seed", options.seed},
          {"sizes",
           {options.side, options.patch, options.width, options.layers, options.text_layers,
            options.embedding}},
          {"schedule", {options.batch, options.iterations}},
          {"rates", {options.learning_rate, options.weight_decay}}};
}

}  // namespace

CLIP train_demo_clip(const fs::path& folder, const DemoClipOptions& options,
                     const DemoProgress& progress) {
  if (!demo_world_ready(folder))
    fail(folder.string(), ": holds no demo world; run `pixelclip demo`");
  const CaptionedImages data = read_images(folder, options.side);
  CLIP clip(architecture_of(options));
  const SeededInit seeded(options.seed);
  initialise(clip, options);
  ClipTrainer trainer(clip, data, options);
  for (int64_t i = 0; i < options.iterations; ++i) {
    if (signals::stop_requested() != 0) fail("stopped while training the demo's small CLIP");
    trainer.step(i);
    if (progress) progress("iterations of the small CLIP", i + 1, options.iterations);
  }
  trainer.finish();
  return clip;
}

bool demo_clip_ready(const fs::path& folder, const DemoClipOptions& options) {
  const fs::path stamp = folder / "clip.json";
  if (!demo_world_ready(folder) || !fs::exists(folder / "clip.pth") || !fs::exists(stamp))
    return false;
  try {
    return read_json(stamp) == clip_stamp(folder, options);
  } catch (const Error&) {  // a damaged stamp
    return false;
  }
}

void make_demo_clip(const fs::path& folder, const DemoClipOptions& options,
                    const DemoProgress& progress) {
  if (demo_clip_ready(folder, options)) return;
  fs::remove(folder / "clip.json");
  CLIP clip = train_demo_clip(folder, options, progress);
  Dict file = to_value(state_of(*clip)).as_dict();
  for (const auto& [key, text] : record_of(clip->architecture())) file.set(key, text);
  write_torch_file(folder / "clip.pth", file);
  write_json(folder / "clip.json", clip_stamp(folder, options));
}

}  // namespace pixelclip
