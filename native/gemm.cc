// The functions of gemm.h.
#include "gemm_driver.h"

namespace tessera {

void packRows(Precision precision, const float* data, int64_t rowStride, int64_t kStride, int64_t rows, int64_t k,
              float* out) {
  withPrecision(precision, [&](auto op) {
    packMatrix<decltype(op), kRows>(Matrix{data, rowStride, kStride}, 0, rows, 0, k, 0, out);
  });
}

void packColumns(Precision precision, const float* data, int64_t columnStride, int64_t kStride, int64_t columns,
                 int64_t k, float* out) {
  withPrecision(precision, [&](auto op) {
    packMatrix<decltype(op), kColumns>(Matrix{data, columnStride, kStride}, 0, columns, 0, k, 0, out);
  });
}

void gemmOnWorker(Precision precision, const Matrix& a, const Matrix& b, int64_t m, int64_t n, int64_t k,
                  const Output& out, int worker) {
  withProducts(precision, [&](auto op) {
    product<decltype(op)>(LeftMatrix{a}, RightMatrix{b}, m, n, k, out, RowsOfMatrix{out.ldc}, worker);
  });
}

void gemm(Precision precision, const Matrix& a, const Matrix& b, int64_t m, int64_t n, int64_t k, const Output& out) {
  gemmOnWorker(precision, a, b, m, n, k, out, -1);
}

}  // namespace tessera
