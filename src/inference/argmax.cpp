#include "inference/argmax.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "base/instruction_sets.hpp"
#include "base/parallel.hpp"
#include "inference/grid_place.hpp"

namespace pixelclip {
namespace {

// Wide vectors only pass between functions that are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

// Eight floats: GCC takes wider vectors apart where the processor has none.
constexpr int lanes = 8;
typedef float Floats __attribute__((vector_size(lanes * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(lanes * sizeof(int32_t))));

/// Where each output index of one axis reads: between grid index `cell` and the next, `weight` of
/// the way.
struct GridAxis {
  std::vector<int> cell;
  std::vector<float> weight;

  GridAxis(int grid, int64_t size) : cell(size), weight(size + lanes) {
    for (int64_t i = 0; i < size; ++i) {
      const auto place = place_on_grid(i, size, grid);
      cell[i] = place.low, weight[i] = place.weight;
    }
  }
};

/// The scores of the classes at each grid point side by side: [h, w, padded classes].
struct Grid {
  int h, w, classes, padded;
  std::vector<float> scores;
  float margin = 0;  ///< More than rounding can move an interpolated score.

  const float* at(int y, int x) const {
    return scores.data() + (static_cast<size_t>(y) * w + x) * padded;
  }
};

/// Room for the classes that may win in one cell.
struct Candidates {
  std::vector<int32_t> id;
  std::vector<float> corner[4];
  // On one row: the line of each, and which of them may win there.
  std::vector<float> left, step;
  std::vector<int32_t> reaches, kept;

  /// `room` is a multiple of `lanes`.
  explicit Candidates(int room)
      : id(room + 1), left(room), step(room), reaches(room), kept(room + 1) {
    for (auto& c : corner) c.resize(room);
  }
};

PIXELCLIP_INLINE float largest(const Floats& values) {
  float result = values[0];
  for (int i = 1; i < lanes; ++i) result = std::max(result, values[i]);
  return result;
}

PIXELCLIP_INLINE Floats load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof(values));
  return values;
}

PIXELCLIP_INLINE Floats min_of(const Floats& a, const Floats& b) { return a < b ? a : b; }
PIXELCLIP_INLINE Floats max_of(const Floats& a, const Floats& b) { return a > b ? a : b; }

/// Classes whose best corner reaches the best of the worst corners, in ascending order.
PIXELCLIP_INLINE int cell_candidates(const Grid& grid, int y, int x, Candidates& out) {
  const int y1 = std::min(y + 1, grid.h - 1), x1 = std::min(x + 1, grid.w - 1);
  const float* corner[4] = {grid.at(y, x), grid.at(y, x1), grid.at(y1, x), grid.at(y1, x1)};
  Floats worst = load(corner[0]) * 0 + std::numeric_limits<float>::lowest();
  for (int c = 0; c < grid.padded; c += lanes) {
    const Floats low = min_of(min_of(load(corner[0] + c), load(corner[1] + c)),
                              min_of(load(corner[2] + c), load(corner[3] + c)));
    worst = max_of(worst, low);
  }
  const float bar = largest(worst) - grid.margin;
  int count = 0;
  for (int c = 0; c < grid.padded; c += lanes) {
    const Floats high = max_of(max_of(load(corner[0] + c), load(corner[1] + c)),
                               max_of(load(corner[2] + c), load(corner[3] + c)));
    const Ints reaches = high >= bar;
    int any = 0;
    for (int i = 0; i < lanes; ++i) any |= reaches[i];
    if (!any) continue;
    for (int i = 0; i < lanes; ++i) {
      out.id[count] = c + i;
      count += reaches[i] ? 1 : 0;
    }
  }
  for (int k = 0; k < count; ++k) {
    for (int i = 0; i < 4; ++i) out.corner[i][k] = corner[i][out.id[k]];
  }
  for (int k = count; k % lanes != 0; ++k) {
    for (auto& c : out.corner) c[k] = std::numeric_limits<float>::lowest();
  }
  return count;
}

/// The candidates on one row of the cell as lines left + t · step; drops those that cannot win
/// there.
PIXELCLIP_INLINE int row_candidates(Candidates& in, int count, float weight, float margin) {
  Floats least = Floats{} + std::numeric_limits<float>::lowest();
  for (int k = 0; k < count; k += lanes) {
    const auto between = [&](int from, int to) {
      const Floats a = load(&in.corner[from][k]);
      return a + weight * (load(&in.corner[to][k]) - a);
    };
    const Floats left = between(0, 2), right = between(1, 3), step = right - left;
    std::memcpy(&in.left[k], &left, sizeof(left));
    std::memcpy(&in.step[k], &step, sizeof(step));
    least = max_of(least, min_of(left, right));
  }
  const float bar = largest(least) - margin;
  for (int k = 0; k < count; k += lanes) {
    const Floats left = load(&in.left[k]);
    const Ints reaches = (left >= bar) | (left + load(&in.step[k]) >= bar);
    std::memcpy(&in.reaches[k], &reaches, sizeof(reaches));
  }
  int kept = 0;
  for (int k = 0; k < count; ++k) {
    in.kept[kept] = k;
    kept -= in.reaches[k];  // −1 where true; without a branch, which would be guessed wrong
  }
  return kept;
}

/// The winners of `width` pixels of one row.
PIXELCLIP_INLINE void fill_row(const Candidates& in, int count, const float* weight, int64_t width,
                               int32_t* out) {
  for (int64_t x = 0; x < width; x += lanes) {
    const Floats t = load(weight + x);
    Floats best = in.left[in.kept[0]] + t * in.step[in.kept[0]];
    Ints winner = Ints{} + in.id[in.kept[0]];
    for (int i = 1; i < count; ++i) {
      const int k = in.kept[i];
      const Floats value = in.left[k] + t * in.step[k];
      const Ints better = value > best;
      best = better ? value : best;
      winner = better ? Ints{} + in.id[k] : winner;
    }
    std::memcpy(out + x, &winner, std::min<int64_t>(lanes, width - x) * sizeof(int32_t));
  }
}

/// The output rows [first, last), which all lie in grid row `y`.
PIXELCLIP_CLONES
void fill_rows(const Grid& grid, const GridAxis& rows, const GridAxis& columns, int64_t first,
               int64_t last, Candidates& room, LabelMap& out) {
  const int y = rows.cell[first];
  for (int64_t begin = 0, end = 0; begin < out.width; begin = end) {
    const int x = columns.cell[begin];
    while (end < out.width && columns.cell[end] == x) ++end;
    const int count = cell_candidates(grid, y, x, room);
    for (int64_t row = first; row < last; ++row) {
      int32_t* to = out.ids.data() + row * out.width + begin;
      const int left = count > 1 ? row_candidates(room, count, rows.weight[row], grid.margin) : 1;
      if (left == 1) {
        std::fill_n(to, end - begin, room.id[count > 1 ? room.kept[0] : 0]);
      } else {
        fill_row(room, left, columns.weight.data() + begin, end - begin, to);
      }
    }
  }
}

/// Puts the classes of each point side by side; the padding never wins.
Grid transpose(const float* scores, int classes, int h, int w, int threads) {
  Grid grid{h, w, classes, (classes + lanes - 1) / lanes * lanes, {}};
  grid.scores.resize(static_cast<size_t>(h) * w * grid.padded,
                     std::numeric_limits<float>::lowest());
  const int64_t points = static_cast<int64_t>(h) * w;
  std::vector<float> largest(h, 0.0f);
  parallel_for(h, threads, [&](int64_t y) {
    float most = 0, not_finite = 0;
    for (int from = 0; from < classes; from += lanes) {
      const int to = std::min(from + lanes, classes);
      for (int x = 0; x < w; ++x) {
        float* point = grid.scores.data() + (y * w + x) * grid.padded;
        for (int c = from; c < to; ++c) {
          const float value = scores[c * points + y * w + x];
          not_finite += value - value;
          most = std::max(most, std::abs(value));
          point[c] = value;
        }
      }
    }
    largest[y] = not_finite == 0 ? most : std::numeric_limits<float>::infinity();
  });
  const float most = *std::max_element(largest.begin(), largest.end());
  if (!std::isfinite(most)) fail("a class score is not a finite number: the weights are damaged");
  grid.margin = 4 * std::numeric_limits<float>::epsilon() * most;
  return grid;
}

}  // namespace

