// Drawing a code from softmax(logits / temperature), cut to the top k and the top p. Each row goes through a handful of
// passes; what top-k and top-p leave out is found by a histogram over the weights' leading bits, so that only the weights
// of the one bin at the edge are ever sorted.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace draw {

// Weights are in [0, 1]: sign bit 0, and their bits grow with them. Exponent and four bits of the fraction.
constexpr int kShift = 19;
constexpr int kBins = (0x3f800000 >> kShift) + 1;

inline int binOf(float weight) {
  int32_t b;
  std::memcpy(&b, &weight, sizeof b);
  return b >> kShift;
}

// Sets to zero all but the likeliest weights: `most` of them, and of those only as many as reach `share` of their sum.
// Ties at the edge go to the smaller code.
void truncate(float* weights, int64_t K, int64_t most, double share) {
  std::vector<int32_t> counts(kBins, 0);
  std::vector<double> sums(kBins, 0.0);
  for (int64_t k = 0; k < K; k++) {
    const int bin = binOf(weights[k]);
    counts[bin]++;
    sums[bin] += weights[k];
  }
  // Keeps what lies in bins above `edge` and, of the bin itself, the likeliest while keep(weight) says so.
  const auto cut = [&](int edge, auto&& keep) {
    std::vector<int32_t> order;
    for (int64_t k = 0; k < K; k++) {
      const int bin = binOf(weights[k]);
      if (bin < edge) weights[k] = 0.0f;
      if (bin == edge) order.push_back(static_cast<int32_t>(k));
    }
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
    });
    counts[edge] = 0;
    sums[edge] = 0.0;
    std::fill_n(counts.begin(), edge, 0);
    std::fill_n(sums.begin(), edge, 0.0);
    bool open = true;
    for (const int32_t k : order) {
      open = open && keep(weights[k]);
      if (open) {
        counts[edge]++;
        sums[edge] += weights[k];
      } else {
        weights[k] = 0.0f;
      }
    }
  };
  if (most < K) {
    int edge = kBins;
    int64_t above = 0;
    while (above + counts[edge - 1] < most) above += counts[--edge];
    cut(edge - 1, [&](float) { return above++ < most; });
  }
  if (share >= 1.0) return;
  double total = 0.0;
  for (const double sum : sums) total += sum;
  int edge = kBins - 1;
  double reached = 0.0;
  while (edge > 0 && (counts[edge] == 0 || reached + sums[edge] < share * total)) reached += sums[edge--];
  bool enough = false;
  cut(edge, [&](float weight) {
    if (enough) return false;
    reached += weight;
    enough = reached >= share * total;
    return true;
  });
}

// The code where u of the weights' sum is passed; `total` receives the sum.
int64_t pick(const float* weights, int64_t K, double u, double* total) {
  constexpr int64_t kBlock = 64;
  const int64_t blocks = (K + kBlock - 1) / kBlock;
  std::vector<double> sums(blocks, 0.0);
  *total = 0.0;
  for (int64_t b = 0; b < blocks; b++) {
    for (int64_t k = b * kBlock; k < std::min(K, (b + 1) * kBlock); k++) sums[b] += weights[k];
    *total += sums[b];
  }
  double left = u * *total;
  int64_t b = 0;
  while (b + 1 < blocks && left >= sums[b]) left -= sums[b++];
  int64_t code = -1;
  for (int64_t k = b * kBlock; k < K; k++) {
    if (weights[k] == 0.0f) continue;
    code = k;
    left -= weights[k];
    if (left < 0) return code;
  }
  // Rounding left something over: the last code that can be drawn.
  for (int64_t k = K; code < 0 && k-- > 0;) {
    if (weights[k] != 0.0f) code = k;
  }
  return std::max<int64_t>(0, code);
}

}  // namespace draw

// buffers: logits [images, K], or [2 images, K] with the uncaptioned twins after the images; u (float64 [images]); codes
// (int32 [images]); log-probabilities (float64 [images]); numbers: images, K, guidance scale (1: no twins), temperature,
// most codes kept, share kept
void drawCodes(const Args& args) {
  const int64_t images = args.integer(0);
  const int64_t K = args.integer(1);
  const float guidance = args.number(2);
  const double temperature = args.numbers[3];
  const int64_t most = args.integer(4);
  const double share = args.numbers[5];
  const double* u = args.as<const double>(1);
  parallelFor(images, 1, [&](int64_t begin, int64_t end, int worker) {
    float* weights = static_cast<float*>(scratch(worker, 0, (K + kLanes) * sizeof(float)));
    for (int64_t image = begin; image < end; image++) {
      const float* captioned = args.in(0) + image * K;
      const float* plain = guidance == 1.0f ? nullptr : args.in(0) + (images + image) * K;
      Vector largest = splat(-INFINITY);
      forVectors(K, [&](int64_t k, int n) {
        Vector v = loadSome(captioned + k, n);
        if (plain != nullptr) {
          const Vector p = loadSome(plain + k, n);
          v = p + guidance * (v - p);
        }
        if (n < kLanes) v = select(laneIndex() < splatInt(n), v, splat(-INFINITY));
        largest = maximum(v, largest);
        store(weights + k, v);
      });
      const float max = maxLanes(largest);
      int32_t& code = args.as<int32_t>(2)[image];
      double& logProbability = args.as<double>(3)[image];
      if (temperature == 0.0) {
        code = static_cast<int32_t>(std::find(weights, weights + K, max) - weights);
        if (code == K) code = 0;
        logProbability = 0.0;
        continue;
      }
      const float scale = static_cast<float>(1.0 / temperature);
      forVectors(K, [&](int64_t k, int) {
        const Vector v = (load(weights + k) - max) * scale;
        store(weights + k, select(v > splat(-87.0f), expVector(v), Vector{}));
      });
      if (most < K || share < 1.0) draw::truncate(weights, K, most, share);
      double total = 0.0;
      code = static_cast<int32_t>(draw::pick(weights, K, u[image], &total));
      logProbability = std::log(weights[code] / total);
    }
  });
}

}  // namespace tessera
