// The kernels behind src/kernels/linear/linear.ts: y = act(x W^T + b) + residual and its gradients.
#include "gemm_driver.h"

namespace tessera {

// A few rows: the weights are read once, in fp32, straight from memory; packing them would cost more than the product.
constexpr int64_t kFewRows = 16;

template <int R, int C>
void dotBlock(const float* x, const float* weight, int64_t k, float* tile) {
  Vector sum[R][C] = {};
  int64_t kk = 0;
  for (; kk + kLanes <= k; kk += kLanes) {
    Vector w[C];
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) w[j] = load(weight + j * k + kk);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      const Vector v = load(x + i * k + kk);
#pragma GCC unroll 8
      for (int j = 0; j < C; j++) sum[i][j] = multiplyAdd<Fp32>(v, w[j], sum[i][j]);
    }
  }
  if (kk < k) {
    const int n = static_cast<int>(k - kk);
    for (int i = 0; i < R; i++) {
      for (int j = 0; j < C; j++) sum[i][j] += loadPartial(x + i * k + kk, n) * loadPartial(weight + j * k + kk, n);
    }
  }
  for (int i = 0; i < R; i++) {
    for (int j = 0; j < C; j++) tile[i * kColumns + j] = sumLanes(sum[i][j]);
  }
}

void linearFewRows(const float* x, const float* weight, int64_t m, int64_t n, int64_t k, const Output& out) {
  // Waking a thread costs about as much as 2^17 multiplications.
  const int64_t grain = std::max(divideUp(divideUp(n, kColumns), 4 * threadCount()),
                                 divideUp(int64_t{1} << 17, m * k * kColumns));
  parallelFor(divideUp(n, kColumns), grain, [&](int64_t begin, int64_t end, int) {
    alignas(64) float tile[kFewRows * kColumns] = {};
    int64_t offsets[kFewRows];
    for (int64_t i = 0; i < m; i++) offsets[i] = i * out.ldc;
    for (int64_t part = begin; part < end; part++) {
      const int64_t column = part * kColumns;
      const int columns = static_cast<int>(std::min<int64_t>(kColumns, n - column));
      int j = 0;
      for (; j + 4 <= columns; j += 4) {
        const float* w = weight + (column + j) * k;
        int64_t i = 0;
        for (; i + 4 <= m; i += 4) dotBlock<4, 4>(x + i * k, w, k, tile + i * kColumns + j);
        for (; i + 2 <= m; i += 2) dotBlock<2, 4>(x + i * k, w, k, tile + i * kColumns + j);
        for (; i < m; i++) dotBlock<1, 4>(x + i * k, w, k, tile + i * kColumns + j);
      }
      for (; j < columns; j++) {
        for (int64_t i = 0; i < m; i++) {
          dotBlock<1, 1>(x + i * k, weight + (column + j) * k, k, tile + i * kColumns + j);
        }
      }
      finishTile(tile, static_cast<int>(m), columns, column, out, offsets, false, true);
    }
  });
}

void linear(const LinearCall& call) {
  const int64_t m = call.M, n = call.N, k = call.K;
  if (m == 0) return;
  Output out{call.y, n};
  out.epilogue.bias = call.bias;
  out.epilogue.residual = call.residual;
  out.epilogue.activation = call.activation;
  out.epilogue.pre = call.pre;
  if (call.vectors && m <= kFewRows && k > 0) return linearFewRows(call.x, call.weight, m, n, k, out);
  gemm(call.precision, Matrix{call.x, k, 1}, Matrix{call.weight, k, 1}, m, n, k, out);
}

// dx = (dy act'(pre)) W.
void linearInputGradient(const LinearInputGradientCall& call) {
  const int64_t m = call.M, n = call.N, k = call.K;
  const Matrix dy{call.dy, n, 1, call.pre, call.activation};
  gemm(call.precision, dy, Matrix{call.weight, 1, k}, m, k, n, Output{call.dx, k});
}

// dW = (dy act'(pre))^T x, db = its sum over rows.
void linearWeightGradient(const LinearWeightGradientCall& call) {
  const int64_t m = call.M, n = call.N, k = call.K;
  withPrecision(call.precision, [&](auto op) {
    using Op = decltype(op);
    const BiasGradient bias = biasGradient<Op>(call.dBias, m, n);
    const Matrix dy{call.dy, 1, n, call.pre, call.activation, bias.sums, n};
    product<Op>(LeftMatrix{dy}, RightMatrix{Matrix{call.x, 1, k}}, n, k, m, Output{call.dWeight, k},
                RowsOfMatrix{k}, -1);
    bias.finish();
  });
}

}  // namespace tessera
