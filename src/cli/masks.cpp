#include <torch/script.h>
#include <torch/utils.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "cli/commands.hpp"
#include "cli/common_flags.hpp"
#include "cli/image_work.hpp"
#include "cli/output.hpp"
#include "clip/find_weights.hpp"
#include "clip/sources.hpp"
#include "config/model_config.hpp"
#include "engine/runtime.hpp"
#include "image/codec.hpp"
#include "image/resize.hpp"
#include "image/rle.hpp"
#include "inference/segmenter.hpp"
#include "modeling/dino.hpp"
#include "nn/device.hpp"
#include "nn/functional.hpp"

namespace pixelclip::cli {
namespace {
namespace fs = std::filesystem;

struct MaskFlags {
  std::vector<std::string> inputs;
  fs::path out, dino_weights, sam;
  std::string weights, method;
  int64_t clusters = 16, short_side = 640, min_area = 16;
  std::string device = "auto";
};

struct Masks {
  torch::Tensor bitmaps;  ///< [M, H, W] uint8 on the CPU, at the image's size
  torch::Tensor
      scores;  ///< [M] float, how good the maker thinks they are; undefined: it does not say
};
using MaskMaker = std::function<Masks(const Image& rgb)>;

torch::Tensor to_float(const Image& rgb, const torch::Device& device) {
  const auto pixels = torch::from_blob(const_cast<uint8_t*>(rgb.pixels.data()),
                                       {rgb.height, rgb.width, 3}, torch::kUInt8);
  return pixels.permute({2, 0, 1}).to(device, torch::kFloat).contiguous();  // [3, H, W]
}

/// Masks of the clusters of a grid [h, w], 0 … count − 1, enlarged to the image.
Masks masks_of(const torch::Tensor& clusters, int64_t count, const Image& rgb) {
  const auto nearest = [](int64_t size, int64_t cells) {
    return (torch::arange(size) * cells).floor_divide(size);
  };
  const auto map = clusters.to(torch::kCPU)
                       .index_select(0, nearest(rgb.height, clusters.size(0)))
                       .index_select(1, nearest(rgb.width, clusters.size(1)));
  return {map.unsqueeze(0).eq(torch::arange(count).view({-1, 1, 1})).to(torch::kUInt8), {}};
}

/// Clusters of a CLIP's dense features by a method.
class ClipClusters {
 public:
  explicit ClipClusters(const MaskFlags& flags)
      : count_(flags.clusters),
        segmenter_({.weights = flags.weights,
                    .device = flags.device,
                    .method = flags.method,
                    .helper = flags.dino_weights.string()}) {}

  Masks operator()(const Image& rgb) const {
    const torch::NoGradGuard no_grad;
    const auto features = l2_normalise(segmenter_.dense(rgb));  // [h, w, C]
    if (features.size(0) * features.size(1) < count_) {
      fail("the encoder has only ", features.size(0) * features.size(1),
           " positions: lower --clusters");
    }
    const auto clusters = kmeans_plusplus(features.flatten(0, 1).unsqueeze(0), count_, /*seed=*/0);
    return masks_of(clusters.view({features.size(0), features.size(1)}), count_, rgb);
  }

 private:
  int64_t count_;
  Segmenter segmenter_;
};

/// Clusters of DINO's features, as MODEL.DINO makes them in training with MODEL.DINO_KMEANS
/// plusplus.
class DinoClusters {
 public:
  DinoClusters(const MaskFlags& flags, torch::Device device)
      : flags_(flags),
        device_(device),
        statistics_(ModelConfig().pixel_mean, ModelConfig().pixel_std, device),
        dino_(read_state_dict(find_helper_weights(flags.dino_weights.string())),
              flags.dino_weights.string()) {
    dino_->to(device);
  }

