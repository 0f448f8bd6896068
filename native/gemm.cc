// The functions of gemm.h.
#include "gemm_driver.h"

namespace tessera {

int64_t packedRowsSize(Precision precision, int64_t rows, int64_t k) {
  return withPrecision(precision, [&](auto op) { return roundUp(rows, kRows) * unitsOf<decltype(op)>(k); });
}

int64_t packedColumnsSize(Precision precision, int64_t columns, int64_t k) {
  return withPrecision(precision, [&](auto op) { return roundUp(columns, kColumns) * unitsOf<decltype(op)>(k); });
}

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

void multiplyPacked(Precision precision, const float* a, const float* b, int64_t rows, int64_t columns, int64_t k,
                    float* c, int64_t ldc, bool accumulate) {
  withPrecision(precision, [&](auto op) {
    using Op = decltype(op);
    constexpr int64_t kRowsAtOnce = 16 * kRows;
    Output out{c, ldc};
    out.epilogue.accumulate = accumulate;
    for (int64_t row = 0; row < rows; row += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, rows - row);
      int64_t offsets[kRowsAtOnce];
      for (int64_t i = 0; i < count; i++) offsets[i] = (row + i) * ldc;
      multiplyBlock<Op>(a + row * unitsOf<Op>(k), b, count, columns, k, out, offsets, true, 0, true, true);
    }
  });
}

void gemmOnWorker(Precision precision, const Matrix& a, const Matrix& b, int64_t m, int64_t n, int64_t k,
                  const Output& out, int worker) {
  withPrecision(precision, [&](auto op) {
    product<decltype(op)>(LeftMatrix{a}, RightMatrix{b}, m, n, k, out, RowsOfMatrix{out.ldc}, worker);
  });
}

void gemm(Precision precision, const Matrix& a, const Matrix& b, int64_t m, int64_t n, int64_t k, const Output& out) {
  gemmOnWorker(precision, a, b, m, n, k, out, -1);
}

}  // namespace tessera
