#include "cli/installation.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/utsname.h>
#include <torch/version.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/install.hpp"
#include "base/parallel.hpp"
#include "cli/bench/report.hpp"
#include "cli/weights_file.hpp"
#include "clip/find_weights.hpp"
#include "clip/sources.hpp"
#include "config/class_names.hpp"
#include "config/config.hpp"
#include "data/catalog.hpp"
#include "export/onnx_model.hpp"
#include "nn/device.hpp"
#include "text/bpe_tokenizer.hpp"

namespace pixelclip::cli {
namespace {
namespace fs = std::filesystem;

constexpr double kLeastFree = 5e9;  // bytes; checkpoints of a run take more

/// The text behind `key` in a file of lines such as "NAME=value" or "MemTotal:  1 kB", without
/// spaces and quotes around it; empty where there is none.
std::string field(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::string blank = " \t\"=:";
    const size_t begin = line.find_first_not_of(blank, key.size());
    if (begin == line.npos) return "";
    return line.substr(begin, line.find_last_not_of(blank) + 1 - begin);
  }
  return "";
}

/// The shared libraries of this process: name up to ".so" → file.
std::map<std::string, fs::path> loaded_libraries() {
  std::map<std::string, fs::path> found;
  const auto add = [](dl_phdr_info* info, size_t, void* data) {
    std::error_code ignored;
    const fs::path file = fs::weakly_canonical(info->dlpi_name, ignored);
    const std::string name = file.filename().string();
    if (const size_t end = name.find(".so"); end != name.npos)
      (*static_cast<std::map<std::string, fs::path>*>(data))[name.substr(0, end)] = file;
    return 0;
  };
  dl_iterate_phdr(add, &found);
  return found;
}

/// "4.6.0" of "libopencv_core.so.4.6.0"; empty where the file's name holds no version.
std::string version_in(const fs::path& library) {
  const std::string name = library.filename().string();
  const size_t so = name.find(".so.");
  return so == name.npos ? "" : name.substr(so + 4);
}

/// What a function of a library tells about its version; 0 where the library is not loaded.
int version_from(const char* function) {
  using Query = int (*)(int*);
  const auto query = reinterpret_cast<Query>(dlsym(RTLD_DEFAULT, function));
  int version = 0;
  return query && query(&version) == 0 ? version : 0;
}

std::string cuda_version(int number) { return str(number / 1000, ".", number % 1000 / 10); }

std::string nccl_version() {
  const int number = version_from("ncclGetVersion");
  return number == 0 ? "none" : str(number / 10000, ".", number % 10000 / 100, ".", number % 100);
}

void add_system(Checkup& checkup, const std::string& program) {
  std::error_code ignored;
  checkup.facts.push_back(str("program:    ", program, ", ",
                              fs::read_symlink("/proc/self/exe", ignored).string(), ", ",
                              build_kind(), ", ONNX export: ", has_onnx() ? "yes" : "no"));
  utsname kernel{};
  uname(&kernel);
  const auto memory = [](const char* key) {
    return human_size(1024 * std::atof(field("/proc/meminfo", key).c_str()));
  };
  checkup.facts.push_back(str("system:     ", field("/etc/os-release", "PRETTY_NAME"), ", ",
                              kernel.sysname, " ", kernel.release, " ", kernel.machine));
  checkup.facts.push_back(str("machine:    ", processor(), ", ", available_cores(), " cores, ",
                              memory("MemAvailable"), " of ", memory("MemTotal"),
                              " memory available"));
}

void add_torch(Checkup& checkup, const std::map<std::string, fs::path>& libraries) {
  const auto file = libraries.find("libtorch_cpu");
  checkup.facts.push_back(
      str("LibTorch:   ", TORCH_VERSION, ", ",
          file == libraries.end() ? "linked statically" : file->second.parent_path().string()));
}

/// The GPU, its driver and what LibTorch needs.
void add_gpu(Checkup& checkup) {
  const std::string driver = field("/sys/module/nvidia/version", "");
  const int needed = version_from("cudaRuntimeGetVersion"),
            offered = version_from("cudaDriverGetVersion");
  std::string gpus;
  std::error_code ignored;
  for (const auto& gpu : fs::directory_iterator("/proc/driver/nvidia/gpus", ignored))
    gpus += (gpus.empty() ? "" : ", ") + field(gpu.path() / "information", "Model:");
  checkup.facts.push_back(str(
      "GPU:        ", gpu_count(), " usable", gpus.empty() ? "" : " of " + gpus, "; driver ",
      driver.empty() ? "none" : driver, offered > 0 ? " for CUDA " + cuda_version(offered) : "",
      "; LibTorch's CUDA ", needed > 0 ? cuda_version(needed) : "none", "; NCCL ", nccl_version()));
  if (gpu_count() > 0) return;
  if (driver.empty()) {
    checkup.hints.push_back(
        "no NVIDIA driver is loaded, so the program runs on the CPU; on a machine with a GPU, "
        "install the driver (nvidia-smi shows it)");
  } else if (needed == 0) {
    checkup.problems.push_back(
        "a GPU driver is loaded, but this LibTorch has no CUDA: build with one that has, "
        "PIXELCLIP_TORCH_DIR=/path/to/libtorch sh tools/setup.sh");
  } else if (offered < needed) {
    checkup.problems.push_back(str("the driver ", driver, " supports CUDA ", cuda_version(offered),
                                   ", but this LibTorch needs CUDA ", cuda_version(needed),
                                   ": install a newer driver, or build with a LibTorch for CUDA ",
                                   cuda_version(offered),
                                   ", PIXELCLIP_TORCH_DIR=/path/to/libtorch sh tools/setup.sh"));
  } else {
    checkup.problems.push_back(
        "a GPU driver is loaded, but no GPU can be used: see nvidia-smi and CUDA_VISIBLE_DEVICES");
  }
}

void add_libraries(Checkup& checkup, const std::map<std::string, fs::path>& libraries) {
  std::string text;
  for (const char* name :
       {"opencv_core", "jpeg", "png16", "webp", "tiff", "yaml-cpp", "spdlog", "fmt", "utf8proc",
        "cpp-httplib", "z", "onnx", "protobuf", "stdc++", "c"}) {
    const auto found = libraries.find(str("lib", name));
    if (found == libraries.end()) continue;
    const std::string version = version_in(found->second);
    text += str(text.empty() ? "" : ", ", name, version.empty() ? "" : " ", version);
  }
  checkup.facts.push_back("libraries:  " + text);
}

void add_folders(Checkup& checkup) {
  std::string text;
  std::error_code error;
  for (const fs::path& folder :
       {fs::current_path(error), fs::temp_directory_path(error), cache_folder()}) {
    if (folder.empty()) continue;
    const double free = static_cast<double>(fs::space(folder, error).available);
    const bool exists = fs::exists(folder, error);
    const bool writable = access((exists ? folder : folder.parent_path()).c_str(), W_OK) == 0;
    text += str(text.empty() ? "" : ", ", folder.string(), writable ? "" : " (not writable)");
    if (exists) text += " " + human_size(free) + " free";
    if (!writable) {
      checkup.hints.push_back(str("the folder ", folder.string(),
                                  " is not writable: choose other places with OUTPUT_DIR, --out, "
                                  "TMPDIR and XDG_CACHE_HOME"));
    } else if (exists && free < kLeastFree) {
      checkup.hints.push_back(str("the folder ", folder.string(), " has only ", human_size(free),
                                  " free: training needs several gigabytes for checkpoints"));
    }
  }
  checkup.facts.push_back("folders:    " + text);
}

/// What a lookup finds, else the first sentence of its error as a hint.
template <typename Find>
std::string found_or_hint(Checkup& checkup, const Find& find) {
  try {
    return find();
  } catch (const std::exception& e) {
    const std::string text = e.what();
    checkup.hints.push_back(text.substr(0, text.find('\n')));
    return "not found";
  }
}

void add_data(Checkup& checkup) {
  std::error_code ignored;
  const fs::path vocabulary = find_data_file("datasets/ade150.json");
  const bool there = fs::exists(vocabulary, ignored);
  if (!there) {
    checkup.problems.push_back(
        "the vocabularies (datasets/ade150.json) were not found: run the program from its source "
        "folder, or install it with cmake --install");
  }
  std::string merges = "good";
  try {
    BpeTokenizer::shared();
  } catch (const std::exception& e) {
    merges = "not found";
    checkup.problems.push_back(e.what());
  }
  checkup.facts.push_back(str("texts:      vocabularies in ",
                              there ? vocabulary.parent_path().string() : "no folder",
                              "; byte pairs ", merges));
  const auto roots = DatasetRoots::find();
  const auto folder = [&](const fs::path& path) {
    return path.string() + (fs::is_directory(path, ignored) ? "" : " (no such folder)");
  };
  checkup.facts.push_back(
      str("data sets:  test sets in ", folder(roots.test), ", SA-1B in ", folder(roots.sa1b)));
  checkup.facts.push_back(str("weights:    CLIP ViT-B/16 ", found_or_hint(checkup, [] {
                                return find_weights("ViT-B/16").string();
                              })));
}

void add_environment(Checkup& checkup) {
  std::string text;
  for (const char* name :
       {"DETECTRON2_DATASETS", "SAM_DATASETS", "COCO_SAM", "PIXELCLIP_WEIGHTS", "PIXELCLIP_BPE",
        "PIXELCLIP_LOG", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "LD_PRELOAD",
        "NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"}) {
    if (const char* value = std::getenv(name))
      text += str(text.empty() ? "" : " ", name, "=", printable(value));
  }
  checkup.facts.push_back("variables:  " + (text.empty() ? "none is set" : text));
}

}  // namespace

Checkup examine_installation(const std::string& program) {
  Checkup checkup{.set = "installation", .summary = program};
  const auto libraries = loaded_libraries();
  add_system(checkup, program);
  add_torch(checkup, libraries);
  add_gpu(checkup);
  add_libraries(checkup, libraries);
  add_folders(checkup);
  add_data(checkup);
  add_environment(checkup);
  return checkup;
}

}  // namespace pixelclip::cli