  Masks operator()(const Image& rgb) {
    const torch::NoGradGuard no_grad;
    const auto [height, width] =
        shortest_edge_size(rgb.height, rgb.width, flags_.short_side, 4 * flags_.short_side);
    const int64_t rows = height / dino_->patch(), columns = width / dino_->patch();
    if (rows * columns < flags_.clusters) {
      fail("an image of ", height, " x ", width, " has only ", rows * columns,
           " patches: lower --clusters or raise --short-side");
    }
    const auto pixels =
        to_float(resize_bilinear(rgb, rows * dino_->patch(), columns * dino_->patch()), device_);
    const auto features =
        dino_(statistics_.normalise(pixels).unsqueeze(0));  // [1, rows · columns, C]
    const auto clusters = kmeans_plusplus(features, flags_.clusters, /*seed=*/0);
    return masks_of(clusters.view({rows, columns}), flags_.clusters, rgb);
  }

 private:
  const MaskFlags& flags_;
  torch::Device device_;
  PixelStatistics statistics_;
  Dino dino_;
};

/// A TorchScript module from image to masks; docs/guide.md says what it is given and must give.
class SamMasks {
 public:
  SamMasks(const fs::path& file, torch::Device device) : file_(file.string()), device_(device) {
    MappedFile exists(file);
    try {
      module_ = std::make_shared<torch::jit::Module>(torch::jit::load(file_, device));
    } catch (const c10::Error&) {
      fail(file_, ": is no TorchScript module; export one with torch.jit.script(...).save(...)");
    }
    module_->eval();
  }

  Masks operator()(const Image& rgb) const {
    const torch::NoGradGuard no_grad;
    c10::IValue result;
    try {
      result = module_->forward({to_float(rgb, device_)});
    } catch (const std::exception& e) {
      const std::string text = e.what();
      fail(file_, ": the module fails on an image of ", rgb.height, " x ", rgb.width, ": ",
           printable(text.substr(text.rfind('\n', text.size() - 2) + 1)));
    }
    Masks masks;
    if (result.isTuple() && result.toTupleRef().elements().size() == 2) {
      const auto& parts = result.toTupleRef().elements();
      if (parts[0].isTensor() && parts[1].isTensor()) {
        masks.bitmaps = parts[0].toTensor();
        masks.scores = parts[1].toTensor().flatten().to(torch::kCPU, torch::kFloat);
      }
    } else if (result.isTensor()) {
      masks.bitmaps = result.toTensor();
    }
    const auto& m = masks.bitmaps;
    if (!m.defined() || m.dim() != 3 || m.size(1) != rgb.height || m.size(2) != rgb.width ||
        (masks.scores.defined() && masks.scores.size(0) != m.size(0))) {
      fail(file_, ": the module must give masks [M, ", rgb.height, ", ", rgb.width,
           "], or these and scores [M]; it gave ",
           m.defined() ? pixelclip::str(m.sizes()) : result.tagKind());
    }
    masks.bitmaps = m.gt(0).to(torch::kCPU, torch::kUInt8).contiguous();
    return masks;
  }

