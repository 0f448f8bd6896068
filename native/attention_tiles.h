// What forward and backward attention share: products on register tiles whose left operand is broadcast from memory,
// either packed (its rows side by side for each k) or as it lies; packing; masks; scratch memory.
#pragma once
#include <algorithm>
#include <cmath>

#include "gemm_driver.h"
#include "simd.h"

namespace tessera {
namespace flash {

constexpr int kPanel = kColumns;         // queries side by side in a tile of scores
constexpr int kWide = kPanel / kLanes;   // vectors of a panel
constexpr int kTile = 2 * kPanel;        // queries that the backward pass takes at once
template <class Op>
constexpr int kBlock = Op::kTiles ? 128 : kRows * (112 / kRows);  // keys of a tile
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLn2 = 0.693147180559945309f;
constexpr float kHidden = -1e30f;  // score of a pair that a mask hides
constexpr float kFloor = -1e20f;   // the running maximum before any score: far above what is hidden

static_assert(kBlock<Fp32> % 2 == 0 && kPanel % kLanes == 0);

// c[ROWS, WIDE vectors] = or += a b, over `units` of k; a's unit (row i, u) is at a[i * ROW + u * kStride].
template <class Op, int ROWS, int WIDE, int ROW>
void registerTile(int64_t units, const float* __restrict a, int64_t kStride, const float* __restrict b, int64_t bStride,
                  float* __restrict c, int64_t ldc, bool accumulate) {
  RegisterTile<Op, ROWS, WIDE> tile;
  accumulate ? tile.begin(c, ldc) : tile.begin();
  for (int64_t u = 0; u < units; u++, a += kStride, b += bStride) {
    tile.add([&](int i) { return a[i * ROW]; }, [&](int j) { return b + j * kLanes; });
  }
  tile.end(c, ldc);
}

// The left operand of a product: a group of kRows rows starts `group` after the one before.
struct Left {
  const float* data;
  int64_t group;
  int64_t kStride;
};

// The right operand: units of k are `stride` apart, columns adjacent.
struct Right {
  const float* data;
  int64_t stride;
};

// Rows of less than a whole group: the largest tiles of every second height, down to 2 and 1.
template <class Op, int WIDE, int ROW, int ROWS = kRows>
inline void tileRows(int64_t rows, int64_t units, const float* a, int64_t kStride, const Right& b, float* c,
                     int64_t ldc, bool accumulate) {
  if (rows >= ROWS) {
    registerTile<Op, ROWS, WIDE, ROW>(units, a, kStride, b.data, b.stride, c, ldc, accumulate);
    rows -= ROWS;
    if (rows == 0) return;
    a += ROWS * ROW;
    c += ROWS * ldc;
  }
  if constexpr (ROWS > 1) {
    tileRows<Op, WIDE, ROW, (ROWS > 3 ? ROWS - 2 : ROWS - 1)>(rows, units, a, kStride, b, c, ldc, accumulate);
  }
}

// c[rows, WIDE vectors] = or += a b.
template <class Op, int ROW, int WIDE = kWide>
inline void productPanel(const Left& a, int64_t rows, const Right& b, int64_t units, float* c, int64_t ldc,
                         bool accumulate) {
  const float* left = a.data;
  for (int64_t i = 0; i < rows; i += kRows, left += a.group) {
    tileRows<Op, WIDE, ROW>(std::min<int64_t>(kRows, rows - i), units, left, a.kStride, b, c + i * ldc, ldc, accumulate);
  }
}

// The same for `vectors` <= WIDE.
template <class Op, int ROW, int WIDE = kWide>
inline void productEdge(const Left& a, int64_t rows, const Right& b, int vectors, int64_t units, float* c, int64_t ldc,
                        bool accumulate) {
  if constexpr (WIDE > 1) {
    if (vectors < WIDE) return productEdge<Op, ROW, WIDE - 1>(a, rows, b, vectors, units, c, ldc, accumulate);
  }
  productPanel<Op, ROW, WIDE>(a, rows, b, units, c, ldc, accumulate);
}

// c[rows, columns] += a b; columns a multiple of kLanes.
template <class Op, int ROW>
inline void addProduct(const Left& a, int64_t rows, const Right& b, int64_t columns, int64_t units, float* c,
                       int64_t ldc) {
  for (int64_t j = 0; j < columns; j += kPanel) {
    const int vectors = static_cast<int>(std::min<int64_t>(kPanel, columns - j) / kLanes);
    productEdge<Op, ROW>(a, rows, Right{b.data + j, b.stride}, vectors, units, c + j, ldc, true);
  }
}

template <class Op>
constexpr Precision precisionOf() {
  return Op::kPerUnit == 2 ? Precision::bf16 : Precision::fp32;
}

// A panel of queries as a right operand: out[unit of D, query], zero from `count` on.
template <class Op>
void packPanel(const float* data, int64_t stride, int64_t count, int64_t D, float* out) {
  const int64_t units = unitsOf<Op>(D);
  for (int group = 0; group < kPanel; group += kLanes) {
    const int64_t rows = count - group;
    const float* first = data + group * stride;
    for (int64_t u = 0; u < units; u += kLanes) {
      Vector block[kLanes];
      const int64_t d = u * Op::kPerUnit;
      if (rows >= kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) block[i] = loadUnits<Op>(first + i * stride, D, d);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) block[i] = i < rows ? loadUnits<Op>(first + i * stride, D, d) : Vector{};
      }
      transpose(block);
      float* target = out + u * kPanel + group;
      if (units - u >= kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) store(target + i * kPanel, block[i]);
      } else {
        for (int i = 0; i < units - u; i++) store(target + i * kPanel, block[i]);
      }
    }
  }
}

