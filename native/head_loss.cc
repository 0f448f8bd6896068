// The kernel behind src/kernels/headloss/headloss.ts: cross-entropy of a linear head whose logits never exist as a whole. A few
// hundred rows at a time are multiplied, turned into losses and gradients in place, and multiplied again.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "gemm_driver.h"
#include "simd.h"

namespace tessera {
namespace headLoss {

// Rows whose logits exist at once, and most logits. Not of the number of threads: the weight's gradient is summed over
// rows in this order.
constexpr int64_t kMostRows = 512;
constexpr int64_t kMostLogits = 4 << 20;
inline int64_t chunkOf(int64_t V) {
  return std::max<int64_t>(64, std::min(kMostRows, kMostLogits / V / 64 * 64));
}

constexpr float kLog2e = 1.44269504088896341f;

// What became of a row of logits x: log of the sum of exponentials, and e^(x - largest) with its sum.
struct Softmax {
  double logsumexp;
  float total;
};

// With `keep`, the row becomes its exponentials.
template <bool keep>
Softmax exponentials(float* x, int64_t n) {
  constexpr int kStep = 4;
  Vector largest[kStep];
  for (int j = 0; j < kStep; j++) largest[j] = splat(-3e38f);
  int64_t i = 0;
  for (; i + kStep * kLanes <= n; i += kStep * kLanes) {
    for (int j = 0; j < kStep; j++) largest[j] = maximum(largest[j], load(x + i + j * kLanes));
  }
  Vector top = maximum(maximum(largest[0], largest[1]), maximum(largest[2], largest[3]));
  for (; i + kLanes <= n; i += kLanes) top = maximum(top, load(x + i));
  float most = maxLanes(top);
  for (; i < n; i++) most = std::max(most, x[i]);

  const float shift = most * kLog2e;
  Vector sum[kStep] = {};
  for (i = 0; i + kStep * kLanes <= n; i += kStep * kLanes) {
    for (int j = 0; j < kStep; j++) {
      const Vector e = exp2Vector(load(x + i + j * kLanes) * kLog2e - shift);
      if (keep) store(x + i + j * kLanes, e);
      sum[j] += e;
    }
  }
  for (; i < n; i += kLanes) {
    const int lanes = static_cast<int>(std::min<int64_t>(kLanes, n - i));
    Vector e = exp2Vector(loadSome(x + i, lanes) * kLog2e - shift);
    if (lanes < kLanes) e = select(laneIndex() < splatInt(lanes), e, Vector{});
    if (keep) storeSome(x + i, e, lanes);
    sum[0] += e;
  }
  const float total = sumLanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
  return {shift / kLog2e + std::log(static_cast<double>(total)), total};
}

// Hands out pieces of one block of scratch memory.
struct Pieces {
  char* at;
  template <class T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(at);
    at += bytes<T>(count);
    return piece;
  }
  template <class T>
  static int64_t bytes(int64_t count) { return roundUp(count * static_cast<int64_t>(sizeof(T)), 64); }
};

struct Problem {
  const float* hidden;
  const float* weight;
  const int32_t* targets;
  float* dHidden;  // null where no gradient is wanted
  float* dWeight;
  int64_t M = 0, counted = 0, V = 0, C = 0;
  double zLoss = 0, scale = 0;
};

// Losses of a chunk's rows; the logits become their gradients.
void lossesOf(const Problem& p, const int32_t* rows, int64_t count, float* logits, double* losses) {
  parallelFor(count, std::max<int64_t>(1, 16384 / p.V), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      float* x = logits + i * p.V;
      const int32_t target = p.targets[rows[i]];
      const double chosen = x[target];
      const Softmax s = p.dHidden == nullptr ? exponentials<false>(x, p.V) : exponentials<true>(x, p.V);
      losses[i] = s.logsumexp - chosen + p.zLoss * s.logsumexp * s.logsumexp;
      if (p.dHidden == nullptr) continue;
      const float factor = static_cast<float>(p.scale * (1 + 2 * p.zLoss * s.logsumexp) / s.total);
      forVectors(p.V, [&](int64_t j, int lanes) { storeSome(x + j, loadSome(x + j, lanes) * factor, lanes); });
      x[target] -= static_cast<float>(p.scale);
    }
  });
}

