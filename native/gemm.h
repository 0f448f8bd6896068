// Matrix products: C[M, N] = A[M, K] B[K, N] with packed operands (Goto and van de Geijn 2008, "Anatomy of
// high-performance matrix multiplication"). Operands are packed from fp32 memory of any layout into panels, in fp32 or
// bf16; sums are fp32. Each element of C is summed in one fixed order, whatever the number of threads.
#pragma once
#include "calls.h"
#include "gemm_pack.h"
#include "kernels.h"

namespace tessera {

#if defined(__AVX512F__)
constexpr int kRows = 14;     // of C in one register tile: the width of a panel of A
constexpr int kColumns = 32;  // the width of a panel of B
#elif defined(__AVX2__)
constexpr int kRows = 6;
constexpr int kColumns = 16;
#elif defined(__aarch64__)
constexpr int kRows = 7;  // 8 would fit 32 registers on paper, but GCC spills: it loads all of A's column first
constexpr int kColumns = 12;
#elif defined(__wasm__)
constexpr int kRows = 4;  // engines keep values of their own in registers: 6 rows spill
constexpr int kColumns = 8;
#else
constexpr int kRows = 6;
constexpr int kColumns = 8;
#endif

// ---- Building blocks for kernels with products inside (attention): one thread, no scratch memory. ----

// Packs the left operand: element (i, kk) is at data[i * rowStride + kk * kStride]; one of the strides must be 1.
void packRows(Precision precision, const float* data, int64_t rowStride, int64_t kStride, int64_t rows, int64_t k,
              float* out);
// Packs the right operand: element (kk, j) is at data[j * columnStride + kk * kStride]; one of the strides must be 1.
void packColumns(Precision precision, const float* data, int64_t columnStride, int64_t kStride, int64_t columns,
                 int64_t k, float* out);

// ---- Whole products, on all threads; inside a parallel region only gemmOnWorker is safe. ----

// What happens to C on its way to memory: + bias[column], activation (`pre` receives the value before it), + residual.
struct Epilogue {
  const float* bias = nullptr;
  const float* residual = nullptr;
  float* pre = nullptr;
  Activation activation = Activation::none;
  bool accumulate = false;

  bool plain() const {
    return bias == nullptr && residual == nullptr && pre == nullptr && activation == Activation::none;
  }
};

// c, residual and pre share the layout: rows ldc apart.
struct Output {
  float* c;
  int64_t ldc;
  Epilogue epilogue = {};
};

// Uses scratch slots 6 and 7 (and gradients of linear and conv slot 5).
void gemm(Precision precision, const Matrix& a, const Matrix& b, int64_t m, int64_t n, int64_t k, const Output& out);
// The same on the calling thread, which is worker `worker`; for products that are themselves spread over threads.
void gemmOnWorker(Precision precision, const Matrix& a, const Matrix& b, int64_t m, int64_t n, int64_t k,
                  const Output& out, int worker);

}  // namespace tessera
