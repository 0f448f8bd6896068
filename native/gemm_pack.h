// Packing of operands for the micro-kernel. A panel is a run of `width` rows of the left operand (or columns of the
// right one); for each unit of k it holds `width` 32-bit units side by side. A unit is one float, or two consecutive
// k rounded to bf16 (nearest, ties to even). Missing rows, columns and the odd k are zero.
#pragma once
#include <algorithm>

#include "gemm_vector.h"

namespace tessera {

struct Fp32 {
  static constexpr int kPerUnit = 1;
  static constexpr int kUnitStep = 1;  // packed operands have a multiple of so many units
  static constexpr bool kTiles = false;
};
struct Bf16 {
  static constexpr int kPerUnit = 2;
  static constexpr int kUnitStep = 1;
  static constexpr bool kTiles = false;
};
// As Bf16, on the tile registers of tiles.h, which take 16 units at a time.
struct Amx {
  static constexpr int kPerUnit = 2;
  static constexpr int kUnitStep = 16;
  static constexpr bool kTiles = true;
};

constexpr int64_t divideUp(int64_t x, int64_t y) { return (x + y - 1) / y; }
constexpr int64_t roundUp(int64_t x, int64_t step) { return divideUp(x, step) * step; }

// Units that k numbers fill, and units of a packed operand, which are zero from those on.
template <class Op>
constexpr int64_t filledUnits(int64_t k) {
  return divideUp(k, Op::kPerUnit);
}
template <class Op>
constexpr int64_t unitsOf(int64_t k) {
  return roundUp(filledUnits<Op>(k), Op::kUnitStep);
}

// Zeros behind what fills a run of adjacent panels.
template <class Op, int width>
inline void padPanels(float* panels, int64_t columns, int64_t k) {
  if constexpr (Op::kUnitStep > 1) {
    const int64_t units = unitsOf<Op>(k), filled = filledUnits<Op>(k);
    if (filled == units) return;
    for (int64_t i = 0; i < columns; i += width, panels += units * width) {
      std::fill_n(panels + filled * width, (units - filled) * width, 0.0f);
    }
  }
}

// A square block of kLanes x kLanes 32-bit units, transposed in registers.
__attribute__((always_inline)) inline void transpose(Vector* r) {
#if defined(__AVX512F__)
  __m512 t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  __m512d u[16];
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    u[i] = _mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2]));
    u[i + 1] = _mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2]));
    u[i + 2] = _mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3]));
    u[i + 3] = _mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3]));
  }
  // u[4 g + c], 128-bit lane l: rows 4g..4g+3 of column 4l + c.
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const __m512d lowEven = _mm512_shuffle_f64x2(u[c], u[4 + c], 0x88);
    const __m512d lowOdd = _mm512_shuffle_f64x2(u[c], u[4 + c], 0xdd);
    const __m512d highEven = _mm512_shuffle_f64x2(u[8 + c], u[12 + c], 0x88);
    const __m512d highOdd = _mm512_shuffle_f64x2(u[8 + c], u[12 + c], 0xdd);
    r[c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(lowEven, highEven, 0x88));
    r[8 + c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(lowEven, highEven, 0xdd));
    r[4 + c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(lowOdd, highOdd, 0x88));
    r[12 + c] = _mm512_castpd_ps(_mm512_shuffle_f64x2(lowOdd, highOdd, 0xdd));
  }
#elif defined(__AVX2__)
  __m256 t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  __m256 u[8];
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
#else
  const Vector t[4] = {r[0], r[1], r[2], r[3]};
  for (int i = 0; i < 4; i++) r[i] = Vector{t[0][i], t[1][i], t[2][i], t[3][i]};
#endif
}

#if defined(__AVX512BF16__)
// Two vectors of floats as 32 bf16, `low` first.
inline __m512i roundPair(Vector high, Vector low) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

// (low[i], high[i]) side by side: unit i of two consecutive k.
inline Vector interleave(Vector high, Vector low) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, roundPair(high, low)));
}
#endif

// kLanes units of a row of D numbers from `d` on; zero past its end.
template <class Op>
inline Vector loadUnits(const float* row, int64_t D, int64_t d) {
  const int lanes = static_cast<int>(std::min<int64_t>(kLanes, D - d));
  const Vector low = loadSome(row + d, lanes);
#if defined(__AVX512BF16__)
  if constexpr (Op::kPerUnit == 2) {
    const int more = static_cast<int>(std::min<int64_t>(kLanes, D - d - kLanes));
    const Vector high = more > 0 ? loadSome(row + d + kLanes, more) : Vector{};
    return _mm512_castsi512_ps(roundPair(high, low));
  }
#endif
  return low;
}

