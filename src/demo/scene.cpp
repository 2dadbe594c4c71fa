#include "demo/scene.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "demo/texture.hpp"

namespace pixelclip {
namespace {

/// Lengths are in units. An image has a fixed number of units per side, so its size in pixels
/// changes only its sharpness.

DemoLook draw_look(int kind, Random& random) {
  return {kind, static_cast<uint32_t>(random.next()), static_cast<float>(random.uniform(-1, 1)),
          static_cast<float>(random.uniform(-1, 1))};
}

/// Parameter ranges of a style; lengths in units. Objects have the same size in photos and scenes;
/// a photo shows less around them.
struct StyleNumbers {
  float side;
  double two_grounds, smallest, largest, margin;
  int64_t fewest, most;
};
constexpr StyleNumbers kPhotoNumbers = {48, 0.2, 12, 25, 12, 1, 2};
constexpr StyleNumbers kSceneNumbers = {96, 0.7, 12, 25, 8, 2, 5};

/// One ground, or two separated by a wavy line.
struct Grounds {
  DemoLook near, far;
  bool two = false;
  float middle = 0;
  float normal_x = 0, normal_y = 1, offset = 0, wave = 0, phase = 0, length = 1;
  float turn_cos = 1, turn_sin = 0, shift = 0;

  Grounds(Random& random, const StyleNumbers& style) : middle(style.side / 2) {
    const auto kind = static_cast<int>(random.integer(0, kDemoGrounds));
    near = draw_look(kind, random);
    two = random.chance(style.two_grounds);
    far = draw_look((kind + static_cast<int>(random.integer(1, kDemoGrounds))) % kDemoGrounds,
                    random);
    const double angle = random.uniform(0, 2 * std::numbers::pi);
    normal_x = static_cast<float>(std::cos(angle));
    normal_y = static_cast<float>(std::sin(angle));
    offset = static_cast<float>(random.uniform(-0.2, 0.2)) * style.side;
    wave = static_cast<float>(random.uniform(1, 6));
    phase = static_cast<float>(random.uniform(0, 6.28));
    length = static_cast<float>(random.uniform(0.08, 0.2));
    const double turn = random.uniform(-0.35, 0.35);
    turn_cos = static_cast<float>(std::cos(turn));
    turn_sin = static_cast<float>(std::sin(turn));
    shift = static_cast<float>(random.uniform(0, 500));
  }

  /// Signed distance to the line in units; positive on the far ground.
  float side(float x, float y) const {
    if (!two) return -2 * middle;
    const float along = normal_y * (x - middle) - normal_x * (y - middle);
    return normal_x * (x - middle) + normal_y * (y - middle) - offset +
           wave * std::sin(length * along + phase);
  }

  Paint paint(float x, float y, float distance, float pixel) const {
    const float u = turn_cos * x - turn_sin * y + shift, v = turn_sin * x + turn_cos * y + shift;
    const float share = std::clamp(0.5f + distance / pixel, 0.0f, 1.0f);
    Paint color{};
    if (share < 1) color = ground_paint(near, u, v);
    if (share > 0) {
      const Paint other = ground_paint(far, u, v);
      color = {std::lerp(color.red, other.red, share), std::lerp(color.green, other.green, share),
               std::lerp(color.blue, other.blue, share)};
    }
    return color;
  }
};

struct Object {
  DemoLook look;
  float x, y, radius, turn_cos, turn_sin;

  Object(Random& random, const StyleNumbers& style) {
    const int kinds = static_cast<int>(demo_classes().size());
    look = draw_look(static_cast<int>(random.integer(kDemoGrounds, kinds)), random);
    radius = static_cast<float>(random.uniform(style.smallest, style.largest));
    x = static_cast<float>(random.uniform(style.margin, style.side - style.margin));
    y = static_cast<float>(random.uniform(style.margin, style.side - style.margin));
    // Houses stay upright; other objects are rotated freely.
    const bool upright = demo_classes()[look.kind] == "house";
    const double turn =
        upright ? random.uniform(-0.3, 0.3) : random.uniform(0, 2 * std::numbers::pi);
    turn_cos = static_cast<float>(std::cos(turn));
    turn_sin = static_cast<float>(std::sin(turn));
  }

  float u(float px, float py) const { return (turn_cos * (px - x) + turn_sin * (py - y)) / radius; }
  float v(float px, float py) const { return (turn_cos * (py - y) - turn_sin * (px - x)) / radius; }
};

struct Canvas {
  int size;
  float pixel;  ///< Side of a pixel in units.
  std::vector<Paint> colors;
  std::vector<uint8_t> regions;

  Canvas(int side, float units)
      : size(side),
        pixel(units / static_cast<float>(side)),
        colors(static_cast<size_t>(side) * side),
        regions(colors.size()) {}

