// Softmax cross-entropy by rows; logits are read once.
#include <algorithm>
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace loss {

constexpr float kLog2e = 1.44269504088896341f;

// Gradients of more floats than this leave the caches before they are read.
constexpr int64_t kCached = 4 << 20;

// log of the sum of exponentials in one pass: each lane keeps the largest value so far and its sum relative to it
// (Milakov and Gimelshein 2018, arXiv:1805.02867), so that reading and computing overlap.
float logSumExp(const float* x, int64_t n) {
  constexpr int kStep = 8;
  Vector largest = splat(-1e30f);  // times log2(e), as all below
  Vector total = {};
  int64_t i = 0;
  const auto take = [&](const Vector* values, int count) {
    Vector now = largest;
    for (int j = 0; j < count; j++) now = maximum(now, values[j]);
    total *= exp2Vector(largest - now);
    for (int j = 0; j < count; j++) total += exp2Vector(values[j] - now);
    largest = now;
  };
  for (; i + kStep * kLanes <= n; i += kStep * kLanes) {
    Vector values[kStep];
    for (int j = 0; j < kStep; j++) values[j] = load(x + i + j * kLanes) * kLog2e;
    take(values, kStep);
  }
  for (; i < n; i += kLanes) {
    const int lanes = static_cast<int>(std::min<int64_t>(kLanes, n - i));
    const Vector value = loadSome(x + i, lanes) * kLog2e;
    const Vector kept = lanes == kLanes ? value : select(laneIndex() < splatInt(lanes), value, splat(-3e38f));
    take(&kept, 1);
  }
  const float shift = maxLanes(largest);
  return (shift + std::log2(sumLanes(total * exp2Vector(largest - shift)))) / kLog2e;
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
      const float logsumexp = loss::logSumExp(x, V);
      args.out(3)[row] = logsumexp;
      args.out(2)[row] = targets[row] < 0 ? 0.0f : logsumexp - x[targets[row]] + zLoss * logsumexp * logsumexp;
    }
  });
}

// buffers: logits, targets, logsumexp, dy, dlogits; numbers: N, V, zLoss
void crossEntropyGradient(const Args& args) {
  const int64_t N = args.integer(0);
  const int64_t V = args.integer(1);
  const bool large = N * V > loss::kCached;
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
      const int64_t target = targets[row];
      forVectors(V, [&](int64_t i, int lanes) {
        Vector gradient = exp2Vector(loadSome(x + i, lanes) * loss::kLog2e - shift) * scale;
        if (target >= i && target < i + lanes) gradient[target - i] -= dy;
        if (large) {
          storeForLater(out + i, gradient, lanes);
        } else {
          storeSome(out + i, gradient, lanes);
        }
      });
    }
  });
}

}  // namespace tessera