// Packs one panel from a source whose k runs contiguously: load(row, k, n) gives n <= kLanes floats of a row.
// A panel narrower than a vector is stored over its edge, to be overwritten by the next unit, except at the end:
// another thread may own what follows.
template <class Op, int width, class Load>
void packTransposed(const Load& load, int rows, int64_t k, float* out) {
  const int64_t units = filledUnits<Op>(k);
  for (int group = 0; group < width; group += kLanes) {
    const int lanes = width - group < kLanes ? width - group : kLanes;
    const int count = rows - group < 0 ? 0 : rows - group < lanes ? rows - group : lanes;
    for (int64_t u = 0; u < units; u += kLanes) {
      const int wanted = units - u < kLanes ? static_cast<int>(units - u) : kLanes;
      Vector r[kLanes];
      if constexpr (Op::kPerUnit == 1) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) r[i] = i < count ? load(group + i, u, wanted) : Vector{};
      } else {
#if defined(__AVX512BF16__)
        const int64_t left = k - 2 * u;
        const int first = left < kLanes ? static_cast<int>(left) : kLanes;
        const int second = left - kLanes < kLanes ? static_cast<int>(left - kLanes) : kLanes;
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) {
          r[i] = Vector{};
          if (i >= count) continue;
          const Vector low = load(group + i, 2 * u, first);
          const Vector high = second > 0 ? load(group + i, 2 * u + kLanes, second) : Vector{};
          r[i] = _mm512_castsi512_ps(roundPair(high, low));
        }
#endif
      }
      transpose(r);
      float* target = out + u * width + group;
      if (wanted == kLanes && u + kLanes < units && (lanes == kLanes || width < kLanes)) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) store(target + i * width, r[i]);
      } else {
        for (int i = 0; i < wanted; i++) storePartial(target + i * width, r[i], lanes);
      }
    }
  }
}

// Packs adjacent panels from a source whose rows (or columns) run contiguously: load(k, column, n). Walks k outermost,
// so that the source is read along its rows. Panels are `panelSize` units apart. `sums`, if not null, receives the sum
// over k of each column, added to what is there unless `fresh`.
template <class Op, int width, class Load>
void packStraight(const Load& load, int64_t columns, int64_t k, int64_t panelSize, float* out, float* sums,
                  bool fresh = true) {
  constexpr int kGroup = 8;
  const int64_t units = filledUnits<Op>(k);
  const int64_t panels = (columns + width - 1) / width;
  constexpr int steps = (width + kLanes - 1) / kLanes;
  for (int64_t p0 = 0; p0 < panels; p0 += kGroup) {
    const int64_t p1 = p0 + kGroup < panels ? p0 + kGroup : panels;
    Vector total[kGroup * steps] = {};
    for (int64_t u = 0; u < units; u++) {
      int slot = 0;
      for (int64_t p = p0; p < p1; p++) {
        float* target = out + p * panelSize + u * width;
        for (int s = 0; s < steps; s++, slot++) {
          const int offset = s * kLanes;
          const int lanes = width - offset < kLanes ? width - offset : kLanes;
          const int64_t column = p * width + offset;
          const int64_t left = columns - column;
          const int wanted = left <= 0 ? 0 : left < kLanes ? static_cast<int>(std::min<int64_t>(left, lanes)) : kLanes;
          Vector v = {};
          if constexpr (Op::kPerUnit == 1) {
            if (wanted > 0) v = load(u, column, wanted);
            if (sums != nullptr) total[slot] += v;
          } else {
#if defined(__AVX512BF16__)
            Vector low = {};
            Vector high = {};
            if (wanted > 0) {
              low = load(2 * u, column, wanted);
              if (2 * u + 1 < k) high = load(2 * u + 1, column, wanted);
            }
            if (sums != nullptr) total[slot] += low + high;
            v = interleave(high, low);
#endif
          }
          // As above: over the edge of a narrow panel, to be overwritten by the next unit.
          if (lanes == kLanes || (steps == 1 && u + 1 < units)) {
            store(target + offset, v);
          } else {
            storePartial(target + offset, v, lanes);
          }
        }
      }
    }
    if (sums == nullptr) continue;
    int slot = 0;
    for (int64_t p = p0; p < p1; p++) {
      for (int s = 0; s < steps; s++, slot++) {
        for (int i = 0; i < kLanes && s * kLanes + i < width; i++) {
          const int64_t column = p * width + s * kLanes + i;
          if (column < columns) sums[column] = fresh ? total[slot][i] : sums[column] + total[slot][i];
        }
      }
    }
  }
}

