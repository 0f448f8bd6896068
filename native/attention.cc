// Attention without a T x T matrix (Dao et al. 2022, FlashAttention, arXiv:2205.14135). Scores are computed transposed,
// keys down and a panel of queries across the lanes: the softmax then needs no sum across lanes, and its result is
// already the packed right operand of the next product. Products run on register tiles whose left operand is broadcast
// from memory, either packed (its rows side by side for each k) or as it lies.
#include <algorithm>
#include <cmath>

#include "gemm_driver.h"
#include "simd.h"

namespace tessera {
namespace flash {

constexpr int kPanel = kColumns;         // queries side by side in a tile of scores
constexpr int kWide = kPanel / kLanes;   // vectors of a panel
constexpr int kTile = 2 * kPanel;        // queries that the backward pass takes at once
constexpr int kBlock = kRows * (112 / kRows);  // keys of a tile
constexpr float kLog2e = 1.44269504088896341f;
constexpr float kLn2 = 0.693147180559945309f;
constexpr float kHidden = -1e30f;  // score of a pair that a mask hides
constexpr float kFloor = -1e20f;   // the running maximum before any score: far above what is hidden

static_assert(kBlock % 2 == 0 && kPanel % kLanes == 0);

// c[ROWS, WIDE vectors] = or += a b, over `units` of k; a's unit (row i, u) is at a[i * ROW + u * kStride].
template <class Op, int ROWS, int WIDE, int ROW>
void registerTile(int64_t units, const float* __restrict a, int64_t kStride, const float* __restrict b, int64_t bStride,
                  float* __restrict c, int64_t ldc, bool accumulate) {
  Vector sum[ROWS][WIDE];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < WIDE; j++) sum[i][j] = Vector{};
  }
  if (accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
      for (int j = 0; j < WIDE; j++) sum[i][j] = load(c + i * ldc + j * kLanes);
    }
  }
  for (int64_t u = 0; u < units; u++, a += kStride, b += bStride) {
    Vector right[WIDE];
#pragma GCC unroll 4
    for (int j = 0; j < WIDE; j++) right[j] = load(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) {
      const Vector left = splat(a[i * ROW]);
#pragma GCC unroll 4
      for (int j = 0; j < WIDE; j++) sum[i][j] = multiplyAdd<Op>(left, right[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < WIDE; j++) store(c + i * ldc + j * kLanes, sum[i][j]);
  }
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

// Rows of less than a whole group: the largest tiles of even height, and one of height 1 at the end.
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
  if constexpr (ROWS > 2) {
    tileRows<Op, WIDE, ROW, ROWS - 2>(rows, units, a, kStride, b, c, ldc, accumulate);
  } else if constexpr (ROWS == 2) {
    tileRows<Op, WIDE, ROW, 1>(rows, units, a, kStride, b, c, ldc, accumulate);
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

  static bool fits(int64_t D) { return unitsOf<Op>(D) <= kLeftRow; }
  static int64_t size(int64_t rows, int64_t D) {
    return fits(D) ? rows * kLeftRow + kLanes : roundUp(rows, kRows) * unitsOf<Op>(D);
  }

  void pack(const float* rows, int64_t count) const {
    if (!fits(D)) return packRows(precisionOf<Op>(), rows, D, 1, count, D, data);
    for (int64_t i = 0; i < count; i++) {
      for (int64_t u = 0; u < unitsOf<Op>(D); u += kLanes) {
        store(data + i * kLeftRow + u, loadUnits<Op>(rows + i * D, D, u * Op::kPerUnit));
      }
    }
  }

  // c[count, kPanel] = rows [j, j + count) times a panel of queries; j is a multiple of kRows.
  void multiply(int64_t j, int64_t count, const float* panel, float* c) const {
    const int64_t units = unitsOf<Op>(D);
    const Right right{panel, kPanel};
    if (fits(D)) {
      productPanel<Op, kLeftRow>(Left{data + j * kLeftRow, kRows * kLeftRow, 1}, count, right, units, c, kPanel, false);
    } else {
      productPanel<Op, 1>(Left{data + j * units, kRows * units, kRows}, count, right, units, c, kPanel, false);
    }
  }
};

// Rows as they lie, as units of k = the rows: [units(rows), padded], columns from D on are zero.
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

enum class Kind { none = 0, causal = 1, table = 2 };

// `table` is transposed: whether query position p sees key j is at table[j * stride + p]; rows have room past the end
// for a whole panel.
struct Mask {
  Kind kind;
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
    case Kind::none: return {keys, Cover::full};
    case Kind::causal: {
      const int64_t seen = std::max<int64_t>(0, std::min(keys, first + count - j));
      return {seen, j + seen - 1 <= first ? Cover::full : Cover::partial};
    }
    case Kind::table: {
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
  if (mask.kind == Kind::causal) return laneIndex() >= splatInt(static_cast<int32_t>(j - p));
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
  int64_t keysFor(int64_t queryEnd) const { return mask.kind == Kind::causal ? offset() + queryEnd : Tk; }
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
  const int64_t wanted = threadCount() == 1 ? 1 : divideUp(3 * threadCount(), heads);
  return std::max<int64_t>(1, std::min(wanted, pieces / fewest));
}

// ---- Forward ----

template <class Op>
struct ForwardScratch {
  KeyRows<Op> keys;
  float *values, *queries, *scores, *weights, *sums;

  ForwardScratch(Arena& arena, int64_t count, int64_t D, int64_t padded)
      : keys{arena.take(KeyRows<Op>::size(count, D)), D},
        values(arena.take(unitsOf<Op>(count) * padded)),
        queries(arena.take(kPanel * unitsOf<Op>(D))),
        scores(arena.take((kBlock + 2) * kPanel)),
        weights(Op::kPerUnit == 1 ? scores : arena.take((kBlock + 2) * kPanel)),
        sums(arena.take(roundUp(D, kLanes) * kPanel)) {}
};

// Running maximum (in units of log2) and sum of a panel's softmax.
struct Softmax {
  Vector largest[kWide];
  Vector total[kWide];
};

// Scores of `keys` rows become weights exp(score - maximum), packed as a right operand; `shrink` receives the factor by
// which earlier sums are too large now.
template <class Op>
void weigh(const Problem& problem, float scale, int64_t position, int64_t j, int64_t keys, Cover cover,
           const ForwardScratch<Op>& s, Softmax& state, Vector* shrink) {
  float* scores = s.scores;
  Vector largest[kWide];
  for (int w = 0; w < kWide; w++) largest[w] = splat(kHidden);
  for (int64_t r = 0; r < keys; r++) {
    for (int w = 0; w < kWide; w++) {
      float* at = scores + r * kPanel + w * kLanes;
      Vector x = load(at);
      if (cover == Cover::partial) {
        x = select(visibleLanes(problem.mask, position + w * kLanes, j + r), x, splat(kHidden));
        store(at, x);
      }
      largest[w] = maximum(largest[w], x);
    }
  }
  for (int w = 0; w < kWide; w++) {
    const Vector now = maximum(state.largest[w], largest[w] * scale);
    shrink[w] = exp2Vector(state.largest[w] - now);
    state.largest[w] = now;
    state.total[w] *= shrink[w];
  }
  for (int64_t r = 0; r < keys; r += Op::kPerUnit) {
    for (int w = 0; w < kWide; w++) {
      float* at = scores + r * kPanel + w * kLanes;
      const Vector low = exp2Vector<Op::kPerUnit == 2>(load(at) * scale - state.largest[w]);
      state.total[w] += low;
      if constexpr (Op::kPerUnit == 1) {
        store(at, low);
      } else {
#if defined(__AVX512BF16__)
        Vector high = {};
        if (r + 1 < keys) high = exp2Vector<true>(load(at + kPanel) * scale - state.largest[w]);
        state.total[w] += high;
        store(s.weights + r / 2 * kPanel + w * kLanes, interleave(high, low));
#endif
      }
    }
  }
}

template <class Op>
void forwardPanel(const Problem& problem, const float* q, int64_t query, int64_t count, const ForwardScratch<Op>& s,
                  float* y, float* logsumexp) {
  const int64_t D = problem.D;
  const int64_t padded = roundUp(D, kLanes);
  const int64_t position = problem.offset() + query;
  const int64_t limit = problem.keysFor(query + count);
  const float scale = kLog2e / std::sqrt(static_cast<float>(D));
  packPanel<Op>(q, D, count, D, s.queries);

  Softmax state;
  for (int w = 0; w < kWide; w++) {
    state.largest[w] = splat(kFloor);
    state.total[w] = Vector{};
  }
  bool first = true;
  for (int64_t j = 0; j < limit; j += kBlock) {
    const View view = lookAt(problem.mask, position, count, j, std::min<int64_t>(kBlock, limit - j));
    if (view.keys == 0) continue;
    s.keys.multiply(j, view.keys, s.queries, s.scores);
    Vector shrink[kWide];
    weigh<Op>(problem, scale, position, j, view.keys, view.cover, s, state, shrink);
    if (!first) {
      for (int64_t d = 0; d < D; d++) {
        for (int w = 0; w < kWide; w++) {
          float* at = s.sums + d * kPanel + w * kLanes;
          store(at, load(at) * shrink[w]);
        }
      }
    }
    productPanel<Op, 1>(Left{s.values + j / Op::kPerUnit * padded, kRows, padded}, D, Right{s.weights, kPanel},
                        unitsOf<Op>(view.keys), s.sums, kPanel, !first);
    first = false;
  }

  alignas(64) float factor[kPanel];
  alignas(64) float sums[kPanel];
  for (int w = 0; w < kWide; w++) {
    store(factor + w * kLanes, 1.0f / state.total[w]);
    store(sums + w * kLanes, state.largest[w] * kLn2 + logNormal(state.total[w]));
  }
  storeTransposed(s.sums, static_cast<int>(count), D, factor, y, problem.width());
  std::memcpy(logsumexp, sums, count * sizeof(float));
}

template <class Op>
void forward(const Problem& problem, const float* q, const float* k, const float* v, float* y, float* logsumexp) {
  const int64_t D = problem.D;
  const int64_t Tq = problem.Tq;
  const int64_t padded = roundUp(D, kLanes);
  const int64_t panels = divideUp(Tq, kPanel);
  const int64_t parts = partsFor(problem.heads(), panels, 4);
  const int64_t each = divideUp(panels, parts);
  parallelFor(problem.heads() * parts, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t task = begin; task < end; task++) {
      // Later queries see more keys: the longest pieces of work go first.
      const int64_t part = parts - 1 - task / problem.heads();
      const int64_t bh = task % problem.heads();
      const int64_t queryEnd = std::min(Tq, (part + 1) * each * kPanel);
      const int64_t keys = problem.keysFor(queryEnd);
      Arena measure;
      ForwardScratch<Op>(measure, keys, D, padded);
      Arena arena(scratch(worker, 0, measure.bytes()));
      const ForwardScratch<Op> s(arena, keys, D, padded);
      s.keys.pack(k + bh * problem.keyRows * D, keys);
      packNatural<Op>(v + bh * problem.keyRows * D, D, keys, D, padded, s.values);
      for (int64_t query = part * each * kPanel; query < queryEnd; query += kPanel) {
        const int64_t row = bh * Tq + query;
        forwardPanel<Op>(problem, q + row * D, query, std::min<int64_t>(kPanel, Tq - query), s,
                         y + problem.merged(bh) + query * problem.width(), logsumexp + row);
      }
    }
  });
}

// ---- Backward (the same paper, Algorithm 4): weights are made again from the logsumexp ----

// One part of one head's keys, with what belongs to them, and a tile of queries.
template <class Op>
struct BackwardScratch {
  static constexpr int kRowUnits = kTile / Op::kPerUnit;  // a row of weights as a left operand
  KeyRows<Op> keys, values;
  float *naturalKeys, *dKeys, *dValues;
  // Of the tile: transposed (panel by panel) and as they lie.
  float *queries, *dys, *naturalQueries, *naturalDys, *logsumexp, *delta, *dQueries;
  // Of a tile of scores: scores and gradients of weights; weights and gradients of scores as left and right operands.
  float *scores, *dWeights, *weights, *dScores, *dScoresRight;

  BackwardScratch(Arena& a, int64_t count, int64_t D, int64_t padded) {
    const int64_t units = unitsOf<Op>(D);
    keys = {a.take(KeyRows<Op>::size(count, D)), D};
    values = {a.take(KeyRows<Op>::size(count, D)), D};
    naturalKeys = a.take(unitsOf<Op>(count) * padded);
    dKeys = a.take(count * padded);
    dValues = a.take(count * padded);
    queries = a.take(kTile * units);
    dys = a.take(kTile * units);
    naturalQueries = a.take(kRowUnits * padded);
    naturalDys = a.take(kRowUnits * padded);
    logsumexp = a.take(kTile);
    delta = a.take(kTile);
    dQueries = a.take(kTile * roundUp(D, kLanes));
    scores = a.take((kBlock + 2) * kPanel);
    dWeights = a.take((kBlock + 2) * kPanel);
    weights = a.take((kBlock + 2) * kRowUnits);
    dScores = a.take((kBlock + 2) * kRowUnits);
    dScoresRight = Op::kPerUnit == 1 ? nullptr : a.take((kBlock + 2) * kPanel);
  }
};

struct BackwardArrays {
  const float *q, *k, *v, *y, *logsumexp, *dy;
  float *dq, *dk, *dv;
  float* partial;  // [parts, B, H, Tq, D] of dq where there are several parts
};

// Reads a tile of queries: gradients of the output, their products with the output, logsumexp in units of log2.
template <class Op>
void readTile(const Problem& problem, const BackwardArrays& x, int64_t bh, int64_t query, int64_t count,
              const BackwardScratch<Op>& s) {
  const int64_t D = problem.D;
  const int64_t padded = roundUp(D, kLanes);
  const int64_t units = unitsOf<Op>(D);
  const float* q = x.q + (bh * problem.Tq + query) * D;
  const float* dy = x.dy + problem.merged(bh) + query * problem.width();
  const float* y = x.y + problem.merged(bh) + query * problem.width();
  for (int p = 0; p * kPanel < count; p++) {
    const int64_t some = std::min<int64_t>(kPanel, count - p * kPanel);
    packPanel<Op>(q + p * kPanel * D, D, some, D, s.queries + p * kPanel * units);
    packPanel<Op>(dy + p * kPanel * problem.width(), problem.width(), some, D, s.dys + p * kPanel * units);
  }
  packNatural<Op>(q, D, count, D, padded, s.naturalQueries);
  packNatural<Op>(dy, problem.width(), count, D, padded, s.naturalDys);
  for (int64_t i = 0; i < kTile; i++) {
    if (i >= count) {
      s.logsumexp[i] = -kHidden;  // its weights are 0
      s.delta[i] = 0;
      continue;
    }
    Vector sum = {};
    forVectors(D, [&](int64_t d, int lanes) {
      sum += loadSome(y + i * problem.width() + d, lanes) * loadSome(dy + i * problem.width() + d, lanes);
    });
    s.delta[i] = sumLanes(sum);
    s.logsumexp[i] = x.logsumexp[bh * problem.Tq + query + i] * kLog2e;
  }
}

// Turns a tile of scores and gradients of weights into weights and gradients of scores (without the factor 1 / sqrt(D)),
// as left operands in the columns of panel p, and as a right operand.
template <class Op>
void differentiate(const Problem& problem, float scale, int64_t position, int64_t j, const View& view, int p,
                   const BackwardScratch<Op>& s) {
  Vector logsumexp[kWide];
  Vector delta[kWide];
  for (int w = 0; w < kWide; w++) {
    logsumexp[w] = load(s.logsumexp + p * kPanel + w * kLanes);
    delta[w] = load(s.delta + p * kPanel + w * kLanes);
  }
  const auto weightsOf = [&](int64_t r, Vector* weight, Vector* slope) {
    for (int w = 0; w < kWide; w++) {
      const int64_t at = r * kPanel + w * kLanes;
      Vector e = exp2Vector<Op::kPerUnit == 2>(load(s.scores + at) * scale - logsumexp[w]);
      if (view.cover == Cover::partial) {
        e = select(visibleLanes(problem.mask, position + w * kLanes, j + r), e, Vector{});
      }
      weight[w] = e;
      slope[w] = e * (load(s.dWeights + at) - delta[w]);
    }
  };
  if constexpr (Op::kPerUnit == 1) {
    for (int64_t r = 0; r < view.keys; r++) {
      Vector weight[kWide];
      Vector slope[kWide];
      weightsOf(r, weight, slope);
      for (int w = 0; w < kWide; w++) {
        store(s.weights + r * kTile + p * kPanel + w * kLanes, weight[w]);
        store(s.dScores + r * kTile + p * kPanel + w * kLanes, slope[w]);
      }
    }
  } else {
#if defined(__AVX512BF16__)
    constexpr int kRowUnits = BackwardScratch<Op>::kRowUnits;
    static_assert(kWide == 2);
    Vector weight[2][kWide];
    Vector slope[2][kWide];
    for (int64_t r = 0; r < view.keys; r += 2) {
      weightsOf(r, weight[0], slope[0]);
      if (r + 1 < view.keys) {
        weightsOf(r + 1, weight[1], slope[1]);
      } else {
        for (int w = 0; w < kWide; w++) weight[1][w] = slope[1][w] = Vector{};
      }
      for (int i = 0; i < 2; i++) {
        const int64_t at = (r + i) * kRowUnits + p * kPanel / 2;
        store(s.weights + at, _mm512_castsi512_ps(roundPair(weight[i][1], weight[i][0])));
        store(s.dScores + at, _mm512_castsi512_ps(roundPair(slope[i][1], slope[i][0])));
      }
      for (int w = 0; w < kWide; w++) {
        store(s.dScoresRight + r / 2 * kPanel + w * kLanes, interleave(slope[1][w], slope[0][w]));
      }
    }
#endif
  }
}

// Adds to the gradients of a block of keys what a tile of queries contributes: [keys, D] += left x right.
template <class Op>
void addToKeys(const float* left, const float* right, const int64_t* keys, const int64_t* counts, int64_t padded,
               float* out) {
  constexpr int kRowUnits = BackwardScratch<Op>::kRowUnits;
  constexpr int64_t kPanelUnits = kPanel / Op::kPerUnit;
  const int64_t both = std::min(keys[0], keys[1]);
  const Right b{right, padded};
  if (both > 0) {
    addProduct<Op, kRowUnits>(Left{left, kRows * kRowUnits, 1}, both, b, padded,
                              kPanelUnits + unitsOf<Op>(counts[1]), out, padded);
  }
  const int one = keys[0] > keys[1] ? 0 : 1;
  if (keys[one] == both) return;
  addProduct<Op, kRowUnits>(Left{left + both * kRowUnits + one * kPanelUnits, kRows * kRowUnits, 1}, keys[one] - both,
                            Right{right + one * kPanelUnits * padded, padded}, padded, unitsOf<Op>(counts[one]),
                            out + both * padded, padded);
}

// Keys [k0, k1) of head bh: their gradients, and their part of the queries' gradients.
template <class Op>
void backwardPart(const Problem& problem, const BackwardArrays& x, int64_t bh, int64_t k0, int64_t k1, float* dq,
                  const BackwardScratch<Op>& s) {
  const int64_t D = problem.D;
  const int64_t padded = roundUp(D, kLanes);
  const int64_t units = unitsOf<Op>(D);
  const float* k = x.k + (bh * problem.keyRows + k0) * D;
  const float* v = x.v + (bh * problem.keyRows + k0) * D;
  const float rootD = 1.0f / std::sqrt(static_cast<float>(D));
  alignas(64) float factor[kPanel];
  for (float& f : factor) f = rootD;
  s.keys.pack(k, k1 - k0);
  s.values.pack(v, k1 - k0);
  packNatural<Op>(k, D, k1 - k0, D, padded, s.naturalKeys);
  std::memset(s.dKeys, 0, (k1 - k0) * padded * sizeof(float));
  std::memset(s.dValues, 0, (k1 - k0) * padded * sizeof(float));

  for (int64_t query = 0; query < problem.Tq; query += kTile) {
    const int64_t count = std::min<int64_t>(kTile, problem.Tq - query);
    const int64_t limit = std::min(k1, problem.keysFor(query + count));
    if (limit <= k0) {
      std::memset(dq + query * D, 0, count * D * sizeof(float));
      continue;
    }
    readTile<Op>(problem, x, bh, query, count, s);
    const int64_t counts[2] = {std::min<int64_t>(kPanel, count), std::max<int64_t>(0, count - kPanel)};
    bool written[2] = {false, false};
    for (int64_t j = k0; j < limit; j += kBlock) {
      int64_t keys[2] = {0, 0};
      for (int p = 0; p < 2; p++) {
        if (counts[p] == 0) continue;
        const int64_t position = problem.offset() + query + p * kPanel;
        const View view = lookAt(problem.mask, position, counts[p], j, std::min<int64_t>(kBlock, limit - j));
        keys[p] = view.keys;
        if (view.keys == 0) continue;
        const int64_t panel = p * kPanel * units;
        s.keys.multiply(j - k0, view.keys, s.queries + panel, s.scores);
        s.values.multiply(j - k0, view.keys, s.dys + panel, s.dWeights);
        differentiate<Op>(problem, rootD * kLog2e, position, j, view, p, s);
        const Right slopes = Op::kPerUnit == 1 ? Right{s.dScores + p * kPanel, kTile} : Right{s.dScoresRight, kPanel};
        productPanel<Op, 1>(Left{s.naturalKeys + (j - k0) / Op::kPerUnit * padded, kRows, padded}, D, slopes,
                            unitsOf<Op>(view.keys), s.dQueries + p * kPanel * D, kPanel, written[p]);
        written[p] = true;
      }
      addToKeys<Op>(s.weights, s.naturalDys, keys, counts, padded, s.dValues + (j - k0) * padded);
      addToKeys<Op>(s.dScores, s.naturalQueries, keys, counts, padded, s.dKeys + (j - k0) * padded);
    }
    for (int p = 0; p < 2; p++) {
      float* out = dq + (query + p * kPanel) * D;
      if (written[p]) {
        storeTransposed(s.dQueries + p * kPanel * D, static_cast<int>(counts[p]), D, factor, out, D);
      } else {
        std::memset(out, 0, counts[p] * D * sizeof(float));
      }
    }
  }

  for (int64_t i = 0; i < k1 - k0; i++) {
    const int64_t at = (bh * problem.Tk + k0 + i) * D;
    forVectors(D, [&](int64_t d, int lanes) {
      storeSome(x.dk + at + d, load(s.dKeys + i * padded + d) * rootD, lanes);
      storeSome(x.dv + at + d, load(s.dValues + i * padded + d), lanes);
    });
  }
}

template <class Op>
void backward(const Problem& problem, BackwardArrays x) {
  const int64_t D = problem.D;
  const int64_t padded = roundUp(D, kLanes);
  const int64_t blocks = divideUp(problem.Tk, kBlock);
  const int64_t parts = partsFor(problem.heads(), blocks, 2);
  const int64_t each = divideUp(blocks, parts) * kBlock;
  const int64_t size = problem.heads() * problem.Tq * D;
  if (parts > 1) x.partial = static_cast<float*>(scratch(0, 1, parts * size * sizeof(float)));
  parallelFor(problem.heads() * parts, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t part = task / problem.heads();
      const int64_t bh = task % problem.heads();
      const int64_t k0 = part * each;
      const int64_t k1 = std::min(problem.Tk, k0 + each);
      float* dq = (parts > 1 ? x.partial + part * size : x.dq) + bh * problem.Tq * D;
      if (k0 >= k1) {
        std::memset(dq, 0, problem.Tq * D * sizeof(float));
        continue;
      }
      Arena measure;
      BackwardScratch<Op>(measure, k1 - k0, D, padded);
      Arena arena(scratch(worker, 0, measure.bytes()));
      backwardPart<Op>(problem, x, bh, k0, k1, dq, BackwardScratch<Op>(arena, k1 - k0, D, padded));
    }
  });
  if (parts == 1) return;
  parallelFor(size, 1 << 14, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i += kLanes) {
      const int lanes = static_cast<int>(std::min<int64_t>(kLanes, end - i));
      Vector sum = loadSome(x.partial + i, lanes);
      for (int64_t part = 1; part < parts; part++) sum += loadSome(x.partial + part * size + i, lanes);
      storeSome(x.dq + i, sum, lanes);
    }
  });
}

}  // namespace flash

