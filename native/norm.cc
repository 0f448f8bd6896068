// RMSNorm, LayerNorm, GroupNorm and their gradients. Sums over rows (gains and biases) are taken over fixed runs of rows
// and then over the runs in order, whatever thread took which.
#include <algorithm>
#include <cmath>

#include "kernels.h"
#include "norm.h"

namespace tessera {
namespace norm {

// Rows that one partial sum covers: about 64 runs in all.
inline int64_t runOf(int64_t rows) { return std::max<int64_t>(8, (rows + 63) / 64); }

inline int64_t grainOf(int64_t width) { return std::max<int64_t>(1, 8192 / std::max<int64_t>(1, width)); }

// out[i] = sum over runs of partial[run * stride + i].
inline void sumRuns(const float* partial, int64_t runs, int64_t stride, int64_t width, float* out) {
  forVectors(width, [&](int64_t i, int lanes) {
    Vector sum = {};
    for (int64_t run = 0; run < runs; run++) sum += loadSome(partial + run * stride + i, lanes);
    storeSome(out + i, sum, lanes);
  });
}

template <bool centered, class Call>
void forward(const Call& call, const float* bias) {
  const int64_t rows = call.rows;
  const int64_t C = call.C;
  const float eps = call.eps;
  const float* gain = call.gain;
  float* y = call.y;
  parallelFor(rows, grainOf(C), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = call.x + row * C;
      const Moments m = momentsOf<centered>(x, C, eps);
      forVectors(C, [&](int64_t i, int n) {
        Vector out = (loadSome(x + i, n) - m.mean) * m.scale * loadSome(gain + i, n);
        if (centered) out += loadSome(bias + i, n);
        storeSome(y + row * C + i, out, n);
      });
    }
  });
}

// dx = scale (g - mean(g) - xhat mean(g xhat)) with g = dy gain; without centring the middle term falls away.
template <bool centered, class Call>
void backward(const Call& call, float* dBias) {
  const int64_t rows = call.rows;
  const int64_t C = call.C;
  const float eps = call.eps;
  const float* gain = call.gain;
  float* dx = call.dx;
  const int64_t run = runOf(rows);
  const int64_t runs = (rows + run - 1) / run;
  const int64_t stride = (C + 15) / 16 * 16 * (centered ? 2 : 1);
  float* partial = static_cast<float*>(scratch(0, 0, runs * stride * sizeof(float)));
  parallelFor(runs, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; r++) {
      float* gainSum = partial + r * stride;
      float* biasSum = gainSum + (C + 15) / 16 * 16;
      std::memset(gainSum, 0, stride * sizeof(float));
      for (int64_t row = r * run; row < std::min(rows, (r + 1) * run); row++) {
        const float* x = call.x + row * C;
        const float* dy = call.dy + row * C;
        const Moments m = momentsOf<centered>(x, C, eps);
        Vector sum = {};
        Vector dot = {};
        forVectors(C, [&](int64_t i, int n) {
          const Vector d = loadSome(dy + i, n);
          const Vector normalized = (loadSome(x + i, n) - m.mean) * m.scale;
          const Vector g = d * loadSome(gain + i, n);
          sum += g;
          dot += g * normalized;
          storeSome(gainSum + i, loadSome(gainSum + i, n) + d * normalized, n);
          if (centered) storeSome(biasSum + i, loadSome(biasSum + i, n) + d, n);
        });
        const float mean = centered ? sumLanes(sum) / C : 0.0f;
        const float slope = sumLanes(dot) / C;
        forVectors(C, [&](int64_t i, int n) {
          const Vector normalized = (loadSome(x + i, n) - m.mean) * m.scale;
          const Vector g = loadSome(dy + i, n) * loadSome(gain + i, n);
          storeSome(dx + row * C + i, (g - mean - normalized * slope) * m.scale, n);
        });
      }
    }
  });
  sumRuns(partial, runs, stride, C, call.dGain);
  if (centered) sumRuns(partial + (C + 15) / 16 * 16, runs, stride, C, dBias);
}

// ---- GroupNorm: [B, P pixels, C], statistics over the pixels and the C / G channels of a group. Pixels are taken in
// runs whose sums by channel are added in order, in double: mean and variance come from sums of x and x^2. ----

constexpr int64_t kPixels = 64;

struct Pixels {
  int64_t B, P, C, G;
  int64_t runs() const { return (P + kPixels - 1) / kPixels; }
};