template <class Op>
double run(const Problem& p) {
  const bool gradients = p.dHidden != nullptr;
  if (p.counted == 0) {
    if (gradients) std::memset(p.dHidden, 0, p.M * p.C * sizeof(float));
    if (gradients) std::memset(p.dWeight, 0, p.V * p.C * sizeof(float));
    return 0;
  }
  const int64_t chunk = chunkOf(p.V);
  const int64_t most = std::min(p.counted, chunk);
  const int64_t forLogits = packedWholeSize<Op>(p.V, p.C);
  const int64_t forHidden = gradients ? packedWholeSize<Op>(p.C, p.V) : 0;
  Pieces pieces{static_cast<char*>(scratch(
      0, 0,
      Pieces::bytes<int32_t>(p.counted) + Pieces::bytes<double>(most) + 2 * Pieces::bytes<float>(most * p.C) +
          Pieces::bytes<float>(most * p.V) + Pieces::bytes<float>(forLogits) + Pieces::bytes<float>(forHidden)))};
  int32_t* rows = pieces.take<int32_t>(p.counted);
  double* losses = pieces.take<double>(most);
  float* x = pieces.take<float>(most * p.C);
  float* dx = pieces.take<float>(most * p.C);
  float* logits = pieces.take<float>(most * p.V);
  const auto right = packWhole<Op>(Matrix{p.weight, p.C, 1}, p.V, p.C, pieces.take<float>(forLogits));
  PackedRight rightAgain{};
  if (gradients) rightAgain = packWhole<Op>(Matrix{p.weight, 1, p.C}, p.C, p.V, pieces.take<float>(forHidden));

  int64_t found = 0;
  for (int64_t row = 0; row < p.M; row++) {
    if (p.targets[row] >= 0) {
      rows[found++] = static_cast<int32_t>(row);
    } else if (gradients) {
      std::memset(p.dHidden + row * p.C, 0, p.C * sizeof(float));
    }
  }
  double total = 0;
  for (int64_t first = 0; first < p.counted; first += chunk) {
    const int64_t count = std::min(chunk, p.counted - first);
    for (int64_t i = 0; i < count; i++) {
      std::memcpy(x + i * p.C, p.hidden + rows[first + i] * p.C, p.C * sizeof(float));
    }
    product<Op>(LeftMatrix{{x, p.C, 1}}, right, count, p.V, p.C, Output{logits, p.V}, RowsOfMatrix{p.V}, -1);
    lossesOf(p, rows + first, count, logits, losses);
    for (int64_t i = 0; i < count; i++) total += losses[i];
    if (!gradients) continue;
    product<Op>(LeftMatrix{{logits, p.V, 1}}, rightAgain, count, p.C, p.V, Output{dx, p.C}, RowsOfMatrix{p.C}, -1);
    for (int64_t i = 0; i < count; i++) {
      std::memcpy(p.dHidden + rows[first + i] * p.C, dx + i * p.C, p.C * sizeof(float));
    }
    Output sum{p.dWeight, p.C};
    sum.epilogue.accumulate = first > 0;
    product<Op>(LeftMatrix{{logits, 1, p.V}}, RightMatrix{{x, 1, p.C}}, p.V, p.C, count, sum, RowsOfMatrix{p.C}, -1);
  }
  return total;
}

}  // namespace headLoss

// Products: counted x V x C, once without gradients and three times with them.
void linearCrossEntropy(const LinearCrossEntropyCall& call) {
  int64_t counted = 0;
  for (int64_t row = 0; row < call.M; row++) {
    if (call.targets[row] >= call.V) return refuse("linearCrossEntropy: expected targets below the number of logits");
    if (call.targets[row] >= 0) counted++;
  }
  if (counted != call.counted) return refuse("linearCrossEntropy: expected the number of targets that count");
  headLoss::Problem p{call.hidden, call.weight, call.targets, call.dHidden, call.dWeight};
  p.M = call.M;
  p.counted = call.counted;
  p.V = call.V;
  p.C = call.C;
  p.zLoss = call.zLoss;
  p.scale = call.scale;
  const double total = withProducts(call.precision,
                                     [&](auto op) { return headLoss::run<decltype(op)>(p); });
  call.loss[0] = static_cast<float>(total * p.scale);
}

// x *= factor.
void scale(const ScaleCall& call) {
  const float factor = call.factor;
  parallelFor(call.size, 1 << 14, [&](int64_t begin, int64_t end, int) {
    float* x = call.x + begin;
    forVectors(end - begin, [&](int64_t i, int lanes) { storeSome(x + i, loadSome(x + i, lanes) * factor, lanes); });
  });
}

}  // namespace tessera
