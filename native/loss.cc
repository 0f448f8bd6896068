// Softmax cross-entropy by rows; a row of logits stays in the second-level cache between its two readings.
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace loss {

constexpr float kLog2e = 1.44269504088896341f;

// Four vectors at a time: their chains of dependent operations overlap.
float largestOf(const float* x, int64_t n) {
  Vector a = splat(x[0]);
  Vector b = a;
  Vector c = a;
  Vector d = a;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = maximum(a, load(x + i));
    b = maximum(b, load(x + i + kLanes));
    c = maximum(c, load(x + i + 2 * kLanes));
    d = maximum(d, load(x + i + 3 * kLanes));
  }
  float largest = maxLanes(maximum(maximum(a, b), maximum(c, d)));
  for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

float sumOfExponentials(const float* x, int64_t n, float largest) {
  const float shift = largest * kLog2e;
  Vector a = {};
  Vector b = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    a += exp2Vector(load(x + i) * kLog2e - shift);
    b += exp2Vector(load(x + i + kLanes) * kLog2e - shift);
  }
  float sum = sumLanes(a + b);
  for (; i < n; i++) sum += std::exp2(x[i] * kLog2e - shift);
  return sum;
}

inline int64_t grainOf(int64_t width) { return width >= 4096 ? 4 : 16384 / width + 1; }

}  // namespace loss

// buffers: logits, targets, loss, logsumexp; numbers: N, V, zLoss
void crossEntropy(const Args& args) {
  const int64_t N = args.integer(0);
  const int64_t V = args.integer(1);
  const float zLoss = args.number(2);
  const int32_t* targets = args.as<const int32_t>(1);
  parallelFor(N, loss::grainOf(V), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = args.in(0) + row * V;
      const float largest = loss::largestOf(x, V);
      const float logsumexp = largest + std::log(loss::sumOfExponentials(x, V, largest));
      args.out(3)[row] = logsumexp;
      args.out(2)[row] = targets[row] < 0 ? 0.0f : logsumexp - x[targets[row]] + zLoss * logsumexp * logsumexp;
    }
  });
}

// buffers: logits, targets, logsumexp, dy, dlogits; numbers: N, V, zLoss
void crossEntropyGradient(const Args& args) {
  const int64_t N = args.integer(0);
  const int64_t V = args.integer(1);
  const float zLoss = args.number(2);
  const int32_t* targets = args.as<const int32_t>(1);
  parallelFor(N, loss::grainOf(V), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = args.in(0) + row * V;
      float* out = args.out(4) + row * V;
      if (targets[row] < 0) {
        std::memset(out, 0, V * sizeof(float));
        continue;
      }
      const float logsumexp = args.in(2)[row];
      const float dy = args.in(3)[row];
      const float scale = dy * (1.0f + 2.0f * zLoss * logsumexp);
      const float shift = logsumexp * loss::kLog2e;
      forVectors(V, [&](int64_t i, int lanes) {
        storeSome(out + i, exp2Vector(loadSome(x + i, lanes) * loss::kLog2e - shift) * scale, lanes);
      });
      out[targets[row]] -= dy;
    }
  });
}

}  // namespace tessera
