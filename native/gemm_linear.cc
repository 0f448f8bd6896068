// The kernels behind src/kernels/linear/linear.ts: y = act(x W^T + b) + residual and its gradients.
#include "gemm_driver.h"

namespace tessera {

void linear(const LinearCall& call) {
  const int64_t m = call.M, n = call.N, k = call.K;
  if (m == 0) return;
  Output out{call.y, n};
  out.epilogue.bias = call.bias;
  out.epilogue.residual = call.residual;
  out.epilogue.activation = call.activation;
  out.epilogue.pre = call.pre;
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
  withProducts(call.precision, [&](auto op) {
    using Op = decltype(op);
    const BiasGradient bias = biasGradient<Op>(call.dBias, m, n);
    const Matrix dy{call.dy, 1, n, call.pre, call.activation, bias.sums, n};
    product<Op>(LeftMatrix{dy}, RightMatrix{Matrix{call.x, 1, k}}, n, k, m, Output{call.dWeight, k},
                RowsOfMatrix{k}, -1);
    bias.finish();
  });
}

}  // namespace tessera
