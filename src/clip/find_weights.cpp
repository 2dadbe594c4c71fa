#include "clip/find_weights.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "base/error.hpp"
#include "base/install.hpp"

namespace pixelclip {
namespace fs = std::filesystem;
namespace {

/// A published model: where it is published and which names mean it.
struct Published {
  std::vector<std::string> names;
  std::string file;                       // as it is downloaded
  std::string url;                        // empty: the first Hugging Face repository's file
  std::string sha256;                     // empty: not published
  std::vector<std::string> repositories;  // on Hugging Face
};

Published openai(std::vector<std::string> names, const std::string& file, const std::string& sha256,
                 std::vector<std::string> repositories) {
  return {std::move(names), file,
          "https://openaipublic.azureedge.net/clip/models/" + sha256 + "/" + file, sha256,
          std::move(repositories)};
}

const std::vector<Published>& published() {
  static const std::vector<Published> models = {
      openai({"ViT-B/16", "ViT-B-16"}, "ViT-B-16.pt",
             "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
             {"timm/vit_base_patch16_clip_224.openai", "openai/clip-vit-base-patch16"}),
      openai({"ViT-B/32", "ViT-B-32"}, "ViT-B-32.pt",
             "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
             {"timm/vit_base_patch32_clip_224.openai", "openai/clip-vit-base-patch32"}),
      openai({"ViT-L/14", "ViT-L-14"}, "ViT-L-14.pt",
             "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
             {"timm/vit_large_patch14_clip_224.openai", "openai/clip-vit-large-patch14"}),
      openai({"ViT-L/14@336px", "ViT-L-14-336"}, "ViT-L-14-336px.pt",
             "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
             {"timm/vit_large_patch14_clip_336.openai", "openai/clip-vit-large-patch14-336"}),
      {{"convnext_base", "convnext_base_w_320"},
       "open_clip_pytorch_model.bin",
       "",
       "",
       {"laion/CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K-augreg",
        "laion/CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K"}},
      {{"convnext_large", "convnext_large_d_320"},
       "open_clip_pytorch_model.bin",
       "",
       "",
       {"laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup",
        "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft"}},
  };
  return models;
}

const Published* find_published(const std::string& name) {
  for (const auto& model : published()) {
    if (std::find(model.names.begin(), model.names.end(), name) != model.names.end()) return &model;
  }
  // As the public code, which asks only whether a name holds these words; a path or a repository is
  // no such name.
  const auto holds = [&](const char* word) { return name.find(word) != std::string::npos; };
  if (!holds("convnext") || holds("/") || holds(".")) return nullptr;
  return holds("base")    ? find_published("convnext_base")
         : holds("large") ? find_published("convnext_large")
                          : nullptr;
}

constexpr const char* kEndings[] = {".pt", ".pth", ".safetensors", ".bin", ".pkl"};
constexpr const char* kFilesOfFolders[] = {"model_final.pth",
                                           "open_clip_model.safetensors",
                                           "model.safetensors",
                                           "open_clip_pytorch_model.bin",
                                           "pytorch_model.bin",
                                           "open_clip_model.safetensors.index.json",
                                           "model.safetensors.index.json",
                                           "open_clip_pytorch_model.bin.index.json",
                                           "pytorch_model.bin.index.json"};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// The weights inside a folder of a training or fetched from Hugging Face; empty when there are
/// none.
fs::path inside_folder(const fs::path& folder) {
  for (const char* file : kFilesOfFolders) {
    if (is_file(folder / file)) return folder / file;
  }
  // The folder of a run that has not ended.
  std::string last;
  std::ifstream(folder / "last_checkpoint") >> last;
  if (!last.empty() && last.find('/') == std::string::npos && is_file(folder / last))
    return folder / last;
  return {};
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// Folders that hold files under their own names.
std::vector<fs::path> plain_folders() {
  std::vector<fs::path> folders;
  std::istringstream named(variable("PIXELCLIP_WEIGHTS"));
  for (std::string folder; std::getline(named, folder, ':');) {
    if (!folder.empty()) folders.emplace_back(folder);
  }
  folders.emplace_back("weights");
  folders.push_back(home_folder() / ".cache/clip");
  return folders;
}

fs::path hugging_face_hub() {
  if (const auto hub = variable("HF_HUB_CACHE"); !hub.empty()) return hub;
  if (const auto home = variable("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  return cache_folder() / "huggingface/hub";
}

/// The folder of torch.hub's downloads.
fs::path torch_hub_checkpoints() {
  const std::string home = variable("TORCH_HOME");
  return (home.empty() ? cache_folder() / "torch" : fs::path(home)) / "hub/checkpoints";
}

/// Names of a model's file or folder inside such a folder.
std::vector<std::string> plain_names(const std::string& name, const Published* model) {
  std::vector<std::string> names = {name};
  if (model) {
    names.insert(names.end(), model->names.begin(), model->names.end());
    names.push_back(fs::path(model->file).stem().string());
    for (const auto& repository : model->repositories) {
      names.push_back(repository.substr(repository.find('/') + 1));
    }
  }
  for (auto& each : names) std::replace(each.begin(), each.end(), '/', '-');
  std::erase(names, "open_clip_pytorch_model");  // every open_clip model has this file name
  return names;
}

fs::path in_plain_folder(const fs::path& folder, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    for (const char* ending : kEndings) {
      if (is_file(folder / (name + ending))) return folder / (name + ending);
    }
    if (auto found = inside_folder(folder / name); !found.empty()) return found;
  }
  return {};
}

/// The cached copy of "owner/name": the revision that refs/main names, else the last one by name.
fs::path in_hub(const fs::path& hub, const std::string& repository) {
  std::string folder = "models--" + repository;
  folder.replace(folder.find('/'), 1, "--");
  std::error_code ignored;
  std::vector<fs::path> snapshots;
  for (const auto& entry : fs::directory_iterator(hub / folder / "snapshots", ignored)) {
    snapshots.push_back(entry.path());
  }
  std::sort(snapshots.rbegin(), snapshots.rend());
  std::string revision;
  std::ifstream(hub / folder / "refs/main") >> revision;
  if (!revision.empty()) snapshots.insert(snapshots.begin(), hub / folder / "snapshots" / revision);
  for (const auto& snapshot : snapshots) {
    if (auto found = inside_folder(snapshot); !found.empty()) return found;
  }
  return {};
}

std::string known_names() {
  std::string names;
  for (const auto& model : published()) names += (names.empty() ? "" : ", ") + model.names[0];
  return names;
}

[[noreturn]] void fail_not_found(const std::string& name, const Published* model,
                                 const std::vector<fs::path>& folders, const fs::path& hub) {
  std::ostringstream text;
  text << "no weights of \"" << name << "\" were found";
  if (!model) {
    std::vector<std::string> names;
    for (const auto& each : published())
      names.insert(names.end(), each.names.begin(), each.names.end());
    text << did_you_mean(name, names) << ": it is neither a file nor one of " << known_names()
         << ", and no file of that name lies in ";
  } else {
    text << ": looked in ";
  }
  for (const auto& folder : folders) text << folder.string() << ", ";
  text << hub.string();
  if (variable("PIXELCLIP_WEIGHTS").empty())
    text << " ($PIXELCLIP_WEIGHTS may name another folder)";
  if (!model) fail(ErrorKind::not_found, text.str());
  const auto& repository = model->repositories[0];
  const auto url = model->url.empty()
                       ? "https://huggingface.co/" + repository + "/resolve/main/" + model->file
                       : model->url;
  const auto file =
      model->url.empty() ? repository.substr(repository.find('/') + 1) + ".bin" : model->file;
  text << "; fetch " << url;
  if (!model->sha256.empty()) text << " (SHA-256 " << model->sha256 << ")";
  text << " into weights/" << file << ", or run tools/download_weights.sh";
  fail(ErrorKind::not_found, text.str());
}

/// Names under torch.hub → where the file is published.
const std::map<std::string, std::string>& published_dinos() {
  static const auto dinos = [] {
    const std::string base = "https://dl.fbaipublicfiles.com/";
    std::map<std::string, std::string> urls;
    for (const auto& [name, file] : {std::pair("dino_vits16", "dino_deitsmall16_pretrain"),
                                     std::pair("dino_vits8", "dino_deitsmall8_pretrain"),
                                     std::pair("dino_vitb16", "dino_vitbase16_pretrain"),
                                     std::pair("dino_vitb8", "dino_vitbase8_pretrain")})
      urls[name] = base + "dino/" + file + "/" + file + ".pth";
    for (const std::string name : {"dinov2_vits14", "dinov2_vitb14"}) {
      for (const std::string registers : {"", "_reg"}) {
        const auto file = name + (registers.empty() ? "" : "_reg4") + "_pretrain.pth";
        urls[name + registers] = base + "dinov2/" + name + "/" + file;
      }
    }
    return urls;
  }();
  return dinos;
}

/// Errors begin with `trouble`; `key` can name the file instead.
fs::path find_published_dino(const std::string& name, const std::string& trouble,
                             const std::string& key) {
  const std::string& url = published_dinos().at(name);
  const fs::path file = fs::path(url).filename();
  auto folders = plain_folders();
  folders.push_back(torch_hub_checkpoints());
  std::string looked;
  for (const auto& folder : folders) {
    if (is_file(folder / file)) return folder / file;
    looked += (looked.empty() ? "" : ", ") + folder.string();
  }
  fail(ErrorKind::not_found, trouble, file.string(), " was not found: looked in ", looked,
       "; fetch ", url, " into weights/ (tools/download_weights.sh does), or name it with ", key);
}

}  // namespace

fs::path find_weights(const std::string& name_or_path) {
  if (name_or_path.empty()) {
    fail("no CLIP weights are named; expected a file or one of ", known_names());
  }
  std::error_code ignored;
  if (is_file(name_or_path)) return name_or_path;
  const Published* model = find_published(name_or_path);
  if (!model && fs::is_directory(name_or_path, ignored)) {
    if (auto found = inside_folder(name_or_path); !found.empty()) return found;
    fail(name_or_path,
         ": is a folder without a weights file; expected open_clip_model.safetensors, ",
         "model.safetensors, open_clip_pytorch_model.bin, pytorch_model.bin or their .index.json "
         "in it");
  }
  const auto extension = fs::path(name_or_path).extension();
  if (std::find(std::begin(kEndings), std::end(kEndings), extension) != std::end(kEndings)) {
    fail_in(ErrorKind::not_found, name_or_path,
            "no such file; expected CLIP weights, or one of the names ", known_names());
  }
  const auto folders = plain_folders();
  const auto names = plain_names(name_or_path, model);
  for (const auto& folder : folders) {
    if (auto found = in_plain_folder(folder, names); !found.empty()) return found;
  }
  const auto hub = hugging_face_hub();
  auto repositories = model ? model->repositories : std::vector<std::string>();
  // "owner/name" may be any repository that was fetched before.
  if (!model && std::count(name_or_path.begin(), name_or_path.end(), '/') == 1) {
    repositories.push_back(name_or_path);
  }
  for (const auto& repository : repositories) {
    if (auto found = in_hub(hub, repository); !found.empty()) return found;
  }
  fail_not_found(name_or_path, model, folders, hub);
}

fs::path find_dino_weights(const std::string& path) {
  if (!path.empty()) return path;
  return find_published_dino("dino_vits16", "MODEL.DINO is on, but ", "MODEL.DINO_WEIGHTS");
}

fs::path find_helper_weights(const std::string& name_or_path) {
  if (!published_dinos().count(name_or_path)) return name_or_path;
  return find_published_dino(name_or_path, "", "MODEL.DENSE.HELPER_WEIGHTS");
}

}  // namespace pixelclip
