// Drawing a code from softmax(logits / temperature), cut to the top k and the top p. Each row goes through a handful of
// passes; what top-k and top-p leave out is found by a histogram over the weights' leading bits, so that only the weights
// of the one bin at the edge are ever sorted. A logit that is NaN or minus infinity is never drawn; an image without any
// other has no code, which its log-probability of NaN says.
#include <algorithm>
#include <cfloat>
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
  return std::max(0, std::min(b >> kShift, kBins - 1));
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

// The image's logits, guided, to `out`; those that are no number become minus infinity. Returns the largest.
float guide(const DrawCodesCall& p, int64_t image, float* out) {
  const float* captioned = p.logits + image * p.K;
  const float* plain = p.guidance == 1.0f ? nullptr : p.logits + (p.images + image) * p.K;
  const Vector lowest = splat(-INFINITY);
  Vector largest = lowest;
  forVectors(p.K, [&](int64_t k, int n) {
    Vector v = loadSome(captioned + k, n);
    if (plain != nullptr) {
      const Vector base = loadSome(plain + k, n);
      v = base + p.guidance * (v - base);
    }
    v = select(v == v, v, lowest);
    if (n < kLanes) v = select(laneIndex() < splatInt(n), v, lowest);
    largest = maximum(v, largest);
    store(out + k, v);
  });
  return maxLanes(largest);
}

// Logits to weights e^((logit - max) / temperature); where the largest is infinite, those that are have all of it.
void weigh(float* logits, int64_t K, float max, double temperature) {
  const float scale = static_cast<float>(std::min(1.0 / temperature, static_cast<double>(FLT_MAX)));
  const bool infinite = max == INFINITY;
  forVectors(K, [&](int64_t k, int) {
    const Vector logit = load(logits + k);
    if (infinite) return store(logits + k, select(logit == splat(INFINITY), splat(1.0f), Vector{}));
    const Vector v = (logit - max) * scale;
    store(logits + k, select(v > splat(-87.0f), expVector(v), Vector{}));
  });
}

void drawImage(const DrawCodesCall& p, int64_t image, float* weights) {
  const float max = guide(p, image, weights);
  int32_t& code = p.codes[image];
  double& logProbability = p.logProbabilities[image];
  code = 0;
  logProbability = NAN;  // of an image that has no code to draw
  if (max == -INFINITY) return;
  if (p.temperature == 0.0) {
    code = static_cast<int32_t>(std::find(weights, weights + p.K, max) - weights);
    logProbability = 0.0;
    return;
  }
  weigh(weights, p.K, max, p.temperature);
  if (p.most < p.K || p.share < 1.0) truncate(weights, p.K, p.most, p.share);
  double total = 0.0;
  code = static_cast<int32_t>(pick(weights, p.K, p.u[image], &total));
  logProbability = std::log(weights[code] / total);
}

// Why this call has no meaning, or null.
const char* problemOf(const DrawCodesCall& p) {
  if (p.K < 1) return "draw: expected codes to draw from";
  if (p.rows < (p.guidance == 1.0f ? 1 : 2) * p.images) return "draw: fewer rows of logits than images";
  if (!(p.temperature >= 0.0 && p.temperature < INFINITY)) return "draw: expected a temperature of at least 0";
  if (p.most < 1 || p.most > p.K) return "draw: expected to keep 1 to all codes";
  if (!(p.share >= 0.0 && p.share <= 1.0)) return "draw: expected to keep a share from 0 to 1";
  return nullptr;
}

}  // namespace draw

void drawCodes(const DrawCodesCall& p) {
  if (const char* problem = draw::problemOf(p)) return refuse(problem);
  parallelFor(p.images, 1, [&](int64_t begin, int64_t end, int worker) {
    float* weights = static_cast<float*>(scratch(worker, 0, (p.K + kLanes) * sizeof(float)));
    for (int64_t image = begin; image < end; image++) draw::drawImage(p, image, weights);
  });
}

}  // namespace tessera
