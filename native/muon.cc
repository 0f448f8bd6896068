// Muon: momentum, its orthogonalisation by Newton-Schulz iteration, decay and averaging, one matrix a thread at a time.
// Whole matrices are what threads share out, so that nothing waits between the small products of an iteration.
#include <cmath>
#include <cstring>
#include <utility>

#include "gemm.h"
#include "kernels.h"

namespace tessera {
namespace muonOptimizer {

constexpr int kIterations = 5;
constexpr float kA = 3.4445f, kB = -4.775f, kC = 2.0315f;

// y = x or its transpose, times scale; x is [rows, columns].
void copyScaled(const float* x, int64_t rows, int64_t columns, bool transposed, float scale, float* y) {
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j++) {
      y[transposed ? j * rows + i : i * columns + j] = x[i * columns + j] * scale;
    }
  }
}

// x [m, n], m <= n, becomes nearly U V^T of x = U S V^T, S <= 1. gram and polynomial are [m, m], other is like x.
// Returns which of x and other holds the result.
float* orthogonalize(Precision precision, float* x, float* other, float* gram, float* polynomial, int64_t m, int64_t n,
                     int worker) {
  for (int iteration = 0; iteration < kIterations; iteration++) {
    gemmOnWorker(precision, {x, n, 1}, {x, n, 1}, m, m, n, {gram, m}, worker);
    gemmOnWorker(precision, {gram, m, 1}, {gram, 1, m}, m, m, m, {polynomial, m}, worker);
    for (int64_t i = 0; i < m * m; i++) polynomial[i] = kB * gram[i] + kC * polynomial[i];
    gemmOnWorker(precision, {polynomial, m, 1}, {x, 1, n}, m, n, m, {other, n}, worker);
    for (int64_t i = 0; i < m * n; i++) other[i] += kA * x[i];
    std::swap(x, other);
  }
  return x;
}

}  // namespace muonOptimizer

// A weight keeps `keep` of itself.
void muon(const MuonCall& call) {
  using namespace muonOptimizer;
  const float beta = call.beta, clip = call.clipScale, emaDecay = call.emaDecay;
  parallelFor(call.slotCount, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t s = begin; s < end; s++) {
      const MuonCall::Slot& slot = call.slots[s];
      const int64_t rows = slot.rows, columns = slot.columns;
      const int64_t count = rows * columns;
      const bool tall = rows > columns;
      const int64_t m = tall ? columns : rows, n = tall ? rows : columns;
      float* value = slot.value;
      const float* gradient = slot.gradient;
      float* momentum = slot.momentum;
      float* average = slot.ema;
      float* first = static_cast<float*>(scratch(worker, 0, sizeof(float) * 2 * count));
      float* second = first + count;
      float* gram = static_cast<float*>(scratch(worker, 1, sizeof(float) * 2 * m * m));

      double square = 0;
      for (int64_t i = 0; i < count; i++) {
        const float g = gradient[i] * clip;
        momentum[i] = beta * momentum[i] + g;
        second[i] = g + beta * momentum[i];
        square += static_cast<double>(second[i]) * second[i];
      }
      copyScaled(second, rows, columns, tall, static_cast<float>(1 / (std::sqrt(square) + 1e-7)), first);
      const float* direction = orthogonalize(call.precision, first, second, gram, gram + m * m, m, n, worker);
      for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
          const int64_t k = i * columns + j;
          value[k] = slot.keep * value[k] - slot.stepSize * direction[tall ? j * rows + i : k];
        }
      }
      if (average != nullptr) {
        for (int64_t i = 0; i < count; i++) average[i] = emaDecay * average[i] + (1 - emaDecay) * value[i];
      }
    }
  });
}

}  // namespace tessera
