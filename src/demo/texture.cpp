#include "demo/texture.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pixelclip {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;

float hash(int32_t x, int32_t y, uint32_t seed) {
  uint32_t h =
      seed + 0x9E3779B9u * static_cast<uint32_t>(x) + 0x85EBCA6Bu * static_cast<uint32_t>(y);
  h = (h ^ (h >> 16)) * 0x7FEB352Du;
  h = (h ^ (h >> 15)) * 0x846CA68Bu;
  return static_cast<float>((h ^ (h >> 16)) >> 8) * 0x1.0p-24f;
}

/// Smooth value noise in [0, 1] with features one unit wide.
float noise(float x, float y, uint32_t seed) {
  const float fx = std::floor(x), fy = std::floor(y);
  const auto ix = static_cast<int32_t>(fx), iy = static_cast<int32_t>(fy);
  const float tx = x - fx, ty = y - fy;
  const float sx = tx * tx * (3 - 2 * tx), sy = ty * ty * (3 - 2 * ty);
  const float top = std::lerp(hash(ix, iy, seed), hash(ix + 1, iy, seed), sx);
  const float bottom = std::lerp(hash(ix, iy + 1, seed), hash(ix + 1, iy + 1, seed), sx);
  return std::lerp(top, bottom, sy);
}

/// Two octaves, in [−1, 1].
float rough(float x, float y, uint32_t seed) {
  return 1.34f * noise(x, y, seed) + 0.66f * noise(2.1f * x, 2.1f * y, seed + 1) - 1;
}