LabelMap argmax_upsampled(const float* scores, int classes, int h, int w, int64_t height,
                          int64_t width, int threads) {
  if (classes < 1 || h < 1 || w < 1 || height < 1 || width < 1) {
    fail("cannot segment: ", classes, " classes on a ", h, "×", w, " grid for an image of ", height,
         "×", width);
  }
  const Grid grid = transpose(scores, classes, h, w, threads);
  const GridAxis rows(h, height), columns(w, width);
  LabelMap out{height, width, std::vector<int32_t>(height * width)};
  std::vector<int64_t> starts;  // of the runs of rows within one grid row
  for (int64_t row = 0; row < height; ++row) {
    if (row == 0 || rows.cell[row] != rows.cell[row - 1]) starts.push_back(row);
  }
  starts.push_back(height);
  const auto runs = static_cast<int64_t>(starts.size()) - 1;
  constexpr int64_t at_once = 4;  // runs a task, so that each task's room is used more than once
  parallel_for((runs + at_once - 1) / at_once, threads, [&](int64_t task) {
    Candidates room(grid.padded);
    for (int64_t i = task * at_once; i < std::min(runs, (task + 1) * at_once); ++i) {
      fill_rows(grid, rows, columns, starts[i], starts[i + 1], room, out);
    }
  });
  return out;
}

}  // namespace pixelclip
