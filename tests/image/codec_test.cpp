#include "image/codec.hpp"

#include <cstdio>

#include <jpeglib.h>
#include <openjpeg.h>
#include <png.h>

#include <fstream>

#include "base/file.hpp"
#include "support/support.hpp"
#include "synthetic_image.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Bytes = std::vector<uint8_t>;

struct JpegKind {
  int horizontal = 2, vertical = 2;  // chroma subsampling
  bool progressive = false;
  int channels = 3;  // 4: CMYK, inverted as Adobe stores it
  unsigned restart = 0;
  bool separate = false;  // a scan for each component
};

/// A JPEG of a kind that encode_jpeg does not write.
Bytes jpeg_of(const Image& image, const JpegKind& kind) {
  jpeg_compress_struct codec = {};
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &data, &size);
  codec.image_height = static_cast<JDIMENSION>(image.height);
  codec.image_width = static_cast<JDIMENSION>(image.width);
  codec.input_components = kind.channels;
  codec.in_color_space = kind.channels == 4   ? JCS_CMYK
                         : kind.channels == 3 ? JCS_RGB
                                              : JCS_GRAYSCALE;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, 90, TRUE);
  if (kind.channels == 3) {
    codec.comp_info[0].h_samp_factor = kind.horizontal;
    codec.comp_info[0].v_samp_factor = kind.vertical;
  }
  if (kind.progressive) jpeg_simple_progression(&codec);
  codec.restart_interval = kind.restart;
  const jpeg_scan_info scans[3] = {
      {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  if (kind.separate) codec.scan_info = scans, codec.num_scans = 3;
  jpeg_start_compress(&codec, TRUE);
  for (int64_t y = 0; y < image.height; ++y) {
    auto* row = const_cast<uint8_t*>(image.row(y));
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  jpeg_destroy_compress(&codec);
  Bytes bytes(data, data + size);
  std::free(data);
  return bytes;
}

/// Puts an EXIF segment with the orientation behind the start marker.
Bytes with_orientation(Bytes jpeg, uint8_t orientation) {
  const Bytes exif = {0xFF, 0xE1, 0, 34, 'E', 'x',         'i', 'f', 0,    0,    'M', 'M',
                      0,    42,   0, 0,  0,   8,           0,   1,   0x01, 0x12, 0,   3,
                      0,    0,    0, 1,  0,   orientation, 0,   0,   0,    0,    0,   0};
  jpeg.insert(jpeg.begin() + 2, exif.begin(), exif.end());
  return jpeg;
}

TEST(Jpeg, APartIsBitForBitThatOfTheWhole) {
  Random random(7);
  const int factors[][2] = {{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}, {4, 2}};
  ImageRegion region;
  for (int i = 0; i < 240; ++i) {
    const auto& factor = factors[i % 6];
    const JpegKind kind{factor[0], factor[1], random.chance(0.3), random.chance(0.1) ? 1 : 3};
    const Image image = synthetic_image(random.integer(1, 150), random.integer(1, 150),
                                        kind.channels, random.next());
    Bytes bytes = jpeg_of(image, kind);
    if (random.chance(0.5))
      bytes = with_orientation(bytes, static_cast<uint8_t>(random.integer(1, 9)));
    DecodeOptions options;
    options.scale = 1 << random.integer(0, 4);
    const Image whole = decode_rgb(bytes, "a", options);
    for (int k = 0; k < 10; ++k) {
      Rect wanted{0, 0, random.integer(1, whole.width + 1), random.integer(1, whole.height + 1)};
      wanted.x = random.integer(0, whole.width - wanted.width + 1);
      wanted.y = random.integer(0, whole.height - wanted.height + 1);
      ASSERT_EQ(
          largest_difference(decode_rgb_cropped(bytes, "a", wanted, options), cut(whole, wanted)),
          0)
          << "case " << i << ": " << kind.horizontal << "x" << kind.vertical << " scale "
          << options.scale << " of " << whole.height << " x " << whole.width << ", wanted "
          << wanted.x << " " << wanted.y << " " << wanted.width << " " << wanted.height;
      decode_rgb_region(bytes, "a", wanted, options, region);
      EXPECT_EQ(region.source_height, whole.height);
      EXPECT_EQ(region.source_width, whole.width);
    }
  }
}

TEST(Jpeg, TheScaledSizeIsRoundedUp) {
  const Bytes bytes = encode_jpeg(synthetic_image(67, 93));
  for (const int scale : {1, 2, 4, 8}) {
    DecodeOptions options;
    options.scale = scale;
    const Image image = decode_rgb(bytes, "a", options);
    EXPECT_EQ(image.height, scaled_size(67, scale));
    EXPECT_EQ(image.width, scaled_size(93, scale));
  }
  DecodeOptions three;
  three.scale = 3;
  EXPECT_ERROR(decode_rgb(bytes, "a", three), HasSubstr("1, 2, 4 or 8"));
  EXPECT_EQ(decode_scale(2250, 1024), 2);
  EXPECT_EQ(decode_scale(1500, 1024), 1);
  EXPECT_EQ(decode_scale(9000, 1024), 8);
}

TEST(Jpeg, GreyIsRepeatedAndCmykConverted) {
  const Image grey = decode_rgb(encode_jpeg(synthetic_image(20, 30, 1)), "a");
  for (size_t i = 0; i < grey.pixels.size(); i += 3) {
    EXPECT_EQ(grey.pixels[i], grey.pixels[i + 1]);
    EXPECT_EQ(grey.pixels[i], grey.pixels[i + 2]);
  }
  Image cmyk(16, 16, 4);
  for (size_t i = 0; i < cmyk.pixels.size(); ++i) {
    cmyk.pixels[i] = std::array<uint8_t, 4>{200, 100, 50, 240}[i % 4];
  }
  const Image rgb = decode_rgb(jpeg_of(cmyk, {2, 2, false, 4}), "a");
  for (size_t i = 0; i < rgb.pixels.size(); ++i) {
    const int expected = std::array{188, 94, 47}[i % 3];  // light · ink / 255
    EXPECT_NEAR(rgb.pixels[i], expected, 2);
  }
}

TEST(Jpeg, TheOrientationTurnsTheImage) {
  const Image image = synthetic_image(24, 40);
  const Bytes bytes = encode_jpeg(image);
  const Image stored = decode_rgb(bytes, "a");
  for (uint8_t o = 1; o <= 8; ++o) {
    const Bytes turned = with_orientation(bytes, o);
    const ImageInfo info = probe(turned, "a");
    EXPECT_EQ(info.orientation, o);
    EXPECT_EQ(info.height, o >= 5 ? 40 : 24);
    const Image shown = decode_rgb(turned, "a");
    ASSERT_EQ(shown.height, info.height);
    ASSERT_EQ(shown.width, info.width);
    // Where EXIF says that the stored row 0 and column 0 are shown: top, bottom, left, right.
    const bool first_row_last = o == 3 || o == 4, first_column_last = o == 2 || o == 3;
    const bool row_is_right = o == 6 || o == 7, column_is_bottom = o == 7 || o == 8;
    for (int64_t y = 0; y < 24; ++y) {
      for (int64_t x = 0; x < 40; ++x) {
        int64_t v = first_row_last ? 23 - y : y, u = first_column_last ? 39 - x : x;
        if (o >= 5) v = column_is_bottom ? 39 - x : x, u = row_is_right ? 23 - y : y;
        ASSERT_EQ(shown.row(v)[3 * u], stored.row(y)[3 * x]) << "orientation " << int{o};
      }
    }
    DecodeOptions as_stored;
    as_stored.orient = false;
    EXPECT_EQ(largest_difference(decode_rgb(turned, "a", as_stored), stored), 0);
    EXPECT_EQ(probe(turned, "a", as_stored).height, 24);
  }
  EXPECT_EQ(probe(with_orientation(bytes, 9), "a").orientation, 1);
}

/// What is decoded of every part of an image: nothing anywhere, or everywhere what the whole file
/// gives.
void expect_cut(const Bytes& bytes, const std::string& what) {
  for (const Rect& wanted : {Rect{}, Rect{0, 0, 40, 8}, Rect{10, 60, 20, 20}}) {
    SCOPED_TRACE(what);
    ImageRegion region;
    EXPECT_ERROR(decode_rgb_region(bytes, "cut.jpg", wanted, {}, region),
                 AllOf(StartsWith("cut.jpg: "), HasSubstr("JPEG")));
  }
}

void expect_whole(const Bytes& bytes, const Bytes& whole, const std::string& what) {
  EXPECT_EQ(largest_difference(decode_rgb(bytes, "a.jpg"), decode_rgb(whole, "b.jpg")), 0) << what;
  const Rect part{10, 60, 20, 20};
  EXPECT_EQ(largest_difference(decode_rgb_cropped(bytes, "a.jpg", part),
                               decode_rgb_cropped(whole, "b.jpg", part)),
            0)
      << what;
}

TEST(Jpeg, WithoutEndMarkerOrWithTrailingBytesItIsUsableAndATruncatedOneIsNot) {
  const Image image = synthetic_image(100, 90);
  const std::vector<std::pair<std::string, Bytes>> files = {
      {"baseline", encode_jpeg(image)},
      {"progressive", jpeg_of(image, {.progressive = true})},
      {"restarts", jpeg_of(image, {.restart = 3})},
      {"progressive with restarts", jpeg_of(image, {.progressive = true, .restart = 3})},
      {"separate scans", jpeg_of(image, {.separate = true})}};
  for (const auto& [what, whole] : files) {
    const auto size = static_cast<int64_t>(whole.size());
    Bytes bytes(whole.begin(), whole.end() - 2);
    expect_whole(bytes, whole, what + " without end mark");
    bytes.resize(bytes.size() + 3000, 0);
    expect_whole(bytes, whole, what + " with zeros in place of the end mark");
    for (const Bytes& rubbish :
         {Bytes(1, 0), Bytes(5000, 0), Bytes(5000, 0xFF), Bytes(700, 'x'), whole}) {
      bytes = whole;
      bytes.insert(bytes.end(), rubbish.begin(), rubbish.end());
      expect_whole(bytes, whole, what + " with rubbish");
    }
    for (const double share : {0.5, 0.8, 0.9}) {
      bytes.assign(whole.begin(),
                   whole.begin() + static_cast<int64_t>(share * static_cast<double>(size)));
      expect_cut(bytes, what);
      Bytes other = bytes;
      other.insert(other.end(), whole.begin(), whole.end() - 2);  // another file behind it
      expect_cut(other, what + " with a file behind it");
      bytes.resize(whole.size() + 4096, 0);
      expect_cut(bytes, what + " filled up with zeros");
    }
  }
}

TEST(Jpeg, AFileCutBetweenTwoScansIsTruncated) {
  int cuts = 0;
  for (const JpegKind& kind : {JpegKind{.progressive = true}, JpegKind{.separate = true}}) {
    const Bytes whole = jpeg_of(synthetic_image(100, 90), kind);
    for (size_t at = 2; at + 1 < whole.size(); ++at) {
      if (whole[at] != 0xFF || (whole[at + 1] != 0xDA && whole[at + 1] != 0xC4)) continue;
      expect_cut(Bytes(whole.begin(), whole.begin() + static_cast<int64_t>(at)),
                 str("at byte ", at));
      ++cuts;
    }
  }
  EXPECT_GT(cuts, 10);
}

TEST(Jpeg, OneThatEndsInItsHeaderIsAnError) {
  const Bytes whole = encode_jpeg(synthetic_image(20, 20));
  const Bytes bytes(whole.begin(), whole.begin() + 20);
  EXPECT_ERROR(probe(bytes, "head.jpg"), AllOf(StartsWith("head.jpg: "), HasSubstr("JPEG")));
}

TEST(Codec, WhatIsNoImageIsAnErrorWithItsName) {
  EXPECT_ERROR(decode_rgb({}, "e.jpg"), HasSubstr("e.jpg: the file is empty"));
  const std::string text = "{\"image\": 1}";
  const std::span json(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  EXPECT_ERROR(decode_rgb(json, "a.jpg"), AllOf(StartsWith("a.jpg: "), HasSubstr("not an image")));
  EXPECT_ERROR(decode_labels(json, "a.png"),
               AllOf(StartsWith("a.png: "), HasSubstr("not an image")));
  EXPECT_ERROR(probe(json, "a.png"), StartsWith("a.png: "));
  EXPECT_ERROR(read_rgb("/nowhere/x.jpg"), HasSubstr("/nowhere/x.jpg"));
}

TEST(Codec, AnAbsurdlyLargeImageIsRefusedBeforeItsMemoryIsTaken) {
  Bytes jpeg = encode_jpeg(synthetic_image(16, 16));
  for (size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] != 0xFF || jpeg[i + 1] != 0xC0) continue;
    jpeg[i + 5] = jpeg[i + 7] = 0xF0;  // 61456 x 61456
    break;
  }
  EXPECT_ERROR(decode_rgb(jpeg, "bomb.jpg"), HasSubstr("bomb.jpg: the image claims 61456 x 61456"));
  DecodeOptions small;
  small.max_pixels = 399;
  EXPECT_ERROR(decode_rgb(encode_png(synthetic_image(20, 20)), "a.png", small),
               HasSubstr("20 x 20"));
  EXPECT_ERROR(probe(encode_jpeg(synthetic_image(20, 20)), "a.jpg", small), HasSubstr("20 x 20"));
}

TEST(Png, ImagesSurviveWritingAndReading) {
  const Image image = synthetic_image(33, 21), grey = synthetic_image(5, 7, 1);
  EXPECT_EQ(largest_difference(decode_rgb(encode_png(image), "a"), image), 0);
  const Image back = decode_rgb(encode_png(grey), "a");
  for (size_t i = 0; i < grey.pixels.size(); ++i) EXPECT_EQ(back.pixels[3 * i + 1], grey.pixels[i]);
  TempFolder folder;
  write_png(folder / "a.png", image);
  EXPECT_EQ(largest_difference(read_rgb(folder / "a.png"), image), 0);
  write_jpeg(folder / "a.jpg", image, 95);
  EXPECT_EQ(largest_difference(read_rgb(folder / "a.jpg"), decode_rgb(encode_jpeg(image, 95), "a")),
            0);
}

/// A PNG of one row with the given header; `rows` as libpng packs them.
Bytes png_of(int color, int depth, int width, Bytes row) {
  Bytes bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t size) {
        auto* out = static_cast<Bytes*>(png_get_io_ptr(p));
        out->insert(out->end(), data, data + size);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), 1, depth, color, 0, 0, 0);
  const png_color palette[4] = {{9, 8, 7}, {255, 0, 0}, {0, 255, 0}, {1, 2, 3}};
  const png_byte alpha[2] = {0, 128};
  if (color == PNG_COLOR_TYPE_PALETTE) {
    png_set_PLTE(png, info, palette, 4);
    png_set_tRNS(png, info, alpha, 2, nullptr);
  }
  png_write_info(png, info);
  png_write_row(png, row.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

TEST(Png, LabelsAreIdsAndNeverColors) {
  using ::testing::ElementsAre;
  const Bytes palette = png_of(PNG_COLOR_TYPE_PALETTE, 2, 4, {0b00'01'10'11});
  EXPECT_THAT(decode_labels(palette, "a").ids, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(decode_rgb(palette, "a").pixels, ElementsAre(9, 8, 7, 255, 0, 0, 0, 255, 0, 1, 2, 3));
  EXPECT_THAT(decode_labels(png_of(PNG_COLOR_TYPE_GRAY, 4, 2, {0x3F}), "a").ids,
              ElementsAre(3, 15));
  EXPECT_THAT(decode_labels(png_of(PNG_COLOR_TYPE_GRAY, 16, 2, {1, 2, 0, 9}), "a").ids,
              ElementsAre(258, 9));
  EXPECT_THAT(decode_labels(png_of(PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2, {5, 0, 6, 9}), "a").ids,
              ElementsAre(5, 6));
  EXPECT_THAT(decode_rgb(png_of(PNG_COLOR_TYPE_GRAY, 16, 1, {200, 77}), "a").pixels,
              ElementsAre(200, 200, 200));
  EXPECT_THAT(decode_rgb(png_of(PNG_COLOR_TYPE_RGBA, 8, 1, {1, 2, 3, 0}), "a").pixels,
              ElementsAre(1, 2, 3));
  EXPECT_ERROR(decode_labels(png_of(PNG_COLOR_TYPE_RGB, 8, 1, {1, 2, 3}), "c.png"),
               HasSubstr("c.png: the labels are colors"));
  EXPECT_ERROR(decode_labels(encode_jpeg(synthetic_image(8, 8)), "l.jpg"),
               HasSubstr("cannot hold labels"));
}

TEST(Png, LabelsSurviveWritingAndReading) {
  TempFolder folder;
  for (const int32_t most : {255, 65535}) {
    const LabelMap labels{2, 3, {0, 1, 2, 150, 254, most}};
    write_label_png(folder / "l.png", labels);
    const LabelMap back = read_labels(folder / "l.png");
    EXPECT_EQ(back.ids, labels.ids);
    EXPECT_EQ(back.height, 2);
  }
  EXPECT_ERROR(encode_label_png({1, 1, {-1}}), HasSubstr("-1"));
  EXPECT_ERROR(encode_label_png({1, 1, {65536}}), HasSubstr("65536"));
}

TEST(Png, ATruncatedFileIsAnError) {
  Bytes bytes = encode_png(synthetic_image(60, 60));
  bytes.resize(bytes.size() / 2);
  EXPECT_ERROR(decode_rgb(bytes, "half.png"), HasSubstr("half.png: truncated PNG"));
  EXPECT_ERROR(decode_labels(encode_png({}), "empty"), HasSubstr("cannot be written"));
}

TEST(Codec, OtherFormatsAreReadToo) {
  const Image image = synthetic_image(6, 5);
  std::string ppm = "P6\n5 6\n255\n";
  ppm.append(image.pixels.begin(), image.pixels.end());
  const std::span bytes(reinterpret_cast<const uint8_t*>(ppm.data()), ppm.size());
  EXPECT_EQ(largest_difference(decode_rgb(bytes, "a.ppm"), image), 0);
  EXPECT_EQ(probe(bytes, "a.ppm").width, 5);
  const std::string pgm = std::string("P5\n2 2\n255\n") + "\x01\x02\x03\x04";
  const std::span grey(reinterpret_cast<const uint8_t*>(pgm.data()), pgm.size());
  EXPECT_THAT(decode_labels(grey, "a.pgm").ids, ::testing::ElementsAre(1, 2, 3, 4));
}

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

TEST(Pnm, TextAndBitsAreReadAndLabelsAreTheNumbersInTheFile) {
  using ::testing::ElementsAre;
  const Bytes grey = bytes_of("P2\n# a comment\n3 1 15\n0 5 99\n");
  EXPECT_THAT(decode_labels(grey, "a.pgm").ids, ElementsAre(0, 5, 15));
  EXPECT_THAT(decode_rgb(grey, "a.pgm").pixels, ElementsAre(0, 0, 0, 85, 85, 85, 255, 255, 255));
  EXPECT_THAT(decode_rgb(bytes_of("P3 1 1 255 1 2 3"), "a.ppm").pixels, ElementsAre(1, 2, 3));
  const Bytes wide = {'P', '5', ' ', '2', ' ', '1', ' ', '9', '9', '9', '\n', 1, 2, 3, 4};
  EXPECT_THAT(decode_labels(wide, "a.pgm").ids, ElementsAre(0x102, 0x304));
  // Bits: 1 is black; digits of a text may stand side by side.
  EXPECT_THAT(decode_labels(bytes_of("P1 3 1 1 01"), "a.pbm").ids, ElementsAre(0, 255, 0));
  EXPECT_THAT(decode_labels(bytes_of("P4 3 1\n\x40"), "a.pbm").ids, ElementsAre(255, 0, 255));
  for (const char* bad : {"P2 3 1 15 0 5", "P5 3 1 255\nab", "P2 3 1 x", "P5 4000000000 1 255\n",
                          "P6 1 1 70000\nabc", "P5 3"}) {
    EXPECT_ERROR(decode_rgb(bytes_of(bad), "a.pnm"), StartsWith("a.pnm: "));
  }
}

/// A lossless JPEG 2000 file of 8 or 16 bits.
Bytes jpeg2000_of(const Image& image, OPJ_UINT32 bits = 8) {
  std::vector<opj_image_cmptparm_t> bands(static_cast<size_t>(image.channels));
  for (auto& band : bands) {
    band = {};
    band.dx = band.dy = 1, band.prec = bits;
    band.w = static_cast<OPJ_UINT32>(image.width), band.h = static_cast<OPJ_UINT32>(image.height);
  }
  opj_image_t* planes = opj_image_create(static_cast<OPJ_UINT32>(bands.size()), bands.data(),
                                         image.channels == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
  planes->x1 = bands[0].w, planes->y1 = bands[0].h;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    planes->comps[i % bands.size()].data[i / bands.size()] = image.pixels[i] << (bits - 8);
  }
  opj_cparameters_t parameters;
  opj_set_default_encoder_parameters(&parameters);
  parameters.tcp_numlayers = 1, parameters.cp_disto_alloc = 1, parameters.numresolution = 2;
  opj_codec_t* codec = opj_create_compress(OPJ_CODEC_JP2);
  opj_setup_encoder(codec, &parameters, planes);
  TempFolder folder;
  opj_stream_t* stream =
      opj_stream_create_default_file_stream((folder / "a.jp2").c_str(), OPJ_FALSE);
  EXPECT_TRUE(opj_start_compress(codec, planes, stream) && opj_encode(codec, stream) &&
              opj_end_compress(codec, stream));
  opj_stream_destroy(stream), opj_destroy_codec(codec), opj_image_destroy(planes);
  return bytes_of(read_text(folder / "a.jp2"));
}

TEST(Jpeg2000, LosslessFilesOf8And16BitsAreRead) {
  const Image image = synthetic_image(9, 7), grey = synthetic_image(9, 7, 1);
  EXPECT_EQ(largest_difference(decode_rgb(jpeg2000_of(image), "a.jp2"), image), 0);
  EXPECT_EQ(largest_difference(decode_rgb(jpeg2000_of(image, 16), "a.jp2"), image), 0);
  const LabelMap labels = decode_labels(jpeg2000_of(grey, 16), "a.jp2");
  for (size_t i = 0; i < grey.pixels.size(); ++i) EXPECT_EQ(labels.ids[i], grey.pixels[i] << 8);
  EXPECT_ERROR(decode_labels(jpeg2000_of(image), "a.jp2"), HasSubstr("whole ids"));
  Bytes cut = jpeg2000_of(image);
  cut.resize(cut.size() / 2);
  EXPECT_ERROR(decode_rgb(cut, "a.jp2"), StartsWith("a.jp2: not a readable image"));
}

struct TiffKind {
  uint16_t samples = 1, bits = 8, format = 1, orientation = 1;
  bool little = true;
  uint16_t compression = 1;
};

/// An uncompressed TIFF of one strip; `data` holds its samples in the file's byte order.
Bytes tiff_of(uint16_t height, uint16_t width, const TiffKind& kind, const Bytes& data) {
  Bytes file;
  const auto number = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      file.push_back(static_cast<uint8_t>(value >> 8 * (kind.little ? i : bytes - 1 - i)));
    }
  };
  constexpr uint32_t kEntries = 10, kBehind = 8 + 2 + 12 * kEntries + 4;
  file = kind.little ? Bytes{'I', 'I'} : Bytes{'M', 'M'};
  number(42, 2), number(8, 4), number(kEntries, 2);
  const auto entry = [&](uint32_t tag, uint32_t value, uint32_t count = 1) {
    number(tag, 2), number(3, 2), number(count, 4);
    if (count > 2)
      number(value, 4);  // where they stand
    else
      number(value, 2), number(0, 2);
  };
  const bool many = kind.samples > 2;
  entry(256, width), entry(257, height);
  entry(258, many ? kBehind : kind.bits, many ? kind.samples : 1);
  entry(259, kind.compression);
  entry(262, many ? 2 : 1);
  entry(273, kBehind + (many ? 2u * kind.samples : 0u));
  entry(274, kind.orientation), entry(277, kind.samples);
  entry(279, static_cast<uint32_t>(data.size())), entry(339, kind.format);
  number(0, 4);
  for (int i = 0; many && i < kind.samples; ++i) number(kind.bits, 2);
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

TEST(Tiff, LabelsOf8And16BitsAreRead) {
  using ::testing::ElementsAre;
  EXPECT_THAT(decode_labels(tiff_of(2, 2, {}, {0, 7, 254, 255}), "a.tif").ids,
              ElementsAre(0, 7, 254, 255));
  EXPECT_THAT(decode_labels(tiff_of(1, 3, {.bits = 16}, {0x2D, 1, 0xFF, 0xFF, 7, 0}), "a.tif").ids,
              ElementsAre(301, 65535, 7));
  EXPECT_THAT(
      decode_labels(tiff_of(1, 2, {.bits = 16, .little = false}, {1, 0x2D, 0, 7}), "a.tif").ids,
      ElementsAre(301, 7));
  EXPECT_THAT(
      decode_labels(tiff_of(1, 2, {.bits = 16, .format = 2}, {0x2D, 1, 0xFF, 0xFF}), "a.tif").ids,
      ElementsAre(301, -1));
  EXPECT_THAT(decode_labels(tiff_of(1, 2, {.bits = 32}, {9, 0, 1, 0, 7, 0, 0, 0}), "a.tif").ids,
              ElementsAre(0x10009, 7));
  EXPECT_THAT(decode_labels(tiff_of(1, 2, {.bits = 12}, {0x12, 0x3F, 0xFF}), "a.tif").ids,
              ElementsAre(0x123, 0xFFF));
  EXPECT_ERROR(decode_labels(tiff_of(1, 1, {.samples = 3}, {1, 2, 3}), "a.tif"),
               HasSubstr("whole ids"));
  EXPECT_ERROR(decode_labels(tiff_of(1, 1, {.bits = 32, .format = 3}, {0, 0, 0x80, 0x3F}), "a.tif"),
               HasSubstr("whole ids"));
}

TEST(Tiff, CompressedOnesAreReadAndCutOnesAreErrors) {
  // PackBits: a run of six bytes 9, then three bytes as they are.
  const TiffKind packed = {.samples = 3, .compression = 32773};
  const Bytes runs = {0xFB, 9, 2, 1, 2, 3};
  EXPECT_THAT(decode_rgb(tiff_of(1, 3, packed, runs), "a.tif").pixels,
              ::testing::ElementsAre(9, 9, 9, 9, 9, 9, 1, 2, 3));
  EXPECT_ERROR(decode_rgb(tiff_of(9, 9, packed, runs), "a.tif"),
               StartsWith("a.tif: not a readable"));
  EXPECT_ERROR(decode_rgb(tiff_of(9, 9, {}, Bytes(8)), "a.tif"),
               StartsWith("a.tif: not a readable"));
  EXPECT_ERROR(decode_labels(tiff_of(9, 9, {}, Bytes(8)), "a.tif"),
               StartsWith("a.tif: not a readable"));
}

/// A BMP of 8 bits, or with run lengths, whose palette of four colors is not grey.
Bytes bmp_of(const std::vector<Bytes>& rows, const Bytes& runs = {}) {
  Bytes file = {'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 54 + 16, 0, 0, 0};
  const auto number = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file.push_back(static_cast<uint8_t>(value >> 8 * i));
  };
  number(40, 4), number(static_cast<uint32_t>(rows[0].size()), 4),
      number(static_cast<uint32_t>(rows.size()), 4);
  number(1, 2), number(8, 2), number(runs.empty() ? 0 : 1, 4), number(0, 4), number(0, 4);
  number(0, 4), number(4, 4), number(4, 4);
  for (const uint32_t color : {0x000000u, 0xFF0000u, 0x00FF00u, 0x0000FFu}) number(color, 4);
  file.insert(file.end(), runs.begin(), runs.end());
  if (!runs.empty()) return file;
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {  // from the bottom up
    Bytes padded = *row;
    padded.resize((padded.size() + 3) / 4 * 4);
    file.insert(file.end(), padded.begin(), padded.end());
  }
  return file;
}

TEST(Bmp, LabelsAreThePalettesIndicesAndNeverColors) {
  EXPECT_THAT(decode_labels(bmp_of({{0, 1, 2}, {3, 0, 1}}), "a.bmp").ids,
              ::testing::ElementsAre(0, 1, 2, 3, 0, 1));
  Bytes cut = bmp_of({{0, 1, 2}, {3, 0, 1}});
  cut.resize(cut.size() - 3);
  EXPECT_ERROR(decode_labels(cut, "a.bmp"), StartsWith("a.bmp: "));
}

TEST(Bmp, RunLengthsAreRead) {
  const std::vector<Bytes> size(2, Bytes(3));
  // The lower row: two pixels 1, one 3. The upper: one left out, then two as they are, padded.
  const Bytes runs = {2, 1, 1, 3, 0, 0, 0, 2, 1, 0, 2, 2, 0, 1};
  EXPECT_THAT(decode_labels(bmp_of(size, runs), "a.bmp").ids,
              ::testing::ElementsAre(0, 2, 2, 1, 1, 3));
  EXPECT_THAT(decode_rgb(bmp_of(size, runs), "a.bmp").row(1)[0], 255);  // 1 is red
  EXPECT_ERROR(decode_rgb(bmp_of(size, {4, 1, 0, 1}), "a.bmp"), HasSubstr("damaged"));
  EXPECT_ERROR(decode_rgb(bmp_of(size, {3, 1, 0, 0}), "a.bmp"), HasSubstr("cut short"));
}

TEST(Tiff, TheOrientationTurnsTheImageAsItTurnsAJpeg) {
  const Image image = synthetic_image(6, 4);
  const Bytes pixels(image.pixels.begin(), image.pixels.end());
  const Image stored = decode_rgb(tiff_of(6, 4, {.samples = 3}, pixels), "a.tif");
  EXPECT_EQ(largest_difference(stored, image), 0);
  const Bytes jpeg = encode_jpeg(synthetic_image(6, 4));
  for (uint16_t o = 1; o <= 8; ++o) {
    for (const bool little : {true, false}) {
      const Bytes tiff = tiff_of(6, 4, {.samples = 3, .orientation = o, .little = little}, pixels);
      const ImageInfo info = probe(tiff, "a.tif"),
                      like = probe(with_orientation(jpeg, static_cast<uint8_t>(o)), "a");
      EXPECT_EQ(info.orientation, o);
      EXPECT_EQ(info.height, like.height);
      EXPECT_EQ(info.width, like.width);
      EXPECT_EQ(largest_difference(decode_rgb(tiff, "a.tif", {.orient = false}), image), 0) << o;
      // The stored image's first pixel is shown where a JPEG's is.
      const Image shown = decode_rgb(tiff, "a.tif");
      const bool first_row_last = o == 3 || o == 4 || o == 7 || o == 8;
      const bool first_column_last = o == 2 || o == 3 || o == 6 || o == 7;
      const uint8_t* corner = shown.row(first_row_last ? shown.height - 1 : 0) +
                              3 * (first_column_last ? shown.width - 1 : 0);
      EXPECT_EQ(std::vector<uint8_t>(corner, corner + 3),
                std::vector<uint8_t>(pixels.begin(), pixels.begin() + 3))
          << o;
    }
  }
}

/// A lossless WebP of one color, which needs few bytes, with an EXIF chunk.
Bytes webp_of(uint8_t orientation) {
  // 2 wide, 3 high, one transform-free image of five single-symbol codes: (red, green, blue, alpha)
  // = (9, 8, 7, 255).
  Bytes bits;
  int used = 0;
  const auto put = [&](uint32_t value, int count) {
    for (int i = 0; i < count; ++i, ++used) {
      if (used % 8 == 0) bits.push_back(0);
      bits.back() = static_cast<uint8_t>(bits.back() | (value >> i & 1) << used % 8);
    }
  };
  put(0x2F, 8), put(2 - 1, 14), put(3 - 1, 14), put(0, 1), put(0, 3);
  put(0, 1);                                              // no transforms
  put(0, 1);                                              // no color cache
  put(0, 1);                                              // one group of codes
  for (const uint32_t symbol : {8u, 9u, 7u, 255u, 0u}) {  // green, red, blue, alpha, distance
    put(1, 1), put(0, 1), put(1, 1), put(symbol, 8);      // simple, one symbol, of 8 bits
  }
  if (bits.size() % 2) bits.push_back(0);
  const auto number = [](Bytes& to, uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to.push_back(static_cast<uint8_t>(value >> 8 * i));
  };
  const auto chunk = [&](Bytes& to, const std::string& name, const Bytes& data) {
    to.insert(to.end(), name.begin(), name.end());
    number(to, static_cast<uint32_t>(data.size()), 4);
    to.insert(to.end(), data.begin(), data.end());
    if (data.size() % 2) to.push_back(0);
  };
  Bytes body = {'W', 'E', 'B', 'P'};
  chunk(body, "VP8X", {0x08, 0, 0, 0, 1, 0, 0, 2, 0, 0});  // holds EXIF; 2 × 3
  chunk(body, "VP8L", bits);
  chunk(body, "EXIF", {'M', 'M', 0, 42, 0, 0, 0,           8, 0, 1, 1, 0x12, 0,
                       3,   0,   0, 0,  1, 0, orientation, 0, 0, 0, 0, 0,    0});
  Bytes file = {'R', 'I', 'F', 'F'};
  number(file, static_cast<uint32_t>(body.size()), 4);
  file.insert(file.end(), body.begin(), body.end());
  return file;
}

TEST(WebP, TheOrientationTurnsTheImage) {
  for (const uint8_t o : {1, 3, 6, 8}) {
    const ImageInfo info = probe(webp_of(o), "a.webp");
    EXPECT_EQ(info.orientation, o);
    EXPECT_EQ(info.height, o >= 5 ? 2 : 3);
    const Image shown = decode_rgb(webp_of(o), "a.webp");
    EXPECT_EQ(shown.height, info.height);
    EXPECT_EQ(shown.row(0)[0], 9);
    EXPECT_EQ(decode_rgb(webp_of(o), "a.webp", {.orient = false}).height, 3);
  }
}

std::vector<std::string> remarks_on(const Bytes& bytes, Image* image = nullptr) {
  std::vector<std::string> remarks;
  const Image decoded = decode_rgb(bytes, "a.tif", {.remarks = &remarks});
  if (image) *image = decoded;
  return remarks;
}

TEST(Remarks, SixteenBitImagesThatUseFewBitsAreReported) {
  using ::testing::ElementsAre;
  using ::testing::IsEmpty;
  EXPECT_THAT(remarks_on(png_of(PNG_COLOR_TYPE_GRAY, 16, 2, {0x0F, 0xFF, 0, 9})),
              ElementsAre(AllOf(StartsWith("a.tif: "), HasSubstr("lower 12 are used"))));
  EXPECT_THAT(remarks_on(png_of(PNG_COLOR_TYPE_GRAY, 16, 2, {0xFF, 0xFF, 0, 9})), IsEmpty());
  EXPECT_THAT(remarks_on(tiff_of(1, 2, {.bits = 16}, {0xFF, 0x03, 9, 0})),
              ElementsAre(HasSubstr("lower 10 are used")));
  EXPECT_THAT(remarks_on(tiff_of(1, 2, {.bits = 16}, {0xFF, 0xFF, 9, 0})), IsEmpty());
  EXPECT_THAT(remarks_on(png_of(PNG_COLOR_TYPE_GRAY, 8, 2, {1, 2})), IsEmpty());
}

TEST(Remarks, FractionsOfATiffBecomeLevels) {
  using ::testing::ElementsAre;
  Image image;
  const Bytes half_and_one = {0, 0, 0, 0x3F, 0, 0, 0x80, 0x3F};
  EXPECT_THAT(remarks_on(tiff_of(1, 2, {.bits = 32, .format = 3}, half_and_one), &image),
              ElementsAre(HasSubstr("fractions up to 1")));
  EXPECT_THAT(image.pixels, ElementsAre(128, 128, 128, 255, 255, 255));
  const Bytes minus_one_and_300 = {0, 0, 0x80, 0xBF, 0, 0, 0x96, 0x43};
  EXPECT_THAT(remarks_on(tiff_of(1, 2, {.bits = 32, .format = 3}, minus_one_and_300), &image),
              ElementsAre(HasSubstr("from -1 to 300")));
  EXPECT_THAT(image.pixels, ElementsAre(0, 0, 0, 255, 255, 255));
  EXPECT_ERROR(decode_rgb(tiff_of(1, 1, {.samples = 8}, Bytes(8)), "a.tif"), HasSubstr("8 bands"));
}

TEST(Codec, MutatedFilesNeverCrash) {
  Random random(8);
  std::vector<Bytes> seeds = {
      encode_jpeg(synthetic_image(40, 50)),
      encode_png(synthetic_image(20, 20)),
      jpeg_of(synthetic_image(33, 40), {2, 1, true, 3}),
      jpeg_of(synthetic_image(20, 20, 4), {2, 2, false, 4}),
      with_orientation(encode_jpeg(synthetic_image(16, 20, 1)), 6),
      encode_label_png({3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 999}}),
      tiff_of(6, 4, {.samples = 3, .orientation = 6}, Bytes(72, 9)),
      tiff_of(1, 2, {.bits = 32, .format = 3, .little = false}, Bytes(8, 60)),
      webp_of(6),
      bmp_of({{0, 1, 2}, {3, 0, 1}}),
      bmp_of({Bytes(3), Bytes(3)}, {2, 1, 1, 3, 0, 0, 0, 2, 1, 0, 2, 2, 0, 1}),
      jpeg2000_of(synthetic_image(9, 7)),
      bytes_of("P2 3 1 15 0 5 99"),
      png_of(PNG_COLOR_TYPE_PALETTE, 2, 4, {0x1B})};
  std::vector<std::string> remarks;
  DecodeOptions options;
  options.max_pixels = 1 << 20;
  options.remarks = &remarks;
  ImageRegion region;
  int good = 0, bad = 0;
  for (int i = 0; i < 6000; ++i) {
    Bytes bytes = seeds[i % seeds.size()];
    for (int64_t n = random.integer(1, 6); n > 0; --n) {
      // Headers hold most of what can go wrong, so that half of the changes go there.
      const auto size = static_cast<int64_t>(bytes.size());
      const int64_t at =
          random.integer(0, random.chance(0.5) ? std::min<int64_t>(size, 200) : size);
      if (random.chance(0.05)) {
        bytes.resize(std::max<int64_t>(at, 1));
      } else {
        bytes[at] = static_cast<uint8_t>(random.integer(0, 256));
      }
    }
    try {
      options.scale = 1 << random.integer(0, 4);
      const Rect wanted{random.integer(-5, 40), random.integer(-5, 40), random.integer(0, 30),
                        random.integer(0, 30)};
      decode_rgb_region(bytes, "m", wanted, options, region);
      ++good;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), StartsWith("m: "));
      ++bad;
    }
    try {
      decode_labels(bytes, "m");
    } catch (const Error&) {
    }
  }
  EXPECT_GT(good, 100);
  EXPECT_GT(bad, 100);
}

}  // namespace
}  // namespace pixelclip::testing