float step(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

Paint mix(const Paint& a, const Paint& b, float t) {
  return {std::lerp(a.red, b.red, t), std::lerp(a.green, b.green, t), std::lerp(a.blue, b.blue, t)};
}

Paint scaled(const Paint& a, float by) { return {a.red * by, a.green * by, a.blue * by}; }

Paint grass(const DemoLook& look, float x, float y) {
  const Paint base = mix({0.30f, 0.55f, 0.16f}, {0.46f, 0.66f, 0.20f}, 0.5f + 0.5f * look.hue);
  const float bend = 1.5f * noise(x / 14, y / 14, look.seed);
  const float blades = rough(x / 1.3f + bend, y / 5.0f, look.seed + 2);
  const float patches = rough(x / 22, y / 22, look.seed + 5);
  return scaled(base, 0.92f + 0.42f * blades * std::abs(blades) + 0.16f * blades + 0.12f * patches);
}

Paint sand(const DemoLook& look, float x, float y) {
  const Paint base = mix({0.88f, 0.76f, 0.53f}, {0.93f, 0.82f, 0.63f}, 0.5f + 0.5f * look.hue);
  const float bend = 9 * noise(x / 26, y / 26, look.seed);
  const float ripples = std::sin((0.4f * x + y + bend) * 0.62f);
  const float grains = noise(x * 1.7f, y * 1.7f, look.seed + 3) - 0.5f;
  return scaled(base, 0.95f + 0.06f * ripples + 0.22f * grains);
}

Paint water(const DemoLook& look, float x, float y) {
  const Paint deep = mix({0.10f, 0.38f, 0.62f}, {0.08f, 0.47f, 0.64f}, 0.5f + 0.5f * look.hue);
  const float wave = rough(x / 15, y / 6.5f, look.seed);
  const float bright = 1 - std::abs(rough(x / 8 + wave, y / 4 + wave, look.seed + 4));
  const float swell = 0.9f + 0.22f * wave;
  return mix(scaled(deep, swell), {0.80f, 0.94f, 0.98f}, 0.75f * step(0.80f, 1.0f, bright));
}

Paint brick(const DemoLook& look, float x, float y) {
  const float row = std::floor(y / 6.5f);
  const float across = x / 14 + 0.5f * (static_cast<int>(row) & 1);
  const float column = std::floor(across);
  const float to_joint = std::min(
      {(across - column) * 14, (column + 1 - across) * 14, y - row * 6.5f, (row + 1) * 6.5f - y});
  const float tint = hash(static_cast<int32_t>(column), static_cast<int32_t>(row), look.seed);
  const Paint clay = mix({0.48f, 0.36f, 0.29f}, {0.60f, 0.47f, 0.38f}, 0.5f + 0.5f * look.hue);
  const float grain = rough(x / 1.5f, y / 1.5f, look.seed + 7);
  const Paint stone = scaled(clay, 0.82f + 0.34f * tint + 0.10f * grain);
  return mix({0.78f, 0.75f, 0.70f}, stone, step(0.25f, 1.0f, to_joint));
}

float box_distance(float u, float v, float half_width, float half_height) {
  const float du = std::abs(u) - half_width, dv = std::abs(v) - half_height;
  return std::hypot(std::max(du, 0.0f), std::max(dv, 0.0f)) + std::min(std::max(du, dv), 0.0f);
}

float star_distance(float u, float v) {
  // Fold the plane onto half a point of the star, then the distance to its one edge.
  constexpr float kTip = 2 * kPi / 5;
  float angle = std::atan2(u, -v);
  angle = std::abs(angle - kTip * std::round(angle / kTip));
  const float radius = std::hypot(u, v);
  const float x = radius * std::sin(angle), y = radius * std::cos(angle);
  const float inner_x = 0.5f * std::sin(kTip / 2), inner_y = 0.5f * std::cos(kTip / 2);
  const float edge_x = inner_x, edge_y = inner_y - 1;
  return (x * -edge_y + (y - 1) * edge_x) / std::hypot(edge_x, edge_y);
}

float fish_distance(float u, float v) {
  const float body = (std::hypot((u - 0.18f) / 0.80f, v / 0.50f) - 1) * 0.5f;
  const float tail = std::max({std::abs(v) + 0.9f * (u + 0.42f) - 0.05f, -1 - u}) * 0.74f;
  return std::min(body, tail);
}

float house_distance(float u, float v) {
  const float wall = box_distance(u, v - 0.30f, 0.62f, 0.48f);
  const float roof = std::max((std::abs(u) * 0.82f - (v + 0.95f)) * 0.77f, v + 0.12f);
  return std::min(wall, roof);
}

/// Lit from the upper left, as a dome over the unit circle.
float dome(float u, float v) {
  const float height = std::sqrt(std::max(0.0f, 1 - u * u - v * v));
  return 0.62f + 0.52f * std::max(0.0f, -0.42f * u - 0.52f * v + 0.74f * height);
}

Paint ball(float hue, float u, float v) {
  const Paint teal = mix({0.05f, 0.66f, 0.60f}, {0.10f, 0.76f, 0.70f}, 0.5f + 0.5f * hue);
  const float band = std::abs(v + 0.35f * u * u - 0.1f);
  const Paint skin = mix({0.97f, 0.95f, 0.92f}, teal, step(0.10f, 0.16f, band));
  const float shine = step(0.30f, 0.05f, std::hypot(u + 0.38f, v + 0.45f));
  return mix(scaled(skin, dome(u, v)), {1, 1, 1}, 0.75f * shine);
}

Paint box(float hue, float u, float v) {
  const Paint paper = mix({0.44f, 0.20f, 0.62f}, {0.58f, 0.28f, 0.72f}, 0.5f + 0.5f * hue);
  const int checker = static_cast<int>(std::floor(u * 4.2f) + std::floor(v * 4.2f)) & 1;
  const Paint side = scaled(paper, checker ? 1.12f : 0.78f);
  const float ribbon = std::min(std::abs(u), std::abs(v));
  return scaled(mix({0.96f, 0.80f, 0.92f}, side, step(0.09f, 0.14f, ribbon)),
                1.02f - 0.12f * (u + v));
}

Paint star(float hue, float u, float v) {
  const Paint gold = mix({0.98f, 0.80f, 0.10f}, {1.0f, 0.88f, 0.24f}, 0.5f + 0.5f * hue);
  constexpr float kHalfTip = kPi / 5;
  const float sector = std::floor(std::atan2(u, -v) / kHalfTip);
  return scaled(gold, (static_cast<int>(sector) & 1) ? 1.03f : 0.80f);
}

Paint ring(float hue, float u, float v) {
  const Paint blue = mix({0.10f, 0.22f, 0.72f}, {0.16f, 0.34f, 0.86f}, 0.5f + 0.5f * hue);
  const float radius = std::hypot(u, v);
  const float across = (radius - 0.72f) / 0.28f;
  const float stripes = std::cos(4 * std::atan2(v, u));
  const Paint rubber = mix(blue, {0.95f, 0.96f, 1.0f}, step(0.55f, 0.75f, stripes));
  return scaled(rubber, 1.08f - 0.42f * across * across + 0.12f * (-u - v));
}

Paint flower(float hue, float u, float v) {
  const Paint pink = mix({0.92f, 0.36f, 0.62f}, {0.98f, 0.56f, 0.76f}, 0.5f + 0.5f * hue);
  const float radius = std::hypot(u, v);
  const float petals = std::cos(6 * std::atan2(v, u));
  const Paint petal = scaled(pink, 0.72f + 0.30f * radius + 0.10f * petals);
  const Paint heart = scaled({0.98f, 0.82f, 0.22f}, 1.05f - 0.5f * radius);
  return mix(heart, petal, step(0.26f, 0.32f, radius));
}

Paint leaf(float hue, float u, float v) {
  const Paint green = mix({0.02f, 0.34f, 0.22f}, {0.06f, 0.46f, 0.30f}, 0.5f + 0.5f * hue);
  const float veins = std::abs(std::sin((u - 1.1f * std::abs(v)) * 9));
  const float rib = std::min(std::abs(v) * 1.6f, 0.30f * veins);
  return mix({0.62f, 0.80f, 0.50f}, scaled(green, v < 0 ? 1.12f : 0.9f), step(0.02f, 0.09f, rib));
}

Paint fish(float hue, float u, float v) {
  const Paint orange = mix({0.96f, 0.46f, 0.06f}, {1.0f, 0.56f, 0.14f}, 0.5f + 0.5f * hue);
  const float stripe = std::min(std::abs(u - 0.40f + 0.15f * v * v), std::abs(u + 0.12f));
  const Paint skin = mix({0.98f, 0.97f, 0.94f}, orange, step(0.07f, 0.11f, stripe));
  const Paint shaded = scaled(skin, 1.04f - 0.34f * v - 0.35f * v * v);
  const float eye = std::hypot(u - 0.70f, v + 0.12f);
  return mix(mix({0.05f, 0.05f, 0.08f}, {1, 1, 1}, step(0.05f, 0.08f, eye)), shaded,
             step(0.10f, 0.13f, eye));
}

Paint house(float hue, float u, float v) {
  if (v < -0.12f && std::abs(u) * 0.82f - (v + 0.95f) < 0.02f) {
    const Paint tile = mix({0.72f, 0.16f, 0.12f}, {0.62f, 0.22f, 0.20f}, 0.5f + 0.5f * hue);
    return scaled(tile, 0.92f + 0.16f * std::sin(v * 26));
  }
  const Paint wall = scaled({0.95f, 0.93f, 0.88f}, u < 0 ? 1.0f : 0.93f);
  const float door = box_distance(u, v - 0.52f, 0.13f, 0.26f);
  const float window = std::min(box_distance(u + 0.38f, v - 0.22f, 0.12f, 0.12f),
                                box_distance(u - 0.38f, v - 0.22f, 0.12f, 0.12f));
  return mix({0.42f, 0.26f, 0.16f}, mix({0.28f, 0.36f, 0.46f}, wall, step(-0.01f, 0.02f, window)),
             step(-0.01f, 0.02f, door));
}

}  // namespace