// A matrix in memory as an operand: one of the strides (in floats) is 1. With `slope`, the matrix is multiplied by the
// activation's derivative at the pre-activation `pre` of the same layout, which is how gradients of activations fuse.
struct Matrix {
  const float* data;
  int64_t outer;  // stride between rows of the left operand, columns of the right one
  int64_t inner;  // stride along k
  const float* pre = nullptr;
  Activation activation = Activation::none;
  float* sums = nullptr;  // [k blocks, sumStride]: sums over each block of k; needs outer == 1
  int64_t sumStride = 0;
};

template <class Op, int width>
void packFilled(const Matrix& m, int64_t first, int64_t count, int64_t k0, int64_t k, int64_t block, float* out) {
  const int64_t panelSize = unitsOf<Op>(k) * width;
  const bool transposed = m.inner == 1 && m.sums == nullptr;
  float* sums = m.sums == nullptr ? nullptr : m.sums + block * m.sumStride + first;
  const auto from = [](const float* data, int64_t stride) {
    return [data, stride](int64_t line, int64_t at, int n) {
      const float* p = data + line * stride + at;
      return n == kLanes ? load(p) : loadPartial(p, n);
    };
  };
  if (m.pre == nullptr) {
    if (!transposed) {
      packStraight<Op, width>(from(m.data + first + k0 * m.inner, m.inner), count, k, panelSize, out, sums);
      return;
    }
    for (int64_t i = 0; i < count; i += width, out += panelSize) {
      const int rows = static_cast<int>(std::min<int64_t>(width, count - i));
      packTransposed<Op, width>(from(m.data + (first + i) * m.outer + k0, m.outer), rows, k, out);
    }
    return;
  }
  // The slope is applied in a buffer in the first-level cache: inside the transposition there are no registers for it.
  constexpr int64_t kAtOnce = 16;
  constexpr int64_t kMostColumns = 256;
  constexpr int64_t kMostDepth = 256;
  alignas(64) float buffer[std::max(kAtOnce * kMostColumns, width * kMostDepth)];
  if (transposed) {
    for (int64_t i = 0; i < count; i += width, out += panelSize) {
      const int rows = static_cast<int>(std::min<int64_t>(width, count - i));
      for (int64_t kk = 0; kk < k; kk += kMostDepth) {
        const int64_t depth = std::min(kMostDepth, k - kk);
        for (int r = 0; r < rows; r++) {
          const int64_t at = (first + i + r) * m.outer + k0 + kk;
          slopeRun(m.activation, m.data + at, m.pre + at, depth, buffer + r * kMostDepth);
        }
        packTransposed<Op, width>(from(buffer, kMostDepth), rows, depth, out + kk / Op::kPerUnit * width);
      }
    }
    return;
  }
  for (int64_t i = 0; i < count; i += kMostColumns / width * width) {
    const int64_t columns = std::min<int64_t>(kMostColumns / width * width, count - i);
    for (int64_t kk = 0; kk < k; kk += kAtOnce) {
      const int64_t depth = std::min(kAtOnce, k - kk);
      for (int64_t r = 0; r < depth; r++) {
        const int64_t at = (k0 + kk + r) * m.inner + first + i;
        for (int64_t c = 0; c < columns; c += 16) {
          __builtin_prefetch(m.data + at + kAtOnce * m.inner + c);
          __builtin_prefetch(m.pre + at + kAtOnce * m.inner + c);
        }
        slopeRun(m.activation, m.data + at, m.pre + at, columns, buffer + r * kMostColumns);
      }
      packStraight<Op, width>(from(buffer, kMostColumns), columns, depth, panelSize,
                              out + i / width * panelSize + kk / Op::kPerUnit * width,
                              sums == nullptr ? nullptr : sums + i, kk == 0);
    }
  }
}

template <class Op, int width>
void packMatrix(const Matrix& m, int64_t first, int64_t count, int64_t k0, int64_t k, int64_t block, float* out) {
  packFilled<Op, width>(m, first, count, k0, k, block, out);
  padPanels<Op, width>(out, count, k);
}

}  // namespace tessera
