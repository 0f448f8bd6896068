// What the decode step reads: the network's sizes, its weights packed for the micro-kernel, the cache of keys and values
// in the same order, and the products of a few rows with them.
#pragma once
#include <utility>

#include "attention_tiles.h"

namespace tessera {
namespace decode {

using flash::Arena;

struct Sizes {
  int64_t rows, layers, C, H, inner, vocabulary;
  int64_t positions;  // most that a row can have
  int64_t prefix;     // of them, those in a cache that rows share
  bool gated, centered, qkNorm;
  float normEps, qkEps;
  Precision precision;

  int64_t D() const { return C / H; }
  int64_t capacity() const { return positions - prefix; }
  bool sound() const {
    return rows >= 1 && layers >= 0 && C >= 1 && H >= 1 && C % H == 0 && inner >= 1 && vocabulary >= 1 && prefix >= 0 &&
           prefix <= positions;
  }
};

// Of any call here: they all begin with a network's numbers.
template <class Call>
Sizes sizesOf(const Call& c) {
  return {c.rows,  c.layers,   c.C,      c.H,       c.inner, c.vocabulary, c.positions, c.prefix,
          c.gated, c.centered, c.qkNorm, c.normEps, c.qkEps, c.precision};
}

inline int64_t panelsOf(int64_t columns) { return divideUp(columns, kColumns); }
inline int64_t padded(int64_t columns) { return roundUp(columns, kColumns); }

// ---- Packed weights ----

struct Layer {
  float *norm1, *bias1, *qkv, *qGain, *kGain, *output, *norm2, *bias2, *up, *down;
};

struct Ends {
  float *norm, *bias, *head;
};

template <class Op>
Layer cutLayer(const Sizes& s, Arena& arena) {
  const auto panels = [&](int64_t columns, int64_t k) { return arena.take(padded(columns) * unitsOf<Op>(k)); };
  Layer l;
  l.norm1 = arena.take(s.C);
  l.bias1 = arena.take(s.C);
  l.qkv = panels(3 * s.C, s.C);
  l.qGain = arena.take(s.D());
  l.kGain = arena.take(s.D());
  l.output = panels(s.C, s.C);
  l.norm2 = arena.take(s.C);
  l.bias2 = arena.take(s.C);
  // The gates' panels, then those of what they gate.
  l.up = arena.take((s.gated ? 2 : 1) * padded(s.inner) * unitsOf<Op>(s.C));
  l.down = panels(s.C, s.inner);
  return l;
}

template <class Op>
Ends cutEnds(const Sizes& s, Arena& arena) {
  Ends e;
  e.norm = arena.take(s.C);
  e.bias = arena.take(s.C);
  e.head = arena.take(padded(s.vocabulary) * unitsOf<Op>(s.C));
  return e;
}

template <class Op>
int64_t layerSize(const Sizes& s) {
  Arena arena;
  cutLayer<Op>(s, arena);
  return static_cast<int64_t>(arena.bytes() / sizeof(float));
}

template <class Op>
Layer layerAt(const Sizes& s, float* weights, int64_t layer) {
  Arena arena(weights + layer * layerSize<Op>(s));
  return cutLayer<Op>(s, arena);
}

template <class Op>
Ends endsAt(const Sizes& s, float* weights) {
  Arena arena(weights + s.layers * layerSize<Op>(s));
  return cutEnds<Op>(s, arena);
}

// ---- The cache ----

// Keys of a head are packed as columns, panel by panel; values as rows, one panel for each run of channels:
// [row, layer, head, (keys: panel, unit of D, kColumns), (values: panel of D, unit of positions, kColumns)]. Positions
// count from the first that this cache holds.
template <class Op>
struct Cache {
  const Sizes& s;
  float* data;
  int64_t capacity;

  int64_t keyPanel() const { return unitsOf<Op>(s.D()) * kColumns; }
  int64_t keySize() const { return panelsOf(capacity) * keyPanel(); }
  int64_t valuePanel() const { return padded(capacity) / Op::kPerUnit * kColumns; }
  int64_t headSize() const { return keySize() + panelsOf(s.D()) * valuePanel(); }
  int64_t rowSize() const { return s.layers * s.H * headSize(); }
  float* keys(int64_t row, int64_t layer, int64_t head) const {
    return data + row * rowSize() + (layer * s.H + head) * headSize();
  }
  float* values(int64_t row, int64_t layer, int64_t head) const { return keys(row, layer, head) + keySize(); }

  // `units` is a key in units.
  void appendKey(float* keys, int64_t position, const float* units) const {
    float* column = keys + position / kColumns * keyPanel() + position % kColumns;
    for (int64_t u = 0; u < unitsOf<Op>(s.D()); u++) column[u * kColumns] = units[u];
  }

