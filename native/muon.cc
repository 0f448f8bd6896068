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

// buffers: value, gradient, momentum, ema | null of each matrix; numbers: precision, beta, clip scale, ema decay, then
// rows, columns, step size and weight decay factor (what a weight keeps) of each
void muon(const Args& args) {
  using namespace muonOptimizer;
  const auto precision = static_cast<Precision>(args.integer(0));
  const float beta = args.number(1), clip = args.number(2), emaDecay = args.number(3);
  parallelFor(args.bufferCount / 4, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t s = begin; s < end; s++) {
      const int at = static_cast<int>(s);
      const int64_t rows = args.integer(4 + 4 * at), columns = args.integer(5 + 4 * at);
      const float size = args.number(6 + 4 * at), keep = args.number(7 + 4 * at);
      const int64_t count = rows * columns;
      const bool tall = rows > columns;
      const int64_t m = tall ? columns : rows, n = tall ? rows : columns;
      float* value = args.out(4 * at);
      const float* gradient = args.in(4 * at + 1);
      float* momentum = args.out(4 * at + 2);
      float* average = args.has(4 * at + 3) ? args.out(4 * at + 3) : nullptr;
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
      const float* direction = orthogonalize(precision, first, second, gram, gram + m * m, m, n, worker);
      for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
          const int64_t k = i * columns + j;
          value[k] = keep * value[k] - size * direction[tall ? j * rows + i : k];
        }
      }
      if (average != nullptr) {
        for (int64_t i = 0; i < count; i++) average[i] = emaDecay * average[i] + (1 - emaDecay) * value[i];
      }
    }
  });
}

}  // namespace tessera
