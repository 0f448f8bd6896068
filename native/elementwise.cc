// tfjs's own operations that show up between the fused ones: arithmetic with broadcasting, functions of one number,
// sums and maxima, transposition, copies of blocks. Shapes arrive collapsed: neighbouring axes that behave alike are one.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "gemm_pack.h"
#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace elementwise {

constexpr int64_t kGrain = 1 << 14;
constexpr int kAxes = 4;

// Calls body with the number as a constant, so that the choice is made once, not for each element.
template <class Kind, int count, int i = 0, class Body>
void choose(Kind kind, const Body& body) {
  if constexpr (i < count) {
    if (kind == static_cast<Kind>(i)) return body(std::integral_constant<Kind, static_cast<Kind>(i)>{});
    choose<Kind, count, i + 1>(kind, body);
  }
}

template <Binary op>
inline Vector apply(Vector a, Vector b) {
  if constexpr (op == Binary::add) return a + b;
  if constexpr (op == Binary::sub) return a - b;
  if constexpr (op == Binary::mul) return a * b;
  if constexpr (op == Binary::div) return a / b;
  if constexpr (op == Binary::maximum) return a != a ? a : (a > b ? a : b);
  if constexpr (op == Binary::minimum) return a != a ? a : (a < b ? a : b);
  return (a - b) * (a - b);
}

template <class Function>
inline Vector eachLane(Vector x, const Function& f) {
  for (int i = 0; i < kLanes; i++) x[i] = f(x[i]);
  return x;
}

inline bool anyLane(IntVector mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#else
  bool any = false;
  for (int i = 0; i < kLanes; i++) any = any || mask[i] != 0;
  return any;
#endif
}

inline Vector logFull(Vector x) {
  const IntVector odd = (x < 1.17549435e-38f) | (x > 3.4028234e38f) | (x != x);
  if (__builtin_expect(anyLane(odd), 0)) return eachLane(x, [](float v) { return std::log(v); });
  return logNormal(x);
}

// log(1 + t) for t in [0, 1]: 2 atanh(t / (2 + t)).
inline Vector logOnePlus(Vector t) {
  const Vector z = t / (t + 2.0f);
  const Vector s = z * z;
  Vector p = splat(2.0f / 15);
  p = p * s + 2.0f / 13;
  p = p * s + 2.0f / 11;
  p = p * s + 2.0f / 9;
  p = p * s + 2.0f / 7;
  p = p * s + 2.0f / 5;
  p = p * s + 2.0f / 3;
  p = p * s + 2.0f;
  return p * z;
}

template <Unary op>
inline Vector apply(Vector x) {
  if constexpr (op == Unary::square) return x * x;
  if constexpr (op == Unary::sqrt) return squareRoot(x);
  if constexpr (op == Unary::rsqrt) return 1.0f / squareRoot(x);
  if constexpr (op == Unary::exp) return expFull(x);
  if constexpr (op == Unary::log) return logFull(x);
  if constexpr (op == Unary::relu) return x < 0.0f ? Vector{} : x;
  if constexpr (op == Unary::sigmoid) return sigmoidFull(x);
  if constexpr (op == Unary::tanh) return tanhVector(x);
  if constexpr (op == Unary::softplus) return (x < 0.0f ? Vector{} : x) + logOnePlus(expFull(x < 0.0f ? x : -x));
  if constexpr (op == Unary::negate) return -x;
  if constexpr (op == Unary::abs) return floats(bits(x) & 0x7fffffff);
  return 1.0f / x;
}

// Axes from the outermost: sizes, and how far each operand moves along each.
template <Binary op>
void binaryRows(const BinaryCall& s) {
  const int64_t inner = s.sizes[kAxes - 1];
  const int64_t aStep = s.aSteps[kAxes - 1];
  const int64_t bStep = s.bSteps[kAxes - 1];
  const int64_t rows = s.sizes[0] * s.sizes[1] * s.sizes[2];
  // Long rows are cut, short ones are taken together.
  const int64_t cuts = std::max<int64_t>(1, inner / kGrain);
  const int64_t piece = (inner + cuts - 1) / cuts;
  parallelFor(rows * cuts, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t row = task / cuts;
      const int64_t from = task % cuts * piece;
      const int64_t n = std::min(inner, from + piece) - from;
      const int64_t k = row % s.sizes[2];
      const int64_t j = row / s.sizes[2] % s.sizes[1];
      const int64_t i = row / (s.sizes[2] * s.sizes[1]);
      const float* a = s.a + i * s.aSteps[0] + j * s.aSteps[1] + k * s.aSteps[2] + from * aStep;
      const float* b = s.b + i * s.bSteps[0] + j * s.bSteps[1] + k * s.bSteps[2] + from * bStep;
      float* out = s.y + row * inner + from;
      if (aStep == 1 && bStep == 1) {
        forVectors(n, [&](int64_t x, int c) { storeSome(out + x, apply<op>(loadSome(a + x, c), loadSome(b + x, c)), c); });
      } else if (aStep == 1) {
        const Vector right = splat(*b);
        forVectors(n, [&](int64_t x, int c) { storeSome(out + x, apply<op>(loadSome(a + x, c), right), c); });
      } else {
        const Vector left = splat(*a);
        forVectors(n, [&](int64_t x, int c) {
          storeSome(out + x, apply<op>(left, bStep == 1 ? loadSome(b + x, c) : splat(*b)), c);
        });
      }
    }
  });
}