 private:
  std::string file_;
  torch::Device device_;
  std::shared_ptr<torch::jit::Module> module_;
};

nlohmann::json to_sa1b(const InputImage& image, const Masks& masks, int64_t min_area) {
  const Image& rgb = image.image.rgb;
  nlohmann::json annotations = nlohmann::json::array();
  const size_t pixels = static_cast<size_t>(rgb.height * rgb.width);
  for (int64_t m = 0; m < masks.bitmaps.size(0); ++m) {
    const auto* bitmap = masks.bitmaps.const_data_ptr<uint8_t>() + m * rgb.height * rgb.width;
    const Rle rle = rle_from_bitmap({bitmap, pixels}, rgb.height, rgb.width);
    if (rle_area(rle.counts) < min_area) continue;
    auto annotation = sa1b_annotation(static_cast<int64_t>(annotations.size()) + 1, rle);
    if (masks.scores.defined()) annotation["predicted_iou"] = masks.scores[m].item<double>();
    annotations.push_back(std::move(annotation));
  }
  const auto hash = static_cast<int64_t>(std::hash<std::string>{}(image.name) & 0x7fffffff);
  return {{"image",
           {{"image_id", hash},
            {"height", rgb.height},
            {"width", rgb.width},
            {"file_name", fs::path(image.source).filename().string()}}},
          {"annotations", annotations}};
}

void run_masks(const MaskFlags& flags, const Output& output) {
  if (!flags.weights.empty() ? !flags.sam.empty() : flags.dino_weights.empty() == flags.sam.empty())
    fail("give one of --helper, --sam and --weights, which make the masks");
  if (flags.weights.empty() && !flags.method.empty())
    fail("--method says how a CLIP is read: give its --weights");
  const Inputs inputs = find_inputs(flags.inputs, /*videos=*/false);
  const fs::path folder = flags.out / "annotations";
  make_writable_folder(folder);
  const auto device = find_device(flags.device);
  set_current_device(device);
  runtime::set_up_gpu_math();
  const MaskMaker maker = !flags.weights.empty() ? MaskMaker(ClipClusters(flags))
                          : flags.sam.empty()    ? MaskMaker(DinoClusters(flags, device))
                                                 : MaskMaker(SamMasks(flags.sam, device));
  ImageWork work;  // one worker: the maker uses all cores
  work.work = [&](const std::vector<InputImage>& images) -> std::vector<FinishImage> {
    const InputImage& image = images.front();
    const auto json = to_sa1b(image, maker(image.image.rgb), flags.min_area);
    const fs::path file = folder / (image.name + ".json");
    make_writable_folder(file.parent_path());
    write_json(file, json);
    return {[&output, file, source = image.source, count = json["annotations"].size()] {
      log::info(source, ": ", count, " masks");
      output.result({{"image", source}, {"file", file.string()}, {"masks", count}});
    }};
  };
  for_each_image(inputs, work);
  log::info("the masks are in ", folder.string());
}

}  // namespace

void add_masks(CLI::App& app) {
  auto* command = app.add_subcommand("masks",
                                     "Make unnamed masks for your own images, as SA-1B JSON, so "
                                     "that PixelCLIP can be trained on them.\n\n"
                                     "Writes OUT/annotations/NAME.json for each image NAME.jpg. "
                                     "With --helper the masks are clusters of\n"
                                     "DINO's features, which cover the image; with --weights "
                                     "clusters of CLIP's features by --method;\n"
                                     "with --sam they "
                                     "are what a TorchScript module says: its forward\n"
                                     "maps float [3, H, W], RGB from 0 to 255, to masks [M, H, W] "
                                     "(bool, or logits above 0), or to a tuple of\n"
                                     "these and scores [M].");
  auto flags = std::make_shared<MaskFlags>();
  add_inputs(*command, flags->inputs);
  command->add_option("--out", flags->out, "folder for the masks")->required();
  command->add_option("--helper,--dino-weights", flags->dino_weights,
                      "DINO or DINOv2 weights: a file, or a name such as dino_vits16; with "
                      "--weights, the helper of proxyclip");
  command->add_option("--weights", flags->weights,
                      "CLIP or PixelCLIP weights whose features are clustered");
  command->add_option("--method", flags->method,
                      "dense method of --weights (docs/methods.md; default: as its config.yaml)");
  command->add_option("--clusters", flags->clusters, "masks an image that k-means makes")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--short-side", flags->short_side, "of what DINO sees, pixels")
      ->check(CLI::Range(16, 4096))
      ->capture_default_str();
  command->add_option("--sam", flags->sam,
                      "TorchScript module, for example of SAM or MobileSAM with its prompts");
  command->add_option("--min-area", flags->min_area, "leave out smaller masks, pixels")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000'000}))
      ->capture_default_str();
  add_device(*command, flags->device);
  const auto output = add_output_flags(*command);
  command->callback([flags, output] { run_masks(*flags, *output); });
}

}  // namespace pixelclip::cli