  size_t at(int row, int column) const { return static_cast<size_t>(row) * size + column; }
  float center(int i) const { return (static_cast<float>(i) + 0.5f) * pixel; }
  int index(float position) const {
    return std::clamp(static_cast<int>(position / pixel), 0, size);
  }
};

void paint_grounds(Canvas& canvas, const Grounds& grounds) {
  for (int row = 0; row < canvas.size; ++row) {
    for (int column = 0; column < canvas.size; ++column) {
      const float x = canvas.center(column), y = canvas.center(row);
      const float side = grounds.side(x, y);
      canvas.colors[canvas.at(row, column)] = grounds.paint(x, y, side, canvas.pixel);
      canvas.regions[canvas.at(row, column)] = side > 0;
    }
  }
}

/// Draws a soft shadow, then the object with an anti-aliased outline.
void paint_object(Canvas& canvas, const Object& object, uint8_t region) {
  constexpr float kShadowShift = 1.6f, kShadowWidth = 3.5f;
  const float reach = object.radius * 1.05f + kShadowShift + kShadowWidth;
  for (int row = canvas.index(object.y - reach); row < canvas.index(object.y + reach); ++row) {
    for (int column = canvas.index(object.x - reach); column < canvas.index(object.x + reach);
         ++column) {
      const float x = canvas.center(column), y = canvas.center(row);
      Paint& color = canvas.colors[canvas.at(row, column)];
      const float shaded =
          object.radius * object_distance(object.look.kind,
                                          object.u(x - kShadowShift, y - kShadowShift),
                                          object.v(x - kShadowShift, y - kShadowShift));
      const float dark = 1 - 0.38f * std::clamp(0.5f - shaded / kShadowWidth, 0.0f, 1.0f);
      color = {color.red * dark, color.green * dark, color.blue * dark};
      const float u = object.u(x, y), v = object.v(x, y);
      const float distance = object.radius * object_distance(object.look.kind, u, v);
      const float share = std::clamp(0.5f - distance / canvas.pixel, 0.0f, 1.0f);
      if (share <= 0) continue;
      const Paint own = object_paint(object.look, u, v);
      color = {std::lerp(color.red, own.red, share), std::lerp(color.green, own.green, share),
               std::lerp(color.blue, own.blue, share)};
      if (share >= 0.5f) canvas.regions[canvas.at(row, column)] = region;
    }
  }
}

uint8_t to_byte(float value) {
  return static_cast<uint8_t>(std::clamp(value * 255 + 0.5f, 0.0f, 255.0f));
}

/// Renumbers the visible regions, keeping their order.
void keep_seen_regions(DemoScene& scene) {
  std::vector<int> pixels(scene.region_classes.size());
  for (const uint8_t region : scene.regions) ++pixels[region];
  std::vector<uint8_t> renumbered(pixels.size());
  std::vector<int> classes;
  for (size_t region = 0; region < pixels.size(); ++region) {
    renumbered[region] = static_cast<uint8_t>(classes.size());
    if (pixels[region] > 0) classes.push_back(scene.region_classes[region]);
  }
  for (uint8_t& region : scene.regions) region = renumbered[region];
  scene.region_classes = std::move(classes);
}

}  // namespace

const std::vector<std::string>& demo_classes() {
  static const std::vector<std::string> names = {"grass",  "sand", "water", "brick",
                                                 "ball",   "box",  "star",  "ring",
                                                 "flower", "leaf", "fish",  "house"};
  return names;
}

DemoScene paint_demo_scene(Random& random, DemoStyle style, int size) {
  const StyleNumbers& numbers = style == DemoStyle::photo ? kPhotoNumbers : kSceneNumbers;
  Canvas canvas(size, numbers.side);
  const Grounds grounds(random, numbers);
  paint_grounds(canvas, grounds);
  DemoScene scene;
  scene.region_classes = {grounds.near.kind, grounds.far.kind};
  const auto objects = random.integer(numbers.fewest, numbers.most + 1);
  for (int64_t i = 0; i < objects; ++i) {
    const Object object(random, numbers);
    scene.region_classes.push_back(object.look.kind);
    paint_object(canvas, object, static_cast<uint8_t>(scene.region_classes.size() - 1));
  }
  scene.size = size;
  scene.regions = std::move(canvas.regions);
  scene.rgb.reserve(3 * scene.regions.size());
  const auto light = static_cast<float>(random.uniform(0.88, 1.08));
  const auto spots = static_cast<uint32_t>(random.next());
  for (int i = 0; i < size * size; ++i) {
    Paint color = canvas.colors[static_cast<size_t>(i)];
    if (style == DemoStyle::scene)
      color = dappled(color, canvas.center(i % size), canvas.center(i / size), spots);
    scene.rgb.push_back(to_byte(light * color.red));
    scene.rgb.push_back(to_byte(light * color.green));
    scene.rgb.push_back(to_byte(light * color.blue));
  }
  keep_seen_regions(scene);
  return scene;
}

std::string demo_caption(const DemoScene& scene, Random& random) {
  // Classes that cover less than 1 % of the image are not named.
  std::vector<int64_t> pixels(demo_classes().size());
  for (const uint8_t region : scene.regions) ++pixels[scene.region_classes[region]];
  std::vector<int> seen;
  for (size_t id = 0; id < pixels.size(); ++id) {
    if (pixels[id] * 100 >= static_cast<int64_t>(scene.regions.size()))
      seen.push_back(static_cast<int>(id));
  }
  for (size_t i = seen.size(); i > 1; --i) {
    std::swap(seen[i - 1], seen[static_cast<size_t>(random.integer(0, static_cast<int64_t>(i)))]);
  }
  // Half of the captions name all classes, the others some.
  const auto most = std::min<int64_t>(4, static_cast<int64_t>(seen.size()));
  seen.resize(static_cast<size_t>(random.chance(0.5) ? most : random.integer(1, most + 1)));
  static const char* const kOpenings[] = {
      "a photo of ",       "a picture of ",   "art of ",           "itap of ",
      "a small photo of ", "a bad photo of ", "a large photo of ", ""};
  std::string text = kOpenings[random.integer(0, std::size(kOpenings))];
  for (size_t i = 0; i < seen.size(); ++i) {
    if (i > 0) text += i + 1 == seen.size() ? " and " : ", ";
    text += (seen[i] < kDemoGrounds ? ""
             : random.chance(0.5)   ? "a "
                                    : "the ") +
            demo_classes()[seen[i]];
  }
  static const char* const kEndings[] = {"", "", " in the scene", "."};
  return text + kEndings[random.integer(0, std::size(kEndings))];
}

}  // namespace pixelclip
