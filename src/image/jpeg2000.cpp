#include "image/jpeg2000.hpp"

#include <openjpeg.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/error.hpp"
#include "image/raster.hpp"

namespace pixelclip::formats {
namespace {

struct ByteSource {
  Bytes bytes;
  size_t at = 0;
};

OPJ_SIZE_T read_some(void* to, OPJ_SIZE_T wanted, void* user) {
  auto& source = *static_cast<ByteSource*>(user);
  const size_t count = std::min<size_t>(wanted, source.bytes.size() - source.at);
  if (count == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(to, source.bytes.data() + source.at, count);
  source.at += count;
  return count;
}

OPJ_OFF_T skip_some(OPJ_OFF_T wanted, void* user) {
  auto& source = *static_cast<ByteSource*>(user);
  if (wanted < 0) return -1;
  const auto count = std::min<OPJ_OFF_T>(wanted, source.bytes.size() - source.at);
  if (count == 0) return -1;
  source.at += count;
  return count;
}

OPJ_BOOL seek_to(OPJ_OFF_T at, void* user) {
  auto& source = *static_cast<ByteSource*>(user);
  if (at < 0 || static_cast<size_t>(at) > source.bytes.size()) return OPJ_FALSE;
  source.at = at;
  return OPJ_TRUE;
}

using Stream = std::unique_ptr<opj_stream_t, decltype(&opj_stream_destroy)>;
using Codec = std::unique_ptr<opj_codec_t, decltype(&opj_destroy_codec)>;
using Decoded = std::unique_ptr<opj_image_t, decltype(&opj_image_destroy)>;

struct File {
  Raster<uint16_t> raster;
  uint32_t bits = 0;
  bool luma = false;  ///< Bands are Y, Cb and Cr.
};

File read_jpeg2000(Bytes bytes, const std::string& name, int64_t max_pixels) {
  const auto unreadable = [&](const auto&... why) {
    fail_in(name, "not a readable image (the JPEG 2000 file ", why..., ")");
  };
  ByteSource source{bytes};
  const Stream stream(opj_stream_default_create(OPJ_TRUE), opj_stream_destroy);
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), bytes.size());
  opj_stream_set_read_function(stream.get(), read_some);
  opj_stream_set_skip_function(stream.get(), skip_some);
  opj_stream_set_seek_function(stream.get(), seek_to);
  const Codec codec(opj_create_decompress(OPJ_CODEC_JP2), opj_destroy_codec);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  opj_image_t* header = nullptr;
  const bool read = opj_setup_decoder(codec.get(), &parameters) &&
                    opj_read_header(stream.get(), codec.get(), &header);
  const Decoded image(header, opj_image_destroy);
  if (!read || !image) unreadable("is damaged or cut short");
  const int64_t height = int64_t{image->y1} - image->y0, width = int64_t{image->x1} - image->x0;
  check_size(height, width, name, max_pixels);
  const OPJ_UINT32 bands = image->numcomps;
  if (bands < 1 || bands > 4) unreadable("has ", bands, " bands; 1 to 4 are read");
  if (!opj_decode(codec.get(), stream.get(), image.get())) unreadable("is damaged or cut short");
  File file{{height, width, bands}, 0, image->color_space == OPJ_CLRSPC_SYCC && bands >= 3};
  if (image->color_space == OPJ_CLRSPC_CMYK || image->color_space == OPJ_CLRSPC_EYCC) {
    unreadable("is in CMYK or e-YCC; grey, RGB and YCbCr are read");
  }
  for (OPJ_UINT32 c = 0; c < bands; ++c) {
    const opj_image_comp_t& band = image->comps[c];
    file.bits = std::max(file.bits, band.prec);
    if (band.sgnd || band.prec > 16 || !band.data || band.dx != 1 || band.dy != 1 ||
        band.w != width || band.h != height) {
      unreadable("has signed, subsampled or missing bands, or more than 16 bits");
    }
    for (int64_t i = 0; i < height * width; ++i) {
      file.raster.samples[i * bands + c] =
          static_cast<uint16_t>(std::clamp<OPJ_INT32>(band.data[i], 0, 65535));
    }
  }
  if (file.bits < 8) unreadable("has ", file.bits, " bits a sample; 8 to 16 are read");
  return file;
}

/// Full-range YCbCr (BT.601) to RGB, in place.
void from_luma(Image& image) {
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    uint8_t* pixel = &image.pixels[i];
    const double y = pixel[0], blue = pixel[1] - 128.0, red = pixel[2] - 128.0;
    const double rgb[] = {y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue};
    for (int c = 0; c < 3; ++c) {
      pixel[c] = static_cast<uint8_t>(std::lrint(std::clamp(rgb[c], 0.0, 255.0)));
    }
  }
}

}  // namespace

Image decode_jpeg2000(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  const File file = read_jpeg2000(bytes, name, options.max_pixels);
  Image image = to_rgb(file.raster, [&](uint16_t sample) -> uint8_t {
    return static_cast<uint8_t>(sample >> (file.bits - 8));
  });
  if (file.luma) from_luma(image);
  return image;
}

LabelMap decode_jpeg2000_labels(Bytes bytes, const std::string& name) {
  const File file = read_jpeg2000(bytes, name, DecodeOptions().max_pixels);
  if (file.raster.bands != 1) fail_not_ids(name);
  return to_labels(file.raster);
}

}  // namespace pixelclip::formats
