// Gumbel softmax and divergence from uniform over rows of logits (src/kernels/categorical/categorical.ts).
// Sums over a row run in a fixed order, so equal input gives equal bits.
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace categorical {

constexpr int64_t kGroup = 4 * kLanes;  // Elements whose noise is made at once.

// sum over i < n of term(i, lanes), where term gives 0 in lanes that do not count.
template <class Term>
inline float total(int64_t n, Term&& term) {
  Vector sum = splat(0.0f);
  forVectors(n, [&](int64_t i, int lanes) { sum += term(i, lanes); });
  return sumLanes(sum);
}

inline float largest(const float* x, int64_t n) {
  Vector most = splat(-INFINITY);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) most = maximum(load(x + i), most);
  float result = maxLanes(most);
  for (; i < n; i++) result = x[i] > result ? x[i] : result;
  return result;
}

// 0 in the lanes from `lanes` on.
inline Vector firstLanes(Vector v, int lanes) {
  return lanes == kLanes ? v : select(laneIndex() < splatInt(lanes), v, splat(0.0f));
}

// Elements [first, first + kGroup) of the noise, first a multiple of kGroup.
inline void gumbelGroup(uint64_t first, uint32_t seed, uint32_t stream, float* noise) {
  activation::UintVector words[4];
  activation::philoxBlocks(first / 4, seed, stream, words);
  for (int j = 0; j < 4; j++) {
    const Vector whole = __builtin_convertvector((IntVector)(words[j] >> 9), Vector);
    const Vector u = (whole + 0.5f) * (1.0f / 8388608.0f);
    const Vector g = -logNormal(-logNormal(u));
    for (int i = 0; i < kLanes; i++) noise[4 * i + j] = g[i];
  }
}

}  // namespace categorical

void gumbelSoftmax(const GumbelSoftmaxCall& call) {
  using namespace categorical;
  const int64_t N = call.N, K = call.K, size = N * K;
  const float scale = static_cast<float>(1 / call.temperature);
  const uint32_t seed = call.seed, stream = call.stream;
  const float* logits = call.logits;
  float* y = call.y;
  parallelFor((size + kGroup - 1) / kGroup, 64, [&](int64_t begin, int64_t end, int) {
    float noise[kGroup];
    for (int64_t group = begin; group < end && group * kGroup < size; group++) {
      const int64_t first = group * kGroup;
      gumbelGroup(first, seed, stream, noise);
      forVectors(size - first < kGroup ? size - first : kGroup, [&](int64_t i, int lanes) {
        storeSome(y + first + i, (loadSome(logits + first + i, lanes) + loadSome(noise + i, lanes)) * scale, lanes);
      });
    }
  });
  parallelFor(N, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; n++) {
      float* row = y + n * K;
      const float most = largest(row, K);
      const float sum = total(K, [&](int64_t i, int lanes) {
        const Vector e = expFull(loadSome(row + i, lanes) - most);
        storeSome(row + i, e, lanes);
        return firstLanes(e, lanes);
      });
      const float share = 1 / sum;
      forVectors(K, [&](int64_t i, int lanes) { storeSome(row + i, loadSome(row + i, lanes) * share, lanes); });
    }
  });
}

void gumbelSoftmaxGradient(const GumbelSoftmaxGradientCall& call) {
  using namespace categorical;
  const int64_t N = call.N, K = call.K;
  const float scale = static_cast<float>(1 / call.temperature);
  parallelFor(N, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; n++) {
      const float* y = call.y + n * K;
      const float* dy = call.dy + n * K;
      float* dx = call.dx + n * K;
      // Partial loads give 0 beyond the end.
      const float mean = total(K, [&](int64_t i, int l) { return firstLanes(loadSome(y + i, l) * loadSome(dy + i, l), l); });
      forVectors(K, [&](int64_t i, int lanes) {
        storeSome(dx + i, loadSome(y + i, lanes) * (loadSome(dy + i, lanes) - mean) * scale, lanes);
      });
    }
  });
}

namespace categorical {

struct Row {
  float most, logSum, negentropy;  // largest logit, ln sum exp(logit - most), sum q ln q
};

inline Row describe(const float* x, int64_t K) {
  const float most = largest(x, K);
  Vector sums = splat(0.0f), weighted = splat(0.0f);
  forVectors(K, [&](int64_t i, int lanes) {
    const Vector d = loadSome(x + i, lanes) - most;
    const Vector e = firstLanes(expFull(d), lanes);
    sums += e;
    // Logits of minus infinity count 0, not NaN.
    weighted += e * maximum(splat(-104.0f), firstLanes(d, lanes));
  });
  const float sum = sumLanes(sums);
  const float logSum = std::log(sum);
  return {most, logSum, sumLanes(weighted) / sum - logSum};
}

}  // namespace categorical

void klToUniform(const KlToUniformCall& call) {
  const int64_t N = call.N, K = call.K;
  const float logK = static_cast<float>(std::log(static_cast<double>(K)));
  parallelFor(N, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; n++) {
      call.kl[n] = categorical::describe(call.logits + n * K, K).negentropy + logK;
    }
  });
}

void klToUniformGradient(const KlToUniformGradientCall& call) {
  using namespace categorical;
  const int64_t N = call.N, K = call.K;
  parallelFor(N, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; n++) {
      const float* x = call.logits + n * K;
      float* dx = call.dx + n * K;
      const Row row = describe(x, K);
      const float dy = call.dy[n];
      forVectors(K, [&](int64_t i, int lanes) {
        const Vector logq = maximum(splat(-104.0f), loadSome(x + i, lanes) - (row.most + row.logSum));
        storeSome(dx + i, expFull(logq) * (logq - row.negentropy) * dy, lanes);
      });
    }
  });
}

}  // namespace tessera