// Keys or values as the left operand of scores: their rows kLeftRow units apart where they fit, which costs no more than
// a copy, else packed.
constexpr int kLeftRow = 80;

template <class Op>
struct KeyRows {
  float* data;
  int64_t D;

  static bool fits(int64_t D) { return Op::kTiles || unitsOf<Op>(D) <= kLeftRow; }
  static int64_t rowSize(int64_t D) { return Op::kTiles ? unitsOf<Op>(D) : kLeftRow; }
  static int64_t size(int64_t rows, int64_t D) {
    if (Op::kTiles) return roundUp(rows, PanelOf<Op>::kRows) * rowSize(D);
    return fits(D) ? rows * kLeftRow + kLanes : roundUp(rows, kRows) * unitsOf<Op>(D);
  }

  void pack(const float* rows, int64_t count) const {
    if (!fits(D)) return packRows(precisionOf<Op>(), rows, D, 1, count, D, data);
    for (int64_t i = 0; i < count; i++) {
      for (int64_t u = 0; u < unitsOf<Op>(D); u += kLanes) {
        store(data + i * rowSize(D) + u, loadUnits<Op>(rows + i * D, D, u * Op::kPerUnit));
      }
    }
  }

  // c[count, kPanel] = rows [j, j + count) times a panel of queries; j is a multiple of kRows.
  void multiply(int64_t j, int64_t count, const float* panel, float* c) const {
    const int64_t units = unitsOf<Op>(D);
    const Right right{panel, kPanel};
    if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
      multiplyRows({data + j * units, units, kTileUnits, kTileRows * units}, count, {panel, kPanel}, kPanel, units, c,
                   kPanel, false);
#endif
    } else if (fits(D)) {
      productPanel<Op, kLeftRow>(Left{data + j * kLeftRow, kRows * kLeftRow, 1}, count, right, units, c, kPanel, false);
    } else {
      productPanel<Op, 1>(Left{data + j * units, kRows * units, kRows}, count, right, units, c, kPanel, false);
    }
  }
};