Paint dappled(const Paint& color, float x, float y, uint32_t seed) {
  constexpr float kSize = 7;  // of a spot, units
  const float light = 1 + 0.35f * rough(x / kSize, y / kSize, seed);
  const float warmth = 0.15f * rough(x / kSize, y / kSize, seed + 77);
  return {light * (1 + warmth) * color.red, light * color.green, light * (1 - warmth) * color.blue};
}

Paint ground_paint(const DemoLook& look, float x, float y) {
  static constexpr Paint (*kKinds[])(const DemoLook&, float, float) = {grass, sand, water, brick};
  return scaled(kKinds[look.kind](look, x, y), 1 + 0.12f * look.light);
}

float object_distance(int kind, float u, float v) {
  const float radius = std::hypot(u, v);
  switch (kind) {
    case 4:
      return radius - 0.92f;
    case 5:
      return box_distance(u, v, 0.74f, 0.74f);
    case 6:
      return star_distance(u, v);
    case 7:
      return std::abs(radius - 0.72f) - 0.26f;
    case 8:
      return 0.8f * (radius - 0.76f - 0.20f * std::cos(6 * std::atan2(v, u)));
    case 9:
      return std::hypot(u, std::abs(v) + 0.62f) - 1.17f;
    case 10:
      return fish_distance(u, v);
    default:
      return house_distance(u, v);
  }
}

Paint object_paint(const DemoLook& look, float u, float v) {
  static constexpr Paint (*kKinds[])(float, float, float) = {ball,   box,  star, ring,
                                                             flower, leaf, fish, house};
  const float grain = rough(u * 12, v * 12, look.seed);
  return scaled(kKinds[look.kind - 4](look.hue, u, v), 1 + 0.10f * look.light + 0.05f * grain);
}

}  // namespace pixelclip