  // The first position of a unit clears the second, so that nothing unwritten is ever multiplied.
  void appendValue(float* values, int64_t position, const float* v) const {
    for (int64_t d = 0; d < s.D(); d += kLanes) {
      const int lanes = static_cast<int>(std::min<int64_t>(kLanes, s.D() - d));
      float* unit = values + d / kColumns * valuePanel() + position / Op::kPerUnit * kColumns + d % kColumns;
      const Vector low = loadSome(v + d, lanes);
      if constexpr (Op::kPerUnit == 1) {
        storeSome(unit, low, lanes);
      } else {
#if defined(__AVX512BF16__)
        const IntVector half = (IntVector)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low));
        if (position % 2 == 0) {
          storeSome(unit, floats(half), lanes);
        } else {
          const IntVector first = bits(loadSome(unit, lanes)) & splatInt(0xffff);
          storeSome(unit, floats(first | half << 16), lanes);
        }
#endif
      }
    }
  }
};

// ---- Products of a few rows with packed panels ----

// c[R, P panels] = or += a b; unit u of row i is at a[u * R + i]; panels of b are `stride` apart, rows of c ldc.
template <class Op, int R, int P>
void rowsTile(int64_t units, const float* __restrict a, const float* __restrict b, int64_t stride, float* __restrict c,
              int64_t ldc, bool accumulate) {
  RegisterTile<Op, R, P * kColumnVectors> tile;
  accumulate ? tile.begin(c, ldc) : tile.begin();
  for (int64_t u = 0; u < units; u++, a += R, b += kColumns) {
    tile.add([&](int i) { return a[i]; },
             [&](int j) { return b + j / kColumnVectors * stride + j % kColumnVectors * kLanes; });
  }
  tile.end(c, ldc);
}

using RowsTile = void (*)(int64_t, const float*, const float*, int64_t, float*, int64_t, bool);

template <class Op, int P, int... R>
inline const RowsTile* rowsTiles(std::integer_sequence<int, R...>) {
  static const RowsTile table[] = {rowsTile<Op, R + 1, P>...};
  return table;
}

template <class Op>
inline void multiplyRows(int rows, int64_t panels, int64_t units, const float* a, const float* b, int64_t stride,
                         float* c, int64_t ldc, bool accumulate) {
  // One or two rows have too few sums to hide a multiplication's latency: they take several panels at once.
  const auto step = [&](auto width, const RowsTile* table) {
    constexpr int P = decltype(width)::value;
    for (; panels >= P; panels -= P, b += P * stride, c += P * kColumns) {
      table[rows - 1](units, a, b, stride, c, ldc, accumulate);
    }
  };
  if (rows == 1) step(std::integral_constant<int, 4>{}, rowsTiles<Op, 4>(std::make_integer_sequence<int, 1>{}));
  if (rows <= 2) step(std::integral_constant<int, 2>{}, rowsTiles<Op, 2>(std::make_integer_sequence<int, 2>{}));
  step(std::integral_constant<int, 1>{}, rowsTiles<Op, 1>(std::make_integer_sequence<int, kRows>{}));
}

// Rows cut into groups of nearly one size, none larger than kRows.
struct Groups {
  int64_t rows;
  int64_t count() const { return divideUp(rows, kRows); }
  int64_t start(int64_t group) const { return group * rows / count(); }
  int size(int64_t group) const { return static_cast<int>(start(group + 1) - start(group)); }
};

// Unit u of row i of a group goes to out[u * size + i]; `units` is that row as units.
inline void scatterUnits(const float* units, int64_t count, int row, int size, float* out) {
  if (size == 1) {
    std::memcpy(out, units, count * sizeof(float));
  } else {
    for (int64_t u = 0; u < count; u++) out[u * size + row] = units[u];
  }
}

// Whether rows of so many units are multiplied on tiles. Not of how many rows there are: each would be summed in another order
// alone than in company.
template <class Op>
inline bool onTiles(int64_t units) {
#if defined(__AMX_TILE__)
  return Op::kPerUnit == 2 && units % kTileUnits == 0;
#else
  (void)units;
  return false;
#endif
}

// Memory for rows, of which tiles write whole groups.
inline int64_t roomFor(int64_t rows) { return roundUp(rows, 16); }

template <class Op>
inline void toUnits(const float* row, int64_t k, float* units) {
  for (int64_t u = 0; u < unitsOf<Op>(k); u += kLanes) store(units + u, loadUnits<Op>(row, k, u * Op::kPerUnit));
}

}  // namespace decode
}  // namespace tessera