// For each run of pixels: body(image, first pixel, end, sums [2, C] to fill); then the sums of each image, in `total`
// [B, 2, C].
template <class Body>
void sumPixels(const Pixels& size, double* total, Body&& body) {
  const int64_t runs = size.runs();
  const int64_t C = size.C;
  float* partial = static_cast<float*>(scratch(0, 0, size.B * runs * 2 * C * sizeof(float)));
  parallelFor(size.B * runs, std::max<int64_t>(1, 512 / C), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; r++) {
      float* sums = partial + r * 2 * C;
      std::memset(sums, 0, 2 * C * sizeof(float));
      const int64_t pixel = r % runs * kPixels;
      body(r / runs, pixel, std::min(size.P, pixel + kPixels), sums);
    }
  });
  for (int64_t b = 0; b < size.B; b++) {
    double* sums = total + b * 2 * C;
    std::fill(sums, sums + 2 * C, 0.0);
    for (int64_t r = 0; r < runs; r++) {
      const float* one = partial + (b * runs + r) * 2 * C;
      for (int64_t c = 0; c < 2 * C; c++) sums[c] += one[c];
    }
  }
}

// body(image, pixel) for all of them on all threads.
template <class Body>
void overPixels(const Pixels& size, Body&& body) {
  parallelFor(size.B * size.P, grainOf(size.C), [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin; at < end; at++) body(at / size.P, at);
  });
}

// What comes before the activation is made again from x, in both passes.
template <Activation activation>
void groupNormBackward(const GroupNormGradientCall& call) {
  const Pixels size{call.B, call.P, call.C, call.G};
  const int64_t C = size.C;
  const int64_t width = C / size.G;
  const int64_t stride = call.gainStep;
  const float *x = call.x, *dy = call.dy;
  const float* mean = call.moments;
  const float* scale = mean + size.B * size.G;
  // By image and channel: mean, 1 / standard deviation, gain, bias.
  float* spread = static_cast<float*>(scratch(0, 3, size.B * 4 * C * sizeof(float)));
  for (int64_t b = 0; b < size.B; b++) {
    float* known = spread + b * 4 * C;
    for (int64_t c = 0; c < C; c++) {
      known[c] = mean[b * size.G + c / width];
      known[C + c] = scale[b * size.G + c / width];
    }
    std::copy_n(call.gain + b * stride, C, known + 2 * C);
    std::copy_n(call.bias + b * stride, C, known + 3 * C);
  }
  const auto normalized = [&](const float* known, int64_t at, int64_t c, int n) {
    return (loadSome(x + at + c, n) - loadSome(known + c, n)) * loadSome(known + C + c, n);
  };
  // dy before the activation.
  const auto incoming = [&](const float* known, Vector xhat, int64_t at, int64_t c, int n) {
    const Vector d = loadSome(dy + at + c, n);
    if constexpr (activation == Activation::none) return d;
    const Vector pre = xhat * loadSome(known + 2 * C + c, n) + loadSome(known + 3 * C + c, n);
    return d * activationSlope<activation>(pre);
  };
  double* total = static_cast<double*>(scratch(0, 1, size.B * 2 * C * sizeof(double)));  // of dy and dy * xhat
  sumPixels(size, total, [&](int64_t b, int64_t begin, int64_t end, float* sums) {
    const float* known = spread + b * 4 * C;
    for (int64_t p = begin; p < end; p++) {
      const int64_t at = (b * size.P + p) * C;
      forVectors(C, [&](int64_t c, int n) {
        const Vector xhat = normalized(known, at, c, n);
        const Vector d = incoming(known, xhat, at, c, n);
        storeSome(sums + c, loadSome(sums + c, n) + d, n);
        storeSome(sums + C + c, loadSome(sums + C + c, n) + d * xhat, n);
      });
    }
  });
  // dx = scale (g - mean(g) - xhat mean(g xhat)) = dy * a + x * b + c, by channel.
  float* factors = static_cast<float*>(scratch(0, 2, size.B * 3 * C * sizeof(float)));
  for (int64_t b = 0; b < size.B; b++) {
    const double* sums = total + b * 2 * C;
    const float* gain = spread + b * 4 * C + 2 * C;
    float* factor = factors + b * 3 * C;
    for (int64_t g = 0; g < size.G; g++) {
      double sum = 0;
      double dot = 0;
      for (int64_t c = g * width; c < (g + 1) * width; c++) {
        sum += sums[c] * gain[c];
        dot += sums[C + c] * gain[c];
      }
      const double average = sum / (size.P * width);
      const double slope = dot / (size.P * width);
      const double inverse = scale[b * size.G + g];
      for (int64_t c = g * width; c < (g + 1) * width; c++) {
        factor[c] = static_cast<float>(inverse * gain[c]);
        factor[C + c] = static_cast<float>(-inverse * inverse * slope);
        factor[2 * C + c] = static_cast<float>(inverse * (inverse * slope * mean[b * size.G + g] - average));
      }
    }
  }
  const int64_t rows = stride == 0 ? 1 : size.B;  // of gains
  for (int64_t row = 0; row < rows; row++) {
    const int64_t first = stride == 0 ? 0 : row;
    const int64_t last = stride == 0 ? size.B : row + 1;
    for (int64_t c = 0; c < C; c++) {
      double bias = 0;
      double slope = 0;
      for (int64_t b = first; b < last; b++) {
        bias += total[b * 2 * C + c];
        slope += total[b * 2 * C + C + c];
      }
      call.dGain[row * C + c] = static_cast<float>(slope);
      call.dBias[row * C + c] = static_cast<float>(bias);
    }
  }
  overPixels(size, [&](int64_t b, int64_t pixel) {
    const int64_t at = pixel * C;
    const float* known = spread + b * 4 * C;
    const float* factor = factors + b * 3 * C;
    forVectors(C, [&](int64_t c, int n) {
      const Vector d = incoming(known, normalized(known, at, c, n), at, c, n);
      const Vector dx = d * loadSome(factor + c, n) +
                        (loadSome(x + at + c, n) * loadSome(factor + C + c, n) + loadSome(factor + 2 * C + c, n));
      storeSome(call.dx + at + c, dx, n);
    });
  });
}

}  // namespace norm

