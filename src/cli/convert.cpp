#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"
#include "cli/commands.hpp"
#include "cli/convert_published.hpp"
#include "cli/output.hpp"
#include "cli/weights_file.hpp"
#include "clip/open_clip.hpp"
#include "io/safetensors.hpp"
#include "io/torch_writer.hpp"

namespace pixelclip::cli {
namespace {
namespace fs = std::filesystem;

const std::string kEncoder = "sem_seg_head.predictor.clip_model.";
const std::string kPrompts = "sem_seg_head.predictor.prompt_tokens";
const std::string kTeacher = "teacher_encoder.";
const std::string kDino = "dino.";  // frozen; training with MODEL.DINO keeps it beside the model

struct Options {
  fs::path in, out;
  bool half = false, strip = false;
  std::string only = "all", to;
};

/// Keeps the tensors that --only and --strip ask for. The image and text encoder alone get CLIP's
/// own names, so that the file serves as MODEL.CLIP_PRETRAINED.
Dict select(const Dict& weights, const Options& options) {
  Dict kept;
  for (const auto& [key, tensor] : weights.items) {
    const std::string& name = *key.get_if<std::string>();
    if (options.only == "encoder" && name.starts_with(kEncoder)) {
      kept.items.emplace_back(name.substr(kEncoder.size()), tensor);
    } else if (options.only == "prompts" && name == kPrompts) {
      kept.items.emplace_back(key, tensor);
    } else if (options.only == "all" &&
               !(options.strip && (name.starts_with(kTeacher) || name.starts_with(kDino)))) {
      kept.items.emplace_back(key, tensor);
    }
  }
  if (kept.items.empty()) {
    fail(options.in.string(), ": it holds no ",
         options.only == "prompts" ? kPrompts : kEncoder + "*", ", so nothing is left with --only ",
         options.only, "; was it written by PixelCLIP training?");
  }
  return kept;
}

bool is_scalar(const Value& value) {
  return value.is<bool>() || value.is<int64_t>() || value.is<double>() || value.is<std::string>();
}

std::string scalar_text(const Value& value) {
  if (const auto* flag = value.get_if<bool>()) return *flag ? "true" : "false";
  if (const auto* number = value.get_if<int64_t>()) return std::to_string(*number);
  if (const auto* number = value.get_if<double>()) return str(*number);
  return value.as_string();
}

std::string key_text(const Value& key) { return is_scalar(key) ? scalar_text(key) : key.kind(); }

/// Removes all but plain numbers and texts from what stands beside the weights; names what went.
std::string keep_scalars(Dict& rest) {
  std::string dropped;
  std::erase_if(rest.items, [&](const auto& entry) {
    if (is_scalar(entry.second)) return false;
    dropped += (dropped.empty() ? "" : ", ") + printable(key_text(entry.first));
    return true;
  });
  return dropped;
}

void write_as_safetensors(const Options& options, const Dict& weights, const Dict& rest,
                          std::optional<torch::ScalarType> floating) {
  StateDict tensors;
  for (const auto& [key, value] : weights.items) {
    tensors[*key.get_if<std::string>()] = *value.get_if<torch::Tensor>();
  }
  std::map<std::string, std::string> metadata{{"format", "pt"}};
  for (const auto& [key, value] : rest.items) metadata[key_text(key)] = scalar_text(value);
  write_safetensors(options.out, tensors, metadata, floating);
}

void write_as_torch(const Options& options, const Dict& weights, const Dict& rest, bool nested,
                    std::optional<torch::ScalarType> floating) {
  if (options.only == "encoder") {
    // Alone, as OpenAI's loader takes it, unless something must be said of it; open_clip's takes
    // this form as well.
    Dict root;
    root.set("state_dict", weights);
    for (const char* key : {"clip_activation", "clip_heads"}) {
      if (const Value* text = rest.find(key)) root.set(key, *text);
    }
    return write_torch_file(options.out, root.size() > 1 ? root : weights, floating);
  }
  if (!nested) return write_torch_file(options.out, weights, floating);
  Dict root;
  root.set("model", weights);
  for (const auto& [key, value] : rest.items) {
    // What safetensors wants in its metadata says nothing here; other weights than those taken
    // would be taken for them.
    if (key_text(key) != "format" && key_text(key) != "model") root.items.emplace_back(key, value);
  }
  write_torch_file(options.out, root, floating);
}

/// The encoder alone would no longer tell that it comes from a PixelCLIP checkpoint, whose
/// activation and heads are known. They are recorded beside it where they are not OpenAI's, or
/// `always`.
void keep_traits(WeightsFile& file, const Dict& weights, bool always) {
  StateDict shapes;
  for (const auto& [key, tensor] : weights.items) {
    shapes[*key.get_if<std::string>()] =
        torch::empty(tensor.as_tensor().sizes(), torch::TensorOptions().device(torch::kMeta));
  }
  try {
    auto architecture = clip_architecture(shapes);
    const auto usual = record_of(architecture);
    settle_traits(architecture, pixelclip_sources({}, "the checkpoint", file.rest, architecture),
                  "the checkpoint");
    const auto record = record_of(architecture);
    for (const auto& [key, text] : record) {
      if (always || record != usual) file.rest.set(key, text);
    }
  } catch (const Error& e) {
    log::warn("activation and heads are not recorded: ", e.what());
  }
}

double size_of(const fs::path& file) { return static_cast<double>(fs::file_size(file)); }

void convert_to(const Options& options, const Output& output) {
  static const std::map<std::string, Publisher> kPublishers = {{"hf", Publisher::hugging_face},
                                                               {"openai", Publisher::openai},
                                                               {"open_clip", Publisher::open_clip}};
  if (options.only != "all" || options.strip)
    fail("--to writes the CLIP alone, so --only and --strip have no meaning beside it");
  const auto file =
      convert_published(options.in, options.out, kPublishers.at(options.to), options.half);
  log::info("wrote ", file.string(), " in the names of --to ", options.to, ": ",
            human_size(size_of(file)));
  output.result({{"file", file.string()}, {"bytes", fs::file_size(file)}});
}

void convert(const Options& options, const Output& output) {
  if (!options.to.empty()) return convert_to(options, output);
  const bool to_safetensors = options.out.extension() == ".safetensors";
  if (!is_weights_name(options.out)) {
    fail(options.out.string(),
         ": the name of the output selects its format and must end in .pth, .pt, .bin or "
         ".safetensors");
  }
  WeightsFile file = read_known_weights(options.in);
  for (const auto& remark : file.remarks) log::info(remark);
  const Dict weights = select(file.weights, options);
  // A training state in half precision would be of no use.
  const bool only_scalars =
      options.strip || options.half || to_safetensors || options.only != "all";
  const std::string dropped = only_scalars ? keep_scalars(file.rest) : "";
  if (options.only == "encoder") keep_traits(file, weights, to_safetensors);
  const auto floating = options.half ? std::optional(torch::kHalf) : std::nullopt;
  for (size_t i = 0; options.half && i < weights.items.size(); ++i) {
    const auto& [key, tensor] = weights.items[i];
    warn_of_overflow(key.as_string(), tensor.as_tensor());
  }
  if (to_safetensors) {
    write_as_safetensors(options, weights, file.rest, floating);
  } else {
    const bool public_form = weights.items.front().first.as_string().starts_with("sem_seg_head.") ||
                             weights.find(kPrompts) != nullptr;
    const bool nested = options.only != "encoder" && (file.nested() || public_form);
    write_as_torch(options, weights, file.rest, nested, floating);
  }
  log::info("wrote ", options.out.string(), ": ", weights.size(), " of ", file.weights.size(),
            " tensors, ", human_size(size_of(options.out)), " (was ",
            human_size(size_of(options.in)), ")", dropped.empty() ? "" : "; left out: " + dropped);
  output.result({{"file", options.out.string()},
                 {"bytes", fs::file_size(options.out)},
                 {"tensors", weights.size()},
                 {"of", file.weights.size()},
                 {"left_out", dropped}});
}

}  // namespace

void add_convert(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("convert", "Convert weights between .pth and .safetensors");
  command->add_option("IN", options->in, "torch.save, TorchScript or safetensors file")->required();
  command->add_option("OUT", options->out, "file to write: .pth, .pt, .bin or .safetensors")
      ->required();
  command->add_flag("--half", options->half,
                    "write floating-point weights as float16, without the training state");
  command
      ->add_option(
          "--only", options->only,
          "encoder: only CLIP, under its own names; prompts: only the learned prompts; all")
      ->check(CLI::IsMember({"encoder", "prompts", "all"}))
      ->capture_default_str();
  command->add_flag("--strip", options->strip,
                    "omit the teacher and the training state, for publishing");
  command
      ->add_option("--to", options->to,
                   "write the CLIP, of a PixelCLIP checkpoint the trained one, in the names of "
                   "Hugging Face's CLIPModel (hf), OpenAI's program or open_clip; OUT may be a "
                   "folder, which then also gets the configuration that the program reads")
      ->check(CLI::IsMember({"hf", "openai", "open_clip"}));
  const auto output = add_output_flags(*command);
  command->callback([options, output] { convert(*options, *output); });
}

}  // namespace pixelclip::cli