// The sum of a row: runs of floats, 32 to a lane, their sums added in double.
constexpr int64_t kRun = 64 * kLanes;

inline double sumRow(const float* x, int64_t n) {
  double total = 0;
  for (int64_t run = 0; run < n; run += kRun) {
    Vector sum[2] = {};
    const int64_t end = std::min(n, run + kRun);
    int64_t i = run;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      sum[0] += load(x + i);
      sum[1] += load(x + i + kLanes);
    }
    for (; i < end; i += kLanes) sum[0] += loadSome(x + i, static_cast<int>(std::min<int64_t>(kLanes, end - i)));
    total += sumLanes(sum[0] + sum[1]);
  }
  return total;
}

// NaN if any element is.
inline float maxRow(const float* x, int64_t n) {
  Vector largest = splat(x[0]);
  IntVector nan = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vector v = load(x + i);
    nan |= v != v;
    largest = maximum(largest, v);
  }
  float result = maxLanes(largest);
  if (anyLane(nan)) return NAN;
  for (; i < n; i++) {
    if (x[i] != x[i]) return NAN;
    result = std::max(result, x[i]);
  }
  return result;
}

// [rows, columns] with given strides to [columns, rows]: square blocks in registers.
inline void transposeMatrix(const float* in, int64_t rowStride, float* out, int64_t columnStride, int64_t rows,
                            int64_t columns) {
  for (int64_t r = 0; r < rows; r += kLanes) {
    const int height = static_cast<int>(std::min<int64_t>(kLanes, rows - r));
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int width = static_cast<int>(std::min<int64_t>(kLanes, columns - c));
      Vector block[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) {
        block[i] = i < height ? loadSome(in + (r + i) * rowStride + c, width) : Vector{};
      }
      transpose(block);
      for (int i = 0; i < width; i++) storeSome(out + (c + i) * columnStride + r, block[i], height);
    }
  }
}

}  // namespace elementwise

void binary(const BinaryCall& call) {
  using namespace elementwise;
  choose<Binary, 7>(call.which, [&](auto op) { binaryRows<decltype(op)::value>(call); });
}

void unary(const UnaryCall& call) {
  using namespace elementwise;
  const int64_t size = call.size;
  choose<Unary, 12>(call.which, [&](auto op) {
    parallelFor(size, kGrain, [&](int64_t begin, int64_t end, int) {
      forVectors(end - begin, [&](int64_t i, int n) {
        storeSome(call.y + begin + i, apply<decltype(op)::value>(loadSome(call.x + begin + i, n)), n);
      });
    });
  });
}

// At least one term.
void addAll(const AddAllCall& call) {
  const int64_t size = call.slotCount == 0 ? 0 : call.size;
  parallelFor(size, elementwise::kGrain, [&](int64_t begin, int64_t end, int) {
    forVectors(end - begin, [&](int64_t i, int n) {
      Vector sum = loadSome(call.slots[0].x + begin + i, n);
      for (int s = 1; s < call.slotCount; s++) sum += loadSome(call.slots[s].x + begin + i, n);
      storeSome(call.y + begin + i, sum, n);
    });
  });
}

