// Images moved, and doubled smoothly, and the adjoint of that: along each axis a new pixel is 3/4 of the nearest old one and 1/4 of the
// next nearest, which is the filter [1, 3, 3, 1]; beyond the border the outermost pixel goes on.
#include <algorithm>
#include <cstdlib>

#include "kernels.h"

namespace tessera {
namespace {

constexpr float kNear = 0.75f, kFar = 0.25f;

// The old line that the new line r takes kFar of.
inline int64_t farLine(int64_t r, int64_t lines) {
  return std::clamp<int64_t>(r / 2 + (r % 2 == 0 ? -1 : 1), 0, lines - 1);
}

inline void blend(const float* __restrict near, const float* __restrict far, float scale, int64_t n,
                  float* __restrict out) {
  for (int64_t i = 0; i < n; i++) out[i] = scale * (kNear * near[i] + kFar * far[i]);
}

// What an old line takes of the new ones: its two own ones, and kFar of those beyond them.
struct Folded {
  const float *before, *upper, *lower, *after;

  // Line i of `lines`; y holds the 2 * lines new ones, `size` floats each.
  Folded(const float* y, int64_t i, int64_t lines, int64_t size)
      : before(y + std::max<int64_t>(0, 2 * i - 1) * size),
        upper(y + 2 * i * size),
        lower(y + (2 * i + 1) * size),
        after(y + std::min(2 * lines - 1, 2 * i + 2) * size) {}

  void sum(float scale, int64_t n, float* __restrict out) const {
    const float *__restrict a = before, *__restrict b = upper, *__restrict c = lower, *__restrict d = after;
    for (int64_t i = 0; i < n; i++) out[i] = scale * (kNear * (b[i] + c[i]) + kFar * (a[i] + d[i]));
  }
};

int64_t grainOf(int64_t width, int64_t channels) { return std::max<int64_t>(1, 8192 / std::max<int64_t>(1, width * channels)); }

}  // namespace

void smoothDouble(const SmoothDoubleCall& call) {
  const int64_t h = call.H, w = call.W, c = call.C;
  const float scale = call.scale;
  const float* x = call.x;
  float* y = call.y;
  parallelFor(call.B * 2 * h, grainOf(w, c), [&](int64_t begin, int64_t end, int worker) {
    float* line = static_cast<float*>(scratch(worker, 0, w * c * sizeof(float)));
    for (int64_t r = begin; r < end; r++) {
      const float* image = x + r / (2 * h) * h * w * c;
      const int64_t i = r % (2 * h);
      blend(image + i / 2 * w * c, image + farLine(i, h) * w * c, scale, w * c, line);
      float* to = y + r * 2 * w * c;
      for (int64_t j = 0; j < 2 * w; j++) blend(line + j / 2 * c, line + farLine(j, w) * c, 1.0f, c, to + j * c);
    }
  });
}

void smoothFold(const SmoothFoldCall& call) {
  const int64_t h = call.H, w = call.W, c = call.C;
  const float scale = call.scale;
  const float* dy = call.x;
  float* dx = call.y;
  parallelFor(call.B * h, grainOf(2 * w, c), [&](int64_t begin, int64_t end, int worker) {
    float* line = static_cast<float*>(scratch(worker, 0, 2 * w * c * sizeof(float)));
    for (int64_t r = begin; r < end; r++) {
      Folded(dy + r / h * 4 * h * w * c, r % h, h, 2 * w * c).sum(scale, 2 * w * c, line);
      for (int64_t j = 0; j < w; j++) Folded(line, j, w, c).sum(1.0f, c, dx + (r * w + j) * c);
    }
  });
}

// Each image moved down and right; what comes in is zero.
void shiftImages(const ShiftImagesCall& call) {
  const int64_t h = call.H, w = call.W, c = call.C;
  const float* x = call.x;
  const int32_t* shifts = call.shifts;
  float* y = call.y;
  parallelFor(call.B * h, grainOf(w, c), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; r++) {
      const int64_t image = r / h, line = r % h - shifts[2 * image];
      const int64_t right = std::clamp<int64_t>(shifts[2 * image + 1], -w, w);
      const int64_t kept = line < 0 || line >= h ? 0 : w - std::abs(right);
      float* to = y + r * w * c;
      std::fill_n(to, w * c, 0.0f);
      if (kept == 0) continue;
      const float* from = x + ((image * h + line) * w + std::max<int64_t>(0, -right)) * c;
      std::copy_n(from, kept * c, to + std::max<int64_t>(0, right) * c);
    }
  });
}

}  // namespace tessera
