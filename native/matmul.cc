// The kernel behind tfjs's own matrix product (src/kernels/matmul.ts): batches, either side transposed.
#include "gemm_driver.h"

namespace tessera {

// c[i] = op(a[i or ia[i] or 0]) op(b[...]) for each i of the batch, + bias and activation.
// buffers a, b, c, ia?, ib?, bias?; numbers batch, M, N, K, transposeA, transposeB, repeatA, repeatB, activation,
// precision
void matmul(const Args& args) {
  const int64_t batch = args.integer(0), m = args.integer(1), n = args.integer(2), k = args.integer(3);
  const bool transposeA = args.integer(4) != 0, transposeB = args.integer(5) != 0;
  const bool repeatA = args.integer(6) != 0, repeatB = args.integer(7) != 0;
  const auto precision = static_cast<Precision>(args.integer(9));
  const int32_t* ia = args.as<int32_t>(3);
  const int32_t* ib = args.as<int32_t>(4);
  const auto one = [&](int64_t i, int worker) {
    const int64_t atA = repeatA ? 0 : ia != nullptr ? ia[i] : i;
    const int64_t atB = repeatB ? 0 : ib != nullptr ? ib[i] : i;
    const Matrix a{args.in(0) + atA * m * k, transposeA ? 1 : k, transposeA ? m : 1};
    const Matrix b{args.in(1) + atB * n * k, transposeB ? k : 1, transposeB ? 1 : n};
    Output out{args.out(2) + i * m * n, n};
    out.epilogue.bias = args.in(5);
    out.epilogue.activation = static_cast<Activation>(args.integer(8));
    gemmOnWorker(precision, a, b, m, n, k, out, worker);
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
