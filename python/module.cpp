#include <torch/csrc/utils/pybind.h>

#include <ATen/Parallel.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "config/config.hpp"
#include "config/raw_value.hpp"
#include "config/writer.hpp"
#include "config/yaml_reader.hpp"
#include "image/codec.hpp"
#include "image/shown_image.hpp"
#include "inference/segmentation.hpp"
#include "inference/segmenter.hpp"
#include "io/state_dict.hpp"
#include "text/bpe_tokenizer.hpp"
#include "visualization/overlay.hpp"
#include "visualization/palette.hpp"

/// The part of the Python package that is C++: conversions and calls alone. pixelclip/__init__.py
/// checks the arguments and documents them.
namespace pixelclip {
namespace {
namespace py = pybind11;
namespace fs = std::filesystem;

/// An image after the encoder, with the pixels that an overlay needs.
struct Encoded {
  EncodedImage image;
  Image rgb;
};

struct Result {
  std::shared_ptr<const Encoded> encoded;
  Segmentation segmentation;
  std::vector<Region> regions;
  std::vector<Color> palette;

  Image overlay() const {
    return overlay_page(encoded->rgb, segmentation.labels, segmentation.names, palette);
  }
};

/// The memory of `vector`, kept alive by `owner`.
template <typename T>
py::array_t<T> view(const std::vector<T>& vector, std::vector<py::ssize_t> shape,
                    const py::object& owner) {
  return py::array_t<T>(std::move(shape), vector.data(), owner);
}

template <typename T>
py::array_t<T> array_of(std::vector<T> values, std::vector<py::ssize_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  const py::capsule owner(kept, [](void* p) { delete static_cast<std::vector<T>*>(p); });
  return view(*kept, std::move(shape), owner);
}

using Pixels = py::array_t<uint8_t, py::array::c_style>;  // [height, width, 3]
using Encodings = std::vector<std::shared_ptr<const Encoded>>;

/// Files are read at the size that the encoder needs; arrays are copied, since an overlay needs
/// them later. Called without the interpreter's lock.
ShownImage read_image(const Segmenter& segmenter, const std::variant<fs::path, Pixels>& image) {
  if (const auto* file = std::get_if<fs::path>(&image))
    return read_shown_image(*file, segmenter.short_side());
  const Pixels& pixels = std::get<Pixels>(image);
  ShownImage shown{Image(pixels.shape(0), pixels.shape(1), 3), pixels.shape(0), pixels.shape(1)};
  std::copy_n(pixels.data(), shown.rgb.pixels.size(), shown.rgb.pixels.begin());
  return shown;
}

/// Images are read by LibTorch's threads and encoded `kTogether` at once, which bounds the memory
/// of their resized pixels.
Encodings encode(const Segmenter& segmenter,
                 const std::vector<std::variant<fs::path, Pixels>>& images) {
  constexpr size_t kTogether = 8;
  const py::gil_scoped_release free;
  Encodings result;
  for (size_t first = 0; first < images.size(); first += kTogether) {
    std::vector<ShownImage> read(std::min(kTogether, images.size() - first));
    at::parallel_for(0, static_cast<int64_t>(read.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) read[i] = read_image(segmenter, images[first + i]);
    });
    std::vector<Segmenter::Source> sources;
    for (const ShownImage& image : read) sources.push_back({image.rgb, image.height, image.width});
    auto encoded = segmenter.encode(sources);
    for (size_t i = 0; i < read.size(); ++i) {
      result.push_back(
          std::make_shared<const Encoded>(Encoded{std::move(encoded[i]), std::move(read[i].rgb)}));
    }
  }
  return result;
}

/// Features of the windows: [h, w, C] of a whole image, [windows, h, w, C] else.
torch::Tensor features(const Encoded& encoded) {
  const auto& windows = encoded.image.windows;
  if (windows.size() == 1) return windows.front().features;
  std::vector<torch::Tensor> all;
  for (const auto& window : windows) all.push_back(window.features);
  return torch::stack(all);
}

std::shared_ptr<Result> segment_image(const Segmenter& segmenter,
                                      const std::shared_ptr<const Encoded>& encoded,
                                      const std::vector<std::string>& names,
                                      std::optional<double> threshold,
                                      const std::vector<std::string>& background) {
  const Words words = segmenter.words(names, {threshold, background});
  auto result = std::make_shared<Result>();
  result->encoded = encoded;
  result->segmentation = segment(encoded->image, words);
  result->regions = regions(result->segmentation);
  result->palette = colors_of(words);
  return result;
}

/// One entry a name, in the order of the names; `value` gives that of a name that occurs.
template <typename T, typename Value>
std::vector<T> by_name(const Result& result, T absent, const Value& value) {
  std::vector<T> all(result.segmentation.names.size(), absent);
  for (const Region& region : result.regions) all[region.id] = value(region);
  return all;
}

py::list rle(const Result& result) {
  const LabelMap& labels = result.segmentation.labels;
  const auto nothing =
      encode_rle({labels.height, labels.width, {static_cast<uint32_t>(labels.ids.size())}});
  py::list all;
  for (const auto& counts : by_name<std::string>(
           result, nothing, [](const Region& region) { return encode_rle(region.mask); })) {
    py::dict entry;
    entry["size"] = py::make_tuple(labels.height, labels.width);
    entry["counts"] = counts;
    all.append(entry);
  }
  return all;
}

py::bytes overlay_png(const Result& result) {
  std::vector<uint8_t> png;
  {
    const py::gil_scoped_release free;
    png = encode_png(result.overlay());
  }
  return {reinterpret_cast<const char*>(png.data()), png.size()};
}

/// Ids [texts, context], with zeros behind each text's end.
torch::Tensor tokenize(const std::vector<std::string>& texts, bool truncate) {
  const auto count = static_cast<int64_t>(texts.size());
  auto ids = torch::zeros({count, BpeTokenizer::kContext}, torch::kLong);
  for (int64_t i = 0; i < count; ++i) {
    bool cut = false;
    const auto found = BpeTokenizer::shared().encode(texts[i], truncate ? &cut : nullptr);
    std::copy(found.begin(), found.end(), ids[i].mutable_data_ptr<int64_t>());
  }
  return ids;
}

py::object to_python(const config::RawValue& value) {
  using Kind = config::RawValue::Kind;
  switch (value.kind) {
    case Kind::none:
      return py::none();
    case Kind::boolean:
      return py::bool_(value.boolean);
    case Kind::integer:
      return py::int_(value.integer);
    case Kind::real:
      return py::float_(value.real);
    case Kind::text:
      return py::str(value.text);
    case Kind::list: {
      py::list list;
      for (const auto& item : value.list) list.append(to_python(item));
      return list;
    }
    case Kind::map: {
      py::dict map;
      for (const auto& [key, item] : value.map) map[to_python(key)] = to_python(item);
      return map;
    }
  }
  return py::none();
}

/// The configuration as YAML and as nested dicts.
py::tuple load_all_keys(const fs::path& file, const std::vector<std::string>& overrides) {
  const std::string yaml = to_yaml(load_config(file, overrides));
  return py::make_tuple(yaml, to_python(config::parse_yaml(yaml, "the configuration")));
}

/// A library is silent but for warnings, unless PIXELCLIP_LOG says otherwise. The log reads it
/// once.
void start_quiet_log() {
  if (std::getenv("PIXELCLIP_LOG")) return log::progress("");
  setenv("PIXELCLIP_LOG", "warning", 1);
  log::progress("");
  unsetenv("PIXELCLIP_LOG");
}

/// The class of pixelclip/_errors.py for a kind of error.
const char* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
      return "InvalidInputError";
    case ErrorKind::not_found:
      return "NotFoundError";
    case ErrorKind::too_large:
      return "TooLargeError";
    case ErrorKind::unavailable:
      return "UnavailableError";
  }
  return "Error";
}