// Sums over fixed runs, added in order.
void sumAxis(const SumAxisCall& call) {
  using namespace elementwise;
  const int64_t outer = call.outer;
  const int64_t R = call.reduced;
  const int64_t inner = call.inner;
  const double factor = call.factor;
  const float* x = call.x;
  if (inner == 1) {
    const int64_t pieces = (R + kGrain - 1) / kGrain;
    double* partial = static_cast<double*>(scratch(0, 0, outer * pieces * sizeof(double)));
    parallelFor(outer * pieces, std::max<int64_t>(1, kGrain / R), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t from = i % pieces * kGrain;
        partial[i] = sumRow(x + i / pieces * R + from, std::min(kGrain, R - from));
      }
    });
    for (int64_t i = 0; i < outer; i++) {
      double total = 0;
      for (int64_t piece = 0; piece < pieces; piece++) total += partial[i * pieces + piece];
      call.y[i] = static_cast<float>(total * factor);
    }
    return;
  }
  constexpr int64_t kRows = 64;
  const int64_t runs = (R + kRows - 1) / kRows;
  float* partial = static_cast<float*>(scratch(0, 0, outer * runs * inner * sizeof(float)));
  parallelFor(outer * runs, std::max<int64_t>(1, kGrain / (kRows * inner)), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t first = i % runs * kRows;
      const int64_t last = std::min(R, first + kRows);
      forVectors(inner, [&](int64_t c, int n) {
        Vector sum = {};
        for (int64_t r = first; r < last; r++) sum += loadSome(x + (i / runs * R + r) * inner + c, n);
        storeSome(partial + i * inner + c, sum, n);
      });
    }
  });
  parallelFor(outer * inner, 256, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      const float* column = partial + i / inner * runs * inner + i % inner;
      double total = 0;
      for (int64_t run = 0; run < runs; run++) total += column[run * inner];
      call.y[i] = static_cast<float>(total * factor);
    }
  });
}

void maxRows(const MaxRowsCall& call) {
  const int64_t C = call.C;
  parallelFor(call.rows, std::max<int64_t>(1, elementwise::kGrain / C), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) call.y[row] = elementwise::maxRow(call.x + row * C, C);
  });
}

// The first of the largest.
void argMaxRows(const ArgMaxRowsCall& call) {
  const int64_t C = call.C;
  parallelFor(call.rows, std::max<int64_t>(1, elementwise::kGrain / C), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = call.x + row * C;
      const float largest = elementwise::maxRow(x, C);
      int32_t at = 0;
      if (largest == largest) {
        while (x[at] != largest) at++;
      } else {
        for (int64_t i = 1; i < C; i++) at = x[i] > x[at] ? static_cast<int32_t>(i) : at;
      }
      call.y[row] = at;
    }
  });
}

void softmaxRows(const SoftmaxRowsCall& call) {
  const int64_t C = call.C;
  parallelFor(call.rows, std::max<int64_t>(1, elementwise::kGrain / C), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = call.x + row * C;
      float* y = call.y + row * C;
      const float largest = elementwise::maxRow(x, C);
      forVectors(C, [&](int64_t i, int n) { storeSome(y + i, expFull(loadSome(x + i, n) - largest), n); });
      const float factor = static_cast<float>(1 / elementwise::sumRow(y, C));
      forVectors(C, [&](int64_t i, int n) { storeSome(y + i, loadSome(y + i, n) * factor, n); });
    }
  });
}

// Elements of four bytes. The last axis of x is either the last axis of y or the one before it.
void transposeAxes(const TransposeAxesCall& call) {
  using namespace elementwise;
  const int64_t* size = call.sizes;
  const int64_t* step = call.steps;
  const int64_t matrix = size[3] * size[4];
  // Few large matrices are cut along the axis that is contiguous in x.
  const int64_t matrices = size[0] * size[1] * size[2];
  const int64_t cuts = std::max<int64_t>(1, std::min(size[3] / kLanes, matrix / kGrain));
  const int64_t height = ((size[3] + cuts - 1) / cuts + kLanes - 1) / kLanes * kLanes;
  parallelFor(matrices * cuts, std::max<int64_t>(1, kGrain / matrix), [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t m = task / cuts;
      const int64_t from = task % cuts * height;
      const int64_t to = std::min(size[3], from + height);
      if (from >= to) continue;
      const int64_t k = m % size[2];
      const int64_t j = m / size[2] % size[1];
      const int64_t i = m / (size[2] * size[1]);
      const float* in = call.x + i * step[0] + j * step[1] + k * step[2] + from * step[3];
      float* out = call.y + m * matrix + from * size[4];
      if (step[4] == 1) {
        for (int64_t r = 0; r < to - from; r++) {
          std::memcpy(out + r * size[4], in + r * step[3], size[4] * sizeof(float));
        }
      } else {
        transposeMatrix(in, step[4], out, size[4], size[4], to - from);
      }
    }
  });
}

// Elements of four bytes.
void copyRows(const CopyRowsCall& call) {
  const int64_t width = call.width;
  if (width == 0) return;
  const float* x = call.x + call.xStart;
  float* y = call.y + call.yStart;
  parallelFor(call.rows, std::max<int64_t>(1, elementwise::kGrain / width), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      std::memcpy(y + row * call.yStep, x + row * call.xStep, width * sizeof(float));
    }
  });
}

}  // namespace tessera
