// The kernel behind tfjs's own matrix product (src/kernels/matmul/matmul.ts): batches, either side transposed.
#include "gemm_driver.h"

namespace tessera {

// c[i] = op(a[i or indicesA[i] or 0]) op(b[...]) for each i of the batch, + bias and activation.
void matmul(const MatmulCall& call) {
  const int64_t batch = call.batch, m = call.M, n = call.N, k = call.K;
  const bool transposeA = call.transposeA, transposeB = call.transposeB;
  const auto one = [&](int64_t i, int worker) {
    const int64_t atA = call.matricesA == 1 ? 0 : call.indicesA != nullptr ? call.indicesA[i] : i;
    const int64_t atB = call.matricesB == 1 ? 0 : call.indicesB != nullptr ? call.indicesB[i] : i;
    if (atA < 0 || atA >= call.matricesA || atB < 0 || atB >= call.matricesB) {
      return refuse("matmul: expected matrices of the batch");
    }
    const Matrix a{call.a + atA * m * k, transposeA ? 1 : k, transposeA ? m : 1};
    const Matrix b{call.b + atB * n * k, transposeB ? k : 1, transposeB ? 1 : n};
    Output out{call.c + i * m * n, n};
    out.epilogue.bias = call.bias;
    out.epilogue.activation = call.activation;
    gemmOnWorker(call.precision, a, b, m, n, k, out, worker);
  };
  // Large products are spread over threads one by one, small or many ones whole.
  if (batch < 4 * threadCount() && m * n * k > (int64_t{1} << 18)) {
    for (int64_t i = 0; i < batch; i++) one(i, -1);
  } else {
    const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 18) / std::max<int64_t>(1, m * n * k));
    parallelFor(batch, grain, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t i = begin; i < end; i++) one(i, worker);
    });
  }
}

}  // namespace tessera