// Rows as they lie, as units of k = the rows: [units(rows), padded], columns from D on are zero, and so are rows past the end.
template <class Op>
void packNatural(const float* data, int64_t stride, int64_t rows, int64_t D, int64_t padded, float* out) {
  for (int64_t i = 0; i < rows; i += Op::kPerUnit, out += padded) {
    const float* row = data + i * stride;
    for (int64_t d = 0; d < padded; d += kLanes) {
      const int lanes = static_cast<int>(std::min<int64_t>(kLanes, D - d));
      const Vector low = loadSome(row + d, lanes);
#if defined(__AVX512BF16__)
      if constexpr (Op::kPerUnit == 2) {
        store(out + d, interleave(i + 1 < rows ? loadSome(row + stride + d, lanes) : Vector{}, low));
        continue;
      }
#endif
      store(out + d, low);
    }
  }
  std::fill_n(out, (unitsOf<Op>(rows) - filledUnits<Op>(rows)) * padded, 0.0f);
}

// Keys or values as the left operand of products over keys: rows are the D numbers of each, k runs over keys. For tiles
// [step of 32 keys, row, unit], else as they lie.
template <class Op>
struct AcrossKeys {
  float* data;
  int64_t D;

  int64_t padded() const { return roundUp(D, kLanes); }
  static int64_t size(int64_t keys, int64_t D) { return unitsOf<Op>(keys) * roundUp(D, kLanes); }

  void pack(const float* rows, int64_t count) const {
    if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
      float* out = data;
      for (int64_t i = 0; i < count; i += 2 * kTileUnits) {
        for (int64_t d = 0; d < D; d += kLanes, out += kTileFloats) {
          const int lanes = static_cast<int>(std::min<int64_t>(kLanes, D - d));
          packTileAcross([&](int64_t key) { return loadSome(rows + (i + key) * D + d, lanes); }, count - i, out,
                         kTileUnits, nullptr);
        }
      }
#endif
    } else {
      packNatural<Op>(rows, D, count, D, padded(), data);
    }
  }

  // out[D, kPanel] = or += rows over `keys` keys from j on, a multiple of kBlock, times their units of a panel of queries.
  void multiply(int64_t j, int64_t keys, const Right& right, float* out, bool accumulate) const {
    const float* first = data + j / Op::kPerUnit * padded();
    if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
      multiplyRows({first, kTileUnits, padded() * kTileUnits, kTileFloats}, D, {right.data, right.stride}, kPanel,
                   unitsOf<Op>(keys), out, kPanel, accumulate);
#endif
    } else {
      productPanel<Op, 1>(Left{first, kRows, padded()}, D, right, unitsOf<Op>(keys), out, kPanel, accumulate);
    }
  }
};

// Zeros behind units of k that are not all filled: `keys` rows of a panel of weights as a right operand.
template <class Op>
inline void padWeights(float* weights, int64_t keys) {
  const int64_t filled = filledUnits<Op>(keys);
  std::fill_n(weights + filled * kPanel, (unitsOf<Op>(keys) - filled) * kPanel, 0.0f);
}

// out[column, i] = scale[column] * in[i, column] for a panel of `columns` queries, D values each.
void storeTransposed(const float* in, int columns, int64_t D, const float* scale, float* out, int64_t stride) {
  for (int group = 0; group < columns; group += kLanes) {
    const int count = std::min(kLanes, columns - group);
    const Vector factor = load(scale + group);
    for (int64_t d = 0; d < D; d += kLanes) {
      const int lanes = static_cast<int>(std::min<int64_t>(kLanes, D - d));
      Vector block[kLanes];
      const float* source = in + d * kPanel + group;
      float* target = out + group * stride + d;
      if (lanes == kLanes && count == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) block[i] = load(source + i * kPanel) * factor;
        transpose(block);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) store(target + i * stride, block[i]);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) block[i] = i < lanes ? load(source + i * kPanel) * factor : Vector{};
        transpose(block);
        for (int i = 0; i < count; i++) storeSome(target + i * stride, block[i], lanes);
      }
    }
  }
}

// ---- Masks ----

