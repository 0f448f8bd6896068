// Pixel losses of reconstructions and their gradient (src/kernels/pixelloss/pixelloss.ts): one pass over both images each.
// A row of pixels is the unit of work; its sums are added in order, so equal input gives equal bits.
#include <cmath>
#include <cstring>

#include "kernels.h"

namespace tessera {
namespace {

inline float signOf(float x) { return static_cast<float>((x > 0) - (x < 0)); }

}  // namespace

void pixelLosses(const PixelLossesCall& call) {
  const float* y = call.output;
  const float* x = call.images;
  const int64_t B = call.B, H = call.H, W = call.W, C = call.C;
  const int64_t row = W * C, rows = B * H;
  double* partial = static_cast<double*>(scratch(0, 0, rows * 4 * sizeof(double)));
  parallelFor(rows, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; r++) {
      const float* a = y + r * row;
      const float* b = x + r * row;
      float l1 = 0, l2 = 0, across = 0, down = 0;
      for (int64_t i = 0; i < row; i++) {
        const float e = a[i] - b[i];
        l1 += std::fabs(e);
        l2 += e * e;
      }
      for (int64_t i = C; i < row; i++) across += std::fabs((a[i] - b[i]) - (a[i - C] - b[i - C]));
      if (r % H != 0) {
        for (int64_t i = 0; i < row; i++) down += std::fabs((a[i] - b[i]) - (a[i - row] - b[i - row]));
      }
      double* out = partial + r * 4;
      out[0] = l1;
      out[1] = l2;
      out[2] = across;
      out[3] = down;
    }
  });
  double sums[4] = {0, 0, 0, 0};
  for (int64_t r = 0; r < rows; r++) {
    for (int k = 0; k < 4; k++) sums[k] += partial[r * 4 + k];
  }
  const double all = static_cast<double>(rows * row);
  *call.l1 = static_cast<float>(sums[0] / all);
  *call.l2 = static_cast<float>(sums[1] / all);
  *call.edges = static_cast<float>(0.5 * (sums[2] / (rows * (row - C)) + sums[3] / (B * (H - 1) * row)));
}

void pixelLossesGradient(const PixelLossesGradientCall& call) {
  const float* y = call.output;
  const float* x = call.images;
  float* d = call.dOutput;
  const int64_t B = call.B, H = call.H, W = call.W, C = call.C;
  const int64_t row = W * C, rows = B * H;
  const float all = static_cast<float>(rows * row);
  const float g1 = *call.dl1 / all;
  const float g2 = 2 * *call.dl2 / all;
  const float gx = 0.5f * *call.dedges / static_cast<float>(rows * (row - C));
  const float gy = 0.5f * *call.dedges / static_cast<float>(B * (H - 1) * row);
  parallelFor(rows, 16, [&](int64_t begin, int64_t end, int worker) {
    float* error = static_cast<float*>(scratch(worker, 1, 3 * row * sizeof(float)));
    float* above = error + row;
    float* below = above + row;
    for (int64_t r = begin; r < end; r++) {
      const float* a = y + r * row;
      const float* b = x + r * row;
      float* out = d + r * row;
      for (int64_t i = 0; i < row; i++) error[i] = a[i] - b[i];
      for (int64_t i = 0; i < row; i++) out[i] = g1 * signOf(error[i]) + g2 * error[i];
      for (int64_t i = C; i < row; i++) out[i] += gx * signOf(error[i] - error[i - C]);
      for (int64_t i = 0; i < row - C; i++) out[i] -= gx * signOf(error[i + C] - error[i]);
      if (r % H != 0) {
        for (int64_t i = 0; i < row; i++) above[i] = a[i - row] - b[i - row];
        for (int64_t i = 0; i < row; i++) out[i] += gy * signOf(error[i] - above[i]);
      }
      if (r % H != H - 1) {
        for (int64_t i = 0; i < row; i++) below[i] = a[i + row] - b[i + row];
        for (int64_t i = 0; i < row; i++) out[i] -= gy * signOf(below[i] - error[i]);
      }
    }
  });
}

}  // namespace tessera
