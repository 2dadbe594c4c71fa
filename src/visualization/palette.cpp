#include "visualization/palette.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "inference/words.hpp"

namespace pixelclip {
namespace {

using Vec3 = std::array<double, 3>;
using Matrix = std::array<Vec3, 3>;

/// Linear RGB as perceived with normal, protanopic and deuteranopic vision (Machado, Oliveira and
/// Fernandes 2009, severity 1).
constexpr std::array<Matrix, 3> kEyes = {{
    {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}},
    {{{0.152286, 1.052583, -0.204868},
      {0.114503, 0.786281, 0.099216},
      {-0.003882, -0.048116, 1.051998}}},
    {{{0.367322, 0.860646, -0.227968},
      {0.280085, 0.672501, 0.047413},
      {-0.011820, 0.042940, 0.968881}}},
}};

Vec3 times(const Matrix& m, const Vec3& v) {
  Vec3 out{};
  for (int i = 0; i < 3; ++i) out[i] = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
  return out;
}

double to_linear(double value) {
  return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

/// Ottosson's OKLab, a perceptually uniform color space.
Vec3 oklab(const Vec3& rgb) {
  constexpr Matrix kToCones = {{{0.4122214708, 0.5363325363, 0.0514459929},
                                {0.2119034982, 0.6806995451, 0.1073969566},
                                {0.0883024619, 0.2817188376, 0.6299787005}}};
  constexpr Matrix kToLab = {{{0.2104542553, 0.7936177850, -0.0040720468},
                              {1.9779984951, -2.4285922050, 0.4505937099},
                              {0.0259040371, 0.7827717662, -0.8086757660}}};
  Vec3 cones = times(kToCones, rgb);
  for (double& c : cones) c = std::cbrt(std::max(c, 0.0));
  return times(kToLab, cones);
}

struct Candidate {
  Color color;
  std::array<Vec3, 3> seen;  ///< for each kind of vision
  double nearest = std::numeric_limits<double>::max();
};

double distance(const Candidate& a, const Candidate& b) {
  double least = std::numeric_limits<double>::max();
  for (size_t eye = 0; eye < kEyes.size(); ++eye) {
    double sum = 0;
    for (int i = 0; i < 3; ++i) sum += std::pow(a.seen[eye][i] - b.seen[eye][i], 2);
    least = std::min(least, sum);
  }
  return least;
}

Candidate make_candidate(uint8_t red, uint8_t green, uint8_t blue) {
  Candidate candidate{{red, green, blue}, {}};
  const Vec3 linear = {to_linear(red / 255.0), to_linear(green / 255.0), to_linear(blue / 255.0)};
  for (size_t eye = 0; eye < kEyes.size(); ++eye)
    candidate.seen[eye] = oklab(times(kEyes[eye], linear));
  return candidate;
}

/// A grid of RGB colors without those close to black, white or gray, which mean "no label".
std::vector<Candidate> candidates() {
  std::vector<Candidate> all;
  for (int red = 0; red <= 255; red += 17) {
    for (int green = 0; green <= 255; green += 17) {
      for (int blue = 0; blue <= 255; blue += 17) {
        const Candidate candidate = make_candidate(
            static_cast<uint8_t>(red), static_cast<uint8_t>(green), static_cast<uint8_t>(blue));
        const auto& [light, a, b] = candidate.seen[0];
        if (light > 0.5 && light < 0.92 && std::hypot(a, b) > 0.07) all.push_back(candidate);
      }
    }
  }
  return all;
}

}  // namespace

std::vector<Color> distinct_colors(int count) {
  // Farthest-point selection: each color is the one most distant from those already chosen.
  std::vector<Candidate> left = candidates();
  std::vector<Color> colors;
  Candidate taken = make_candidate(230, 159, 0);
  while (static_cast<int>(colors.size()) < count) {
    colors.push_back(taken.color);
    for (Candidate& candidate : left) {
      candidate.nearest = std::min(candidate.nearest, distance(candidate, taken));
    }
    taken = *std::max_element(left.begin(), left.end(),
                              [](const auto& a, const auto& b) { return a.nearest < b.nearest; });
  }
  return colors;
}

std::vector<Color> colors_of(const Words& words) {
  auto colors = distinct_colors(static_cast<int>(words.names.size()));
  if (words.with_background()) colors.back() = {40, 40, 40};
  return colors;
}

}  // namespace pixelclip