// `table` is transposed: whether query position p sees key j is at table[j * stride + p]; rows have room past the end
// for a whole panel.
struct Mask {
  MaskKind kind;
  const uint8_t* table;
  int64_t stride;
};

enum class Cover { partial, full };

// What a panel of queries at positions [first, first + count) sees of keys [j, j + keys).
struct View {
  int64_t keys;  // from j on, the only ones to look at; 0 if none is visible
  Cover cover;
};

inline View lookAt(const Mask& mask, int64_t first, int64_t count, int64_t j, int64_t keys) {
  switch (mask.kind) {
    case MaskKind::none: return {keys, Cover::full};
    case MaskKind::causal: {
      const int64_t seen = std::max<int64_t>(0, std::min(keys, first + count - j));
      return {seen, j + seen - 1 <= first ? Cover::full : Cover::partial};
    }
    case MaskKind::table: {
      int64_t last = 0;
      bool full = true;
      for (int64_t r = 0; r < keys; r++) {
        const uint8_t* row = mask.table + (j + r) * mask.stride + first;
        int visible = 0;
        for (int64_t i = 0; i < count; i++) visible += row[i];
        if (visible > 0) last = r + 1;
        full = full && visible == count;
      }
      return {last, full ? Cover::full : Cover::partial};
    }
  }
  return {keys, Cover::full};
}

// Which of the kLanes queries from position p on see key j.
inline IntVector visibleLanes(const Mask& mask, int64_t p, int64_t j) {
  if (mask.kind == MaskKind::causal) return laneIndex() >= splatInt(static_cast<int32_t>(j - p));
  ByteVector bytes;
  std::memcpy(&bytes, mask.table + j * mask.stride + p, sizeof bytes);
  return __builtin_convertvector(bytes, IntVector) != 0;
}

// ---- Sizes ----

// Queries are [B, H, Tq, D]; keys and values have `keyRows` rows a head, of which Tk are used; y is [B, Tq, H * D].
struct Problem {
  int64_t B, H, Tq, Tk, D, keyRows;
  Mask mask;

  int64_t offset() const { return Tk - Tq; }
  int64_t heads() const { return B * H; }
  int64_t width() const { return H * D; }
  // Where head `bh` starts in an array like y.
  int64_t merged(int64_t bh) const { return bh / H * Tq * width() + bh % H * D; }
  // Keys that queries before `queryEnd` can see at all.
  int64_t keysFor(int64_t queryEnd) const { return mask.kind == MaskKind::causal ? offset() + queryEnd : Tk; }
};

// Cuts scratch memory into aligned arrays of floats; without memory it only measures how much is needed.
class Arena {
 public:
  explicit Arena(void* memory = nullptr) : memory_(static_cast<float*>(memory)) {}
  float* take(int64_t floats) {
    const int64_t at = used_;
    used_ += roundUp(floats, 16);
    return memory_ == nullptr ? nullptr : memory_ + at;
  }
  size_t bytes() const { return used_ * sizeof(float); }

 private:
  float* memory_;
  int64_t used_ = 0;
};

// Into how many parts to cut the work of one head so that all threads have some.
inline int64_t partsFor(int64_t heads, int64_t pieces, int64_t fewest) {
  const int64_t wanted = threadCount() == 1 ? 1 : divideUp(3 * threadCount(), std::max<int64_t>(1, heads));
  return std::max<int64_t>(1, std::min(wanted, pieces / fewest));
}

template <class Call>
Problem problemOf(const Call& call) {
  Problem problem;
  problem.B = call.B;
  problem.H = call.H;
  problem.Tq = call.Tq;
  problem.Tk = call.Tk;
  problem.D = call.D;
  problem.keyRows = call.Tk;
  problem.mask = Mask{call.mask, call.table, call.stride};
  return problem;
}

template <class Call>
bool lacksTable(const Call& call) {
  return call.mask == MaskKind::table && (call.table == nullptr || call.stride < call.Tk);
}

}  // namespace flash
}  // namespace tessera