/// Errors keep their sentences; their kinds become classes.
void translate_errors(std::exception_ptr thrown) {
  const auto raise = [](const char* module, const char* type, const char* text) {
    PyErr_SetString(py::module_::import(module).attr(type).ptr(), text);
  };
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const Error& e) {
    raise("pixelclip._errors", class_of(e.kind()), e.what());
  } catch (const c10::OutOfMemoryError& e) {
    raise("torch", "OutOfMemoryError", e.what_without_backtrace());
  } catch (const c10::Error& e) {
    raise("builtins", "RuntimeError", e.what_without_backtrace());
  }
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  using release = py::call_guard<py::gil_scoped_release>;
  start_quiet_log();
  py::register_local_exception_translator(translate_errors);

  py::class_<Encoded, std::shared_ptr<Encoded>>(module, "Encoded")
      .def_property_readonly("height", [](const Encoded& e) { return e.image.height; })
      .def_property_readonly("width", [](const Encoded& e) { return e.image.width; })
      .def_property_readonly("features", &features);

  py::class_<Result, std::shared_ptr<Result>>(module, "Result")
      .def_property_readonly("names", [](const Result& r) { return r.segmentation.names; })
      .def_property_readonly("logits", [](const Result& r) { return r.segmentation.scores; })
      .def_property_readonly("labels",
                             [](const py::object& self) {
                               const auto& labels = self.cast<const Result&>().segmentation.labels;
                               return view(labels.ids, {labels.height, labels.width}, self);
                             })
      .def_property_readonly("areas",
                             [](const Result& r) {
                               auto areas = by_name<int64_t>(r, 0, [](auto& x) { return x.area; });
                               const auto count = static_cast<py::ssize_t>(areas.size());
                               return array_of(std::move(areas), {count});
                             })
      .def_property_readonly("scores",
                             [](const Result& r) {
                               auto scores = by_name<double>(r, 0, [](auto& x) { return x.score; });
                               const auto count = static_cast<py::ssize_t>(scores.size());
                               return array_of(std::move(scores), {count});
                             })
      .def_property_readonly("rle", &rle)
      .def("overlay",
           [](const Result& r) {
             Image page;
             {
               const py::gil_scoped_release free;
               page = r.overlay();
             }
             const py::ssize_t height = page.height, width = page.width;
             return array_of(std::move(page.pixels), {height, width, 3});
           })
      .def("overlay_png", &overlay_png);

  py::class_<Segmenter>(module, "Segmenter")
      .def(py::init([](const std::string& weights, const fs::path& config,
                       const std::string& templates, const std::string& device,
                       const std::string& precision, const std::string& activation,
                       const std::vector<int64_t>& heads, int64_t resolution, int64_t window,
                       const std::string& method, const std::string& helper) {
             SegmenterOptions options;
             options.weights = weights, options.config = config, options.templates = templates;
             options.device = device, options.precision = precision;
             options.activation = activation, options.heads = heads;
             options.resolution = {resolution, resolution}, options.window = window;
             options.method = method, options.helper = helper;
             return std::make_unique<Segmenter>(options);
           }),
           release())
      .def("encode", &encode)
      .def("segment", &segment_image, release())
      .def("text", &Segmenter::text, release())
      .def(
          "embeddings",
          [](const Segmenter& s, const std::vector<std::string>& names) {
            return s.words(names).bank.embeddings;
          },
          release())
      .def_property_readonly("description", &Segmenter::description)
      .def_property_readonly("templates", &Segmenter::templates)
      .def_property_readonly("resolution", [](const Segmenter& s) {
        return py::make_tuple(s.resolution().height, s.resolution().width);
      });

  module.def("tokenize", &tokenize, release());
  module.def(
      "load_checkpoint", [](const fs::path& file) { return read_state_dict(file); }, release());
  module.def("load_config", &load_all_keys);
}

}  // namespace pixelclip
