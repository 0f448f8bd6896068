// Products on the tile registers of AMX (Intel Architecture Instruction Set Extensions, AMX-TILE and AMX-BF16): eight
// registers of 16 rows of 64 bytes, and an instruction that adds the product of [16, 32] and [32, 16] bf16 to 16 x 16 fp32
// sums. The right operand lies as it does for AVX512-BF16: a row is a unit of k, two bf16, of 16 columns. The left one does
// not: a row has 32 numbers of k side by side.
#pragma once
#include "gemm_pack.h"
#include "tile_permission.h"

namespace tessera {

#if defined(__AMX_TILE__) && defined(__AMX_BF16__)

// Asked before any thread multiplies; whoever loads a build for tiles has made sure that it is answered with yes.
[[maybe_unused]] const bool kTilesAllowed = allowTiles();

constexpr int kTileRows = 16;
constexpr int kTileUnits = Amx::kUnitStep;  // of k in a row of the left operand, and rows of the right one
constexpr int kTileFloats = kTileRows * kTileUnits;

// Eight registers of 16 rows of 64 bytes, as the processor reads it.
struct alignas(64) TileShapes {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
// In memory for good: the compiler does not know how much of it the instruction reads.
constexpr TileShapes kTileShapes;

// A thread that multiplies tiles holds one of these. Registers that are given back need not be saved when threads change.
class TileScope {
 public:
  TileScope() { _tile_loadconfig(&kTileShapes); }
  ~TileScope() { _tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

// A left operand: rows, steps of 16 units of k and groups of 16 rows are so many floats apart.
struct TileLeft {
  const float* data;
  int64_t row, step, group;
};

// A right operand: units of k are so many floats apart, columns adjacent.
struct TileRight {
  const float* data;
  int64_t unit;
};

// Stretches of k of a left operand: `count` of them, each so many floats from its start.
struct TileRuns {
  const int64_t* offsets;
  int count;
};
constexpr int64_t kNoOffset = 0;

// c[16 M, 16 N] = or += a b over `units` of k of each stretch, a multiple of 16.
template <int M, int N>
inline void multiplyTiles(int64_t units, const TileLeft& left, const TileRight& right, float* c, int64_t ldc,
                          bool accumulate, const TileRuns& runs) {
  asm volatile("" ::: "memory");  // the compiler does not know that loads of tiles read memory
  const int64_t cBytes = ldc * 4, aBytes = left.row * 4, bBytes = right.unit * 4;
  if (accumulate) {
    _tile_loadd(0, c, cBytes);
    if constexpr (N > 1) _tile_loadd(1, c + 16, cBytes);
    if constexpr (M > 1) _tile_loadd(2, c + 16 * ldc, cBytes);
    if constexpr (M > 1 && N > 1) _tile_loadd(3, c + 16 * ldc + 16, cBytes);
  } else {
    _tile_zero(0);
    if constexpr (N > 1) _tile_zero(1);
    if constexpr (M > 1) _tile_zero(2);
    if constexpr (M > 1 && N > 1) _tile_zero(3);
  }
  const float* b = right.data;
  for (int run = 0; run < runs.count; run++) {
    const float* a = left.data + runs.offsets[run];
    for (int64_t u = 0; u < units; u += kTileUnits, a += left.step, b += kTileUnits * right.unit) {
      _tile_loadd(6, b, bBytes);
      _tile_loadd(4, a, aBytes);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (N > 1) {
        _tile_loadd(7, b + 16, bBytes);
        _tile_dpbf16ps(1, 4, 7);
      }
      if constexpr (M > 1) {
        _tile_loadd(5, a + left.group, aBytes);
        _tile_dpbf16ps(2, 5, 6);
      }
      if constexpr (M > 1 && N > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, c, cBytes);
  if constexpr (N > 1) _tile_stored(1, c + 16, cBytes);
  if constexpr (M > 1) _tile_stored(2, c + 16 * ldc, cBytes);
  if constexpr (M > 1 && N > 1) _tile_stored(3, c + 16 * ldc + 16, cBytes);
}

// The same for one or two groups of 16 rows and of 16 columns.
inline void multiplySomeTiles(int groups, int vectors, int64_t units, const TileLeft& a, const TileRight& b, float* c,
                              int64_t ldc, bool accumulate, const TileRuns& runs = {&kNoOffset, 1}) {
  if (groups > 1) {
    vectors > 1 ? multiplyTiles<2, 2>(units, a, b, c, ldc, accumulate, runs)
                : multiplyTiles<2, 1>(units, a, b, c, ldc, accumulate, runs);
  } else {
    vectors > 1 ? multiplyTiles<1, 2>(units, a, b, c, ldc, accumulate, runs)
                : multiplyTiles<1, 1>(units, a, b, c, ldc, accumulate, runs);
  }
}

// c[rows, columns] = or += a b; columns a multiple of 16. Whole groups of 16 rows are read and written: c has room for them.
inline void multiplyRows(const TileLeft& a, int64_t rows, const TileRight& b, int64_t columns, int64_t units, float* c,
                         int64_t ldc, bool accumulate) {
  TileLeft left = a;
  for (int64_t i = 0; i < rows; i += 2 * kTileRows, left.data += 2 * left.group) {
    const int groups = rows - i > kTileRows ? 2 : 1;
    for (int64_t j = 0; j < columns; j += 32) {
      multiplySomeTiles(groups, columns - j > 16 ? 2 : 1, units, left, {b.data + j, b.unit}, c + i * ldc + j, ldc,
                        accumulate);
    }
  }
}

// ---- Packing of left operands: panels of 32 rows; of each, [step of 16 units, row, unit] ----

constexpr int kTilePanel = 2 * kTileRows;
constexpr int kTileStep = kTilePanel * kTileUnits;  // floats of a step of a panel

// 32 numbers of k of a row, rounded; those from `count` on are zero. load(k, n) gives n <= kLanes floats.
template <class Load>
inline Vector roundRow(const Load& load, int64_t k, int64_t count) {
  const auto part = [&](int64_t at) {
    const int64_t n = count - at;
    return n <= 0 ? Vector{} : load(at, n < kLanes ? static_cast<int>(n) : kLanes);
  };
  const Vector low = part(k);
  return _mm512_castsi512_ps(roundPair(part(k + kLanes), low));
}

// One row of a panel, whose k runs contiguously. out: the row in its first step.
template <class Load>
inline void packTileRow(const Load& load, int64_t k, float* out) {
  for (int64_t kk = 0; kk < k; kk += 2 * kLanes, out += kTileStep) store(out, roundRow(load, kk, k));
}

// 16 rows and up to 32 numbers of k of a source whose rows run contiguously, as rows of 16 units: load(k) gives 16 rows.
// `sums`, if not null, is added what is packed, in fp32.
template <class Load>
inline void packTileAcross(const Load& load, int64_t k, float* out, int64_t row, Vector* sums) {
  Vector r[kLanes];
  Vector total = {};
#pragma GCC unroll 16
  for (int u = 0; u < kLanes; u++) {
    const Vector low = 2 * u < k ? load(2 * u) : Vector{};
    const Vector high = 2 * u + 1 < k ? load(2 * u + 1) : Vector{};
    total += low + high;
    r[u] = interleave(high, low);
  }
  if (sums != nullptr) *sums += total;
  transpose(r);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i++) store(out + i * row, r[i]);
}

// Rows [first, first + count) of the left operand, k from k0 on.
inline void packTiles(const Matrix& m, int64_t first, int64_t count, int64_t k0, int64_t k, int64_t block, float* out) {
  const int64_t panelSize = unitsOf<Amx>(k) * kTilePanel;
  const auto from = [](const float* p, int n) { return n == kLanes ? load(p) : loadPartial(p, n); };
  if (m.inner == 1 && m.sums == nullptr) {
    constexpr int64_t kMostDepth = 512;
    alignas(64) float buffer[kMostDepth];
    for (int64_t i = 0; i < roundUp(count, kTilePanel); i++) {
      float* to = out + i / kTilePanel * panelSize + i % kTilePanel * kTileUnits;
      if (i >= count) {
        packTileRow([](int64_t, int) { return Vector{}; }, k, to);
        continue;
      }
      const int64_t at = (first + i) * m.outer + k0;
      if (m.pre == nullptr) {
        packTileRow([&](int64_t kk, int n) { return from(m.data + at + kk, n); }, k, to);
        continue;
      }
      for (int64_t kk = 0; kk < k; kk += kMostDepth) {
        const int64_t depth = std::min(kMostDepth, k - kk);
        slopeRun(m.activation, m.data + at + kk, m.pre + at + kk, depth, buffer);
        packTileRow([&](int64_t b, int n) { return from(buffer + b, n); }, depth, to + kk / (2 * kLanes) * kTileStep);
      }
    }
    return;
  }
  float* sums = m.sums == nullptr ? nullptr : m.sums + block * m.sumStride + first;
  constexpr int64_t kDepth = 2 * kLanes;
  alignas(64) float buffer[kDepth * kLanes];
  for (int64_t i = 0; i < roundUp(count, kTilePanel); i += kLanes) {
    float* to = out + i / kTilePanel * panelSize + i % kTilePanel * kTileUnits;
    const int lanes = static_cast<int>(std::max<int64_t>(0, std::min<int64_t>(kLanes, count - i)));
    Vector total = {};
    for (int64_t kk = 0; kk < k; kk += kDepth, to += kTileStep) {
      const int64_t depth = std::min(kDepth, k - kk);
      const int64_t at = (k0 + kk) * m.inner + first + i;
      if (m.pre != nullptr && lanes > 0) {
        for (int64_t d = 0; d < depth; d++) {
          slopeRun(m.activation, m.data + at + d * m.inner, m.pre + at + d * m.inner, lanes, buffer + d * kLanes);
        }
        packTileAcross([&](int64_t d) { return from(buffer + d * kLanes, lanes); }, depth, to, kTileUnits, &total);
      } else {
        packTileAcross([&](int64_t d) { return lanes == 0 ? Vector{} : from(m.data + at + d * m.inner, lanes); }, depth,
                       to, kTileUnits, &total);
      }
    }
    if (sums != nullptr && lanes > 0) storePartial(sums + i, total, lanes);
  }
}

#else

struct TileScope {
  TileScope() {}
};

#endif

}  // namespace tessera