void rmsNorm(const RmsNormCall& call) { norm::forward<false>(call, nullptr); }

void layerNorm(const LayerNormCall& call) { norm::forward<true>(call, call.bias); }

void rmsNormGradient(const RmsNormGradientCall& call) { norm::backward<false>(call, nullptr); }

void layerNormGradient(const LayerNormGradientCall& call) { norm::backward<true>(call, call.dBias); }

// Moments are mean and 1 / standard deviation.
void groupNorm(const GroupNormCall& call) {
  const norm::Pixels size{call.B, call.P, call.C, call.G};
  const int64_t C = size.C;
  const int64_t width = C / size.G;
  const float* x = call.x;
  const int64_t stride = call.gainStep;
  if (size.P == 0) {  // images without pixels have no mean
    std::fill_n(call.moments, 2 * size.B * size.G, NAN);
    return;
  }
  double* total = static_cast<double*>(scratch(0, 1, size.B * 2 * C * sizeof(double)));
  // Deviations from the image's first pixel, so that a large mean does not swallow the variance.
  norm::sumPixels(size, total, [&](int64_t b, int64_t begin, int64_t end, float* sums) {
    const float* origin = x + b * size.P * C;
    for (int64_t p = begin; p < end; p++) {
      const float* row = origin + p * C;
      forVectors(C, [&](int64_t c, int n) {
        const Vector d = loadSome(row + c, n) - loadSome(origin + c, n);
        storeSome(sums + c, loadSome(sums + c, n) + d, n);
        storeSome(sums + C + c, loadSome(sums + C + c, n) + d * d, n);
      });
    }
  });
  float* mean = call.moments;
  float* scale = mean + size.B * size.G;
  float* factors = static_cast<float*>(scratch(0, 2, size.B * 2 * C * sizeof(float)));  // y = x * factor + shift
  for (int64_t b = 0; b < size.B; b++) {
    const float* origin = x + b * size.P * C;
    const double* sums = total + b * 2 * C;
    for (int64_t g = 0; g < size.G; g++) {
      double sum = 0;
      for (int64_t c = g * width; c < (g + 1) * width; c++) sum += sums[c] + size.P * double{origin[c]};
      const double average = sum / (size.P * width);
      double square = 0;
      for (int64_t c = g * width; c < (g + 1) * width; c++) {
        const double shift = origin[c] - average;
        square += sums[C + c] + 2 * shift * sums[c] + size.P * shift * shift;
      }
      const double inverse = 1 / std::sqrt(std::max(0.0, square / (size.P * width)) + call.eps);
      mean[b * size.G + g] = static_cast<float>(average);
      scale[b * size.G + g] = static_cast<float>(inverse);
      const float* gain = call.gain + b * stride;
      const float* bias = call.bias + b * stride;
      for (int64_t c = g * width; c < (g + 1) * width; c++) {
        factors[b * 2 * C + c] = static_cast<float>(inverse * gain[c]);
        factors[b * 2 * C + C + c] = static_cast<float>(bias[c] - average * inverse * gain[c]);
      }
    }
  }
  withActivation(call.activation, [&](auto activation) {
    norm::overPixels(size, [&](int64_t b, int64_t at) {
      const float* factor = factors + b * 2 * C;
      forVectors(C, [&](int64_t c, int n) {
        const Vector y = loadSome(x + at * C + c, n) * loadSome(factor + c, n) + loadSome(factor + C + c, n);
        storeSome(call.y + at * C + c, activate<decltype(activation)::value>(y), n);
      });
    });
  });
}

void groupNormGradient(const GroupNormGradientCall& call) {
  withActivation(call.activation, [&](auto activation) {
    norm::groupNormBackward<decltype(activation)::value>(call);
  });
}

}  // namespace tessera