flash::Problem attentionProblem(const Args& args, const uint8_t* table) {
  flash::Problem problem;
  problem.B = args.integer(0);
  problem.H = args.integer(1);
  problem.Tq = args.integer(2);
  problem.Tk = args.integer(3);
  problem.D = args.integer(4);
  problem.keyRows = args.integer(5);
  problem.mask = flash::Mask{static_cast<flash::Kind>(args.integer(6)), table, args.integer(7)};
  return problem;
}

// buffers: q, k, v, table | null, y, logsumexp; numbers: B, H, Tq, Tk, D, rows of k a head, kind, table stride, precision
void attention(const Args& args) {
  const flash::Problem problem = attentionProblem(args, args.as<const uint8_t>(3));
  withPrecision(static_cast<Precision>(args.integer(8)), [&](auto op) {
    flash::forward<decltype(op)>(problem, args.in(0), args.in(1), args.in(2), args.out(4), args.out(5));
  });
}

// buffers: q, k, v, table | null, y, logsumexp, dy, dq, dk, dv; numbers as for attention
void attentionGradient(const Args& args) {
  const flash::Problem problem = attentionProblem(args, args.as<const uint8_t>(3));
  withPrecision(static_cast<Precision>(args.integer(8)), [&](auto op) {
    flash::backward<decltype(op)>(problem, {args.in(0), args.in(1), args.in(2), args.in(4), args.in(5), args.in(6),
                                            args.out(7), args.out(8), args.out(9), nullptr});
  });
}

}  // namespace tessera
