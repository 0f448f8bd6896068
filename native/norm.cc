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

template <bool centered>
void forward(const Args& args, const float* bias, float* y) {
  const int64_t rows = args.integer(0);
  const int64_t C = args.integer(1);
  const float eps = args.number(2);
  const float* gain = args.in(1);
  parallelFor(rows, grainOf(C), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = args.in(0) + row * C;
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
template <bool centered>
void backward(const Args& args, float* dx, float* dGain, float* dBias) {
  const int64_t rows = args.integer(0);
  const int64_t C = args.integer(1);
  const float eps = args.number(2);
  const float* gain = args.in(1);
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
        const float* x = args.in(0) + row * C;
        const float* dy = args.in(2) + row * C;
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
  sumRuns(partial, runs, stride, C, dGain);
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
void groupNormBackward(const Args& args) {
  const Pixels size{args.integer(0), args.integer(1), args.integer(2), args.integer(3)};
  const int64_t C = size.C;
  const int64_t width = C / size.G;
  const int64_t stride = args.integer(4);
  const float *x = args.in(0), *dy = args.in(4);
  const float* mean = args.in(3);
  const float* scale = mean + size.B * size.G;
  // By image and channel: mean, 1 / standard deviation, gain, bias.
  float* spread = static_cast<float*>(scratch(0, 3, size.B * 4 * C * sizeof(float)));
  for (int64_t b = 0; b < size.B; b++) {
    float* known = spread + b * 4 * C;
    for (int64_t c = 0; c < C; c++) {
      known[c] = mean[b * size.G + c / width];
      known[C + c] = scale[b * size.G + c / width];
    }
    std::copy_n(args.in(1) + b * stride, C, known + 2 * C);
    std::copy_n(args.in(2) + b * stride, C, known + 3 * C);
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
      args.out(6)[row * C + c] = static_cast<float>(slope);
      args.out(7)[row * C + c] = static_cast<float>(bias);
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
      storeSome(args.out(5) + at + c, dx, n);
    });
  });
}

}  // namespace norm

// buffers: x, gain, y; numbers: rows, C, eps
void rmsNorm(const Args& args) { norm::forward<false>(args, nullptr, args.out(2)); }

// buffers: x, gain, bias, y; numbers: rows, C, eps
void layerNorm(const Args& args) { norm::forward<true>(args, args.in(2), args.out(3)); }

// buffers: x, gain, dy, dx, dgain; numbers: rows, C, eps
void rmsNormGradient(const Args& args) { norm::backward<false>(args, args.out(3), args.out(4), nullptr); }

// buffers: x, gain, dy, dx, dgain, dbias; numbers: rows, C, eps
void layerNormGradient(const Args& args) { norm::backward<true>(args, args.out(3), args.out(4), args.out(5)); }

// buffers: x, gain, bias, y, moments [2, B, G]: mean and 1 / standard deviation; numbers: B, P, C, G, eps, the distance
// between the gains of two images (0: all have the same), activation
void groupNorm(const Args& args) {
  const norm::Pixels size{args.integer(0), args.integer(1), args.integer(2), args.integer(3)};
  const int64_t C = size.C;
  const int64_t width = C / size.G;
  const float* x = args.in(0);
  const int64_t stride = args.integer(5);
  if (size.P == 0) {  // images without pixels have no mean
    std::fill_n(args.out(4), 2 * size.B * size.G, NAN);
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
  float* mean = args.out(4);
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
      const double inverse = 1 / std::sqrt(std::max(0.0, square / (size.P * width)) + args.numbers[4]);
      mean[b * size.G + g] = static_cast<float>(average);
      scale[b * size.G + g] = static_cast<float>(inverse);
      const float* gain = args.in(1) + b * stride;
      const float* bias = args.in(2) + b * stride;
      for (int64_t c = g * width; c < (g + 1) * width; c++) {
        factors[b * 2 * C + c] = static_cast<float>(inverse * gain[c]);
        factors[b * 2 * C + C + c] = static_cast<float>(bias[c] - average * inverse * gain[c]);
      }
    }
  }
  withActivation(static_cast<Activation>(args.integer(6)), [&](auto activation) {
    norm::overPixels(size, [&](int64_t b, int64_t at) {
      const float* factor = factors + b * 2 * C;
      forVectors(C, [&](int64_t c, int n) {
        const Vector y = loadSome(x + at * C + c, n) * loadSome(factor + c, n) + loadSome(factor + C + c, n);
        storeSome(args.out(3) + at * C + c, activate<decltype(activation)::value>(y), n);
      });
    });
  });
}

// buffers: x, gain, bias, moments, dy, dx, dgain, dbias; numbers: B, P, C, G, the distance between the gains of two
// images, activation
void groupNormGradient(const Args& args) {
  withActivation(static_cast<Activation>(args.integer(5)), [&](auto activation) {
    norm::groupNormBackward<decltype(activation)::value>(args);
  });
}

}  // namespace tessera
