// A whole decode step of the transformer in one call: every layer, new keys and values written into the cache, logits at
// the end. A few rows are bound by reading weights and cache, so both lie packed for the micro-kernel (in bf16 where
// products are) and each panel is read once for all rows. Every number is summed in one order, however many rows and
// positions are read at once: a row's logits do not depend on its company.
#include <atomic>
#include <vector>

#include "attention_tiles.h"
#include "norm.h"
#include "rope.h"
#include "wait.h"

namespace tessera {
namespace decode {

using flash::Arena;

// Rows times positions that one pass reads; more are taken in turns.
constexpr int64_t kMostPositions = 64;
// Panels that one task multiplies.
constexpr int kPanels = 4;

enum class Wanted { nothing = 0, last = 1, all = 2 };

struct Sizes {
  int64_t rows, layers, C, H, inner, vocabulary;
  int64_t positions;  // most that a row can have
  int64_t prefix;     // of them, those in a cache that rows share
  bool gated, centered, qkNorm;
  float normEps, qkEps;
  Precision precision;

  int64_t D() const { return C / H; }
  int64_t capacity() const { return positions - prefix; }
};

// The numbers that every kernel here starts with, as src/kernels/decode.ts lists them.
constexpr int kSizeNumbers = 14;
Sizes sizesOf(const Args& a) {
  return {a.integer(0), a.integer(1), a.integer(2), a.integer(3), a.integer(4), a.integer(5), a.integer(6), a.integer(7),
          a.integer(8) != 0, a.integer(9) != 0, a.integer(10) != 0, a.number(11), a.number(12),
          static_cast<Precision>(a.integer(13))};
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

template <class Op>
inline void toUnits(const float* row, int64_t k, float* units) {
  for (int64_t u = 0; u < unitsOf<Op>(k); u += kLanes) store(units + u, loadUnits<Op>(row, k, u * Op::kPerUnit));
}

// ---- One pass ----

struct Step {
  Sizes s;
  float* weights;
  float* cache;
  float* shared;          // the cache of the first positions, or null
  const int32_t* sharedRow;  // each row's row in it; rows of one follow one another
  const float* x;         // [rows, n, C], rows `xRow` apart
  int64_t xRow;
  int64_t start;  // positions read before
  int64_t n;
  const uint8_t* tables;  // [tables, positions, positions]: row = query
  const int32_t* maskOf;  // by layer: which table, or -1 for causal
  const float* angles;       // [n, 2, D] as rope::spreadAngles leaves them, or null
  Wanted wanted;
  float* logits;  // [rows, vocabulary] or [rows, n, vocabulary]

  int64_t M() const { return s.rows * n; }
};

// Arrays that the threads share; rows are whole panels wide.
struct Shared {
  float *x, *qkv, *mixed, *inner;
  int64_t width, innerWidth;

  Shared(const Step& step, Arena& arena) : width(padded(step.s.C)), innerWidth(padded(step.s.inner)) {
    x = arena.take(step.M() * width);
    qkv = arena.take(step.M() * padded(3 * step.s.C));
    mixed = arena.take(step.M() * width);
    inner = arena.take(step.M() * innerWidth);
  }
};

// A phase's tasks are claimed by whoever is there; the next begins when all are done, not when all threads have arrived.
struct Phase {
  std::atomic<int64_t> claimed{0};
  std::atomic<int64_t> done{0};
};

// Columns of a row of scores: those of the shared cache, then those of the own one, each in whole panels.
inline int64_t scoreColumns(const Sizes& s) { return padded(s.prefix) + padded(s.capacity()); }

// A thread's own.
template <class Op>
struct Own {
  float *packed, *row, *units, *tile, *gates, *queries, *queryUnits, *packedQueries, *mixed, *scores, *weightUnits,
      *packedWeights;
  int32_t* runs;  // of panels with a visible key: first, end, first, end, ...

  Own(const Step& step, Arena& arena) {
    const Sizes& s = step.s;
    const int64_t D = roundUp(s.D(), 2 * kLanes);
    const int64_t columns = scoreColumns(s) + 2 * kLanes;
    packed = arena.take(step.M() * std::max(unitsOf<Op>(s.C), unitsOf<Op>(s.inner)));
    row = arena.take(std::max(padded(s.C), D));
    units = arena.take(std::max(padded(s.C), padded(s.inner)) + 2 * kLanes);
    tile = arena.take(step.M() * kPanels * kColumns);
    gates = arena.take(step.M() * kPanels * kColumns);
    queries = arena.take(std::max<int64_t>(kRows, step.n) * D);
    queryUnits = arena.take(kRows * D);
    packedQueries = arena.take(kRows * D);
    mixed = arena.take(kRows * padded(s.D()));
    scores = arena.take(kRows * columns);
    weightUnits = arena.take(kRows * columns);
    packedWeights = arena.take(kRows * columns);
    runs = reinterpret_cast<int32_t*>(arena.take(columns / kColumns + 4));
  }
};

template <class Op>
class Pass {
 public:
  Pass(const Step& step, const Shared& shared, Phase* phase, int worker, int workers)
      : step_(step), s_(step.s), shared_(shared), phase_(phase), workers_(workers), own_(ownMemory(step, worker)) {}

  void run() {
    const int64_t M = step_.M();
    const auto x = [&](int64_t m) { return shared_.x + m * shared_.width; };
    const auto addToX = [&](int64_t m, int64_t column, Vector v) {
      float* at = x(m) + column;
      store(at, load(at) + v);
    };
    for (int64_t i = 0; i < s_.layers; i++) {
      const Layer l = layerAt<Op>(s_, step_.weights, i);
      project(
          l.qkv, 3 * s_.C, s_.C, M, [&] { packNormed(l.norm1, l.bias1, M, x); },
          [&](int64_t m, int64_t column, Vector v) { store(shared_.qkv + m * padded(3 * s_.C) + column, v); });
      spread(
          runsOfRows() * s_.H, 1, [] {}, [&](int64_t task, int64_t) { attend(l, i, task / s_.H, task % s_.H); });
      project(
          l.output, s_.C, s_.C, M, [&] { pack(M, s_.C, [&](int64_t m) { return shared_.mixed + m * shared_.width; }); },
          addToX);
      feedForward(l, [&] { packNormed(l.norm2, l.bias2, M, x); });
      project(
          l.down, s_.C, s_.inner, M,
          [&] { pack(M, s_.inner, [&](int64_t m) { return shared_.inner + m * shared_.innerWidth; }); }, addToX);
    }
    if (step_.wanted == Wanted::nothing) return;
    const Ends e = endsAt<Op>(s_, step_.weights);
    const bool all = step_.wanted == Wanted::all;
    const int64_t rows = all ? M : s_.rows;
    project(
        e.head, s_.vocabulary, s_.C, rows,
        [&] {
          packNormed(e.norm, e.bias, rows, [&](int64_t m) { return x(all ? m : m * step_.n + step_.n - 1); });
        },
        [&](int64_t m, int64_t column, Vector v) {
          const int64_t left = std::min<int64_t>(kLanes, s_.vocabulary - column);
          if (left > 0) storeSome(step_.logits + m * s_.vocabulary + column, v, static_cast<int>(left));
        });
  }

 private:
  static Own<Op> ownMemory(const Step& step, int worker) {
    Arena measure;
    Own<Op>(step, measure);
    Arena arena(scratch(worker, 2, measure.bytes()));
    return Own<Op>(step, arena);
  }

  // One phase: body(first, count) for runs of `grain` tasks. What the body needs ready, `prepare` makes, once for each
  // thread that has a task: while that is not done, the next phase cannot change what is read here.
  template <class Prepare, class Body>
  void spread(int64_t tasks, int64_t grain, Prepare&& prepare, Body&& body) {
    Phase& phase = *phase_++;
    bool ready = false;
    for (;;) {
      const int64_t first = phase.claimed.fetch_add(grain, std::memory_order_relaxed);
      if (first >= tasks) break;
      if (!ready) prepare();
      ready = true;
      const int64_t count = std::min(grain, tasks - first);
      body(first, count);
      phase.done.fetch_add(count, std::memory_order_release);
    }
    waitUntil([&] { return phase.done.load(std::memory_order_acquire) == tasks; });
  }

  // The left operand of a product, in groups of rows. Each thread packs all of it: cheaper than waiting for others.
  template <class RowAt>
  void pack(int64_t rows, int64_t k, const RowAt& rowAt) {
    const Groups groups{rows};
    const int64_t units = unitsOf<Op>(k);
    for (int64_t g = 0; g < groups.count(); g++) {
      for (int64_t m = groups.start(g); m < groups.start(g + 1); m++) {
        toUnits<Op>(rowAt(m), k, own_.units);
        scatterUnits(own_.units, units, static_cast<int>(m - groups.start(g)), groups.size(g),
                     own_.packed + groups.start(g) * units);
      }
    }
  }

  template <class RowAt>
  void packNormed(const float* gain, const float* bias, int64_t rows, const RowAt& rowAt) {
    pack(rows, s_.C, [&](int64_t m) {
      const float* x = rowAt(m);
      const norm::Moments moments =
          s_.centered ? norm::momentsOf<true>(x, s_.C, s_.normEps) : norm::momentsOf<false>(x, s_.C, s_.normEps);
      forVectors(s_.C, [&](int64_t i, int n) {
        Vector v = (loadSome(x + i, n) - moments.mean) * moments.scale * loadSome(gain + i, n);
        if (s_.centered) v += loadSome(bias + i, n);
        storeSome(own_.row + i, v, n);
      });
      return own_.row;
    });
  }

  // out[rows, panels] = what is packed times `panels` adjacent ones.
  void multiply(const float* b, int64_t panels, int64_t k, int64_t rows, float* out) {
    const Groups groups{rows};
    const int64_t units = unitsOf<Op>(k);
    for (int64_t g = 0; g < groups.count(); g++) {
      multiplyRows<Op>(groups.size(g), panels, units, own_.packed + groups.start(g) * units, b, units * kColumns,
                       out + groups.start(g) * kPanels * kColumns, kPanels * kColumns, false);
    }
  }

  // The panels of `columns`, a few at a time.
  template <class Prepare, class Body>
  void eachPanels(int64_t columns, Prepare&& prepare, Body&& body) {
    const int64_t panels = panelsOf(columns);
    spread(panels, std::max<int64_t>(1, std::min<int64_t>(kPanels, divideUp(panels, workers_))), prepare, body);
  }

  template <class Prepare, class Emit>
  void project(const float* weight, int64_t columns, int64_t k, int64_t rows, Prepare&& prepare, Emit&& emit) {
    eachPanels(columns, prepare, [&](int64_t first, int64_t count) {
      multiply(weight + first * unitsOf<Op>(k) * kColumns, count, k, rows, own_.tile);
      for (int64_t m = 0; m < rows; m++) {
        const float* tile = own_.tile + m * kPanels * kColumns;
        for (int64_t j = 0; j < count * kColumns; j += kLanes) emit(m, first * kColumns + j, load(tile + j));
      }
    });
  }

  template <class Prepare>
  void feedForward(const Layer& l, Prepare&& prepare) {
    const int64_t M = step_.M();
    const int64_t panel = unitsOf<Op>(s_.C) * kColumns;
    eachPanels(s_.inner, prepare, [&](int64_t first, int64_t count) {
      multiply(l.up + first * panel, count, s_.C, M, own_.gates);
      if (s_.gated) multiply(l.up + (panelsOf(s_.inner) + first) * panel, count, s_.C, M, own_.tile);
      for (int64_t m = 0; m < M; m++) {
        float* out = shared_.inner + m * shared_.innerWidth + first * kColumns;
        const int64_t at = m * kPanels * kColumns;
        for (int64_t j = 0; j < count * kColumns; j += kLanes) {
          const Vector gate = load(own_.gates + at + j);
          store(out + j, s_.gated ? activate<Activation::silu>(gate) * load(own_.tile + at + j)
                                  : activate<Activation::gelu>(gate));
        }
      }
    });
  }

  // A query or key as attention sees it: normalised and rotated.
  void finish(const float* x, const float* gain, int64_t i, float* out) {
    const int64_t D = s_.D();
    const float scale = s_.qkNorm ? rope::inverseRms(x, D, s_.qkEps) : 1.0f;
    const float* cosines = step_.angles == nullptr ? nullptr : step_.angles + i * 2 * D;
    forVectors(D, [&](int64_t d, int n) {
      Vector v = loadSome(x + d, n);
      if (s_.qkNorm) v = v * scale * loadSome(gain + d, n);
      if (cosines != nullptr) v = rope::rotate(v, rope::Angles{cosines, cosines + D}, d, n, 1.0f);
      storeSome(out + d, v, n);
    });
  }

  // Rows that read one position each and share their first ones attend together: what they share is read once. Fewer at
  // a time where there would be too few tasks.
  int64_t rowsAtOnce() const {
    if (step_.n > 1 || step_.shared == nullptr) return 1;
    return std::max<int64_t>(1, std::min<int64_t>(kRows, s_.rows * s_.H / (2 * workers_)));
  }

  // Runs of at most rowsAtOnce() rows with the same beginning.
  template <class Body>
  void eachRun(Body&& body) const {
    const int64_t most = rowsAtOnce();
    for (int64_t first = 0, end; first < s_.rows; first = end) {
      for (end = first + 1; end < s_.rows && end - first < most; end++) {
        if (step_.sharedRow[end] != step_.sharedRow[first]) break;
      }
      body(first, static_cast<int>(end - first));
    }
  }

  int64_t runsOfRows() const {
    int64_t runs = 0;
    eachRun([&](int64_t, int) { runs++; });
    return runs;
  }

  void attend(const Layer& l, int64_t layer, int64_t run, int64_t head) {
    eachRun([&](int64_t first, int rows) {
      if (run-- == 0) attendRows(l, layer, first, rows, head);
    });
  }

  void attendRows(const Layer& l, int64_t layer, int64_t row0, int rows, int64_t head) {
    const int64_t D = s_.D();
    const Cache<Op> cache{s_, step_.cache, s_.capacity()};
    for (int64_t q = 0; q < rows * step_.n; q++) {
      const int64_t row = row0 + q / step_.n;
      const int64_t position = step_.start + q % step_.n;
      const float* qkv = shared_.qkv + (row * step_.n + q % step_.n) * padded(3 * s_.C) + head * D;
      finish(qkv, l.qGain, q % step_.n, own_.queries + q * D);
      finish(qkv + s_.C, l.kGain, q % step_.n, own_.row);
      toUnits<Op>(own_.row, D, own_.units);
      cache.appendKey(cache.keys(row, layer, head), position - s_.prefix, own_.units);
      cache.appendValue(cache.values(row, layer, head), position - s_.prefix, qkv + 2 * s_.C);
    }
    const uint8_t* table =
        step_.maskOf[layer] < 0 ? nullptr : step_.tables + step_.maskOf[layer] * s_.positions * s_.positions;
    if (rows > 1) return attendGroup(layer, head, table, row0, rows, 0, 1);
    const Groups groups{step_.n};
    for (int64_t g = 0; g < groups.count(); g++) {
      attendGroup(layer, head, table, row0, 1, groups.start(g), groups.size(g));
    }
  }

  // Some queries of a head: of several rows at one position, or of one row at positions first, first + 1, ...
  void attendGroup(int64_t layer, int64_t head, const uint8_t* table, int64_t row0, int rows, int64_t first, int n) {
    const int64_t D = s_.D();
    const int64_t units = unitsOf<Op>(D);
    const int count = rows * n;
    const int64_t position = step_.start + first;
    const int64_t columns = scoreColumns(s_);
    const int64_t ownColumn = padded(s_.prefix);
    for (int q = 0; q < count; q++) {
      toUnits<Op>(own_.queries + (first + q) * D, D, own_.queryUnits + q * roundUp(D, kLanes));
      scatterUnits(own_.queryUnits + q * roundUp(D, kLanes), units, q, count, own_.packedQueries);
    }
    // The runs of the shared panels come first.
    const int sharedRuns = findRuns(table, position, n, 0, s_.prefix, own_.runs);
    const int runs =
        sharedRuns + findRuns(table, position, n, s_.prefix, position + n - s_.prefix, own_.runs + 2 * sharedRuns);
    const Cache<Op> ours{s_, step_.cache, s_.capacity()};
    const Cache<Op> common{s_, step_.shared, s_.positions};
    const int64_t commonRow = sharedRuns > 0 ? step_.sharedRow[row0] : 0;

    for (int r = 0; r < runs; r++) {
      const int64_t from = own_.runs[2 * r];
      const int64_t panels = own_.runs[2 * r + 1] - from;
      if (r < sharedRuns) {
        multiplyRows<Op>(count, panels, units, own_.packedQueries,
                         common.keys(commonRow, layer, head) + from * common.keyPanel(), common.keyPanel(),
                         own_.scores + from * kColumns, columns, false);
        continue;
      }
      for (int i = 0; i < rows; i++) {
        multiplyRows<Op>(n, panels, units, rows > 1 ? own_.queryUnits + i * roundUp(D, kLanes) : own_.packedQueries,
                         ours.keys(row0 + i, layer, head) + from * ours.keyPanel(), ours.keyPanel(),
                         own_.scores + i * columns + ownColumn + from * kColumns, columns, false);
      }
    }

    float totals[kRows];
    const int64_t weightRow = columns / Op::kPerUnit + kLanes;
    for (int q = 0; q < count; q++) {
      totals[q] = weigh(own_.scores + q * columns, table, position + (rows > 1 ? 0 : q), sharedRuns, runs,
                        own_.weightUnits + q * weightRow);
    }

    bool accumulate = false;
    for (int r = 0; r < runs; r++) {
      const bool fromShared = r < sharedRuns;
      const int64_t from = own_.runs[2 * r] * kColumns / Op::kPerUnit;
      const int64_t filled = fromShared ? s_.prefix : position + n - s_.prefix;
      const int64_t to = unitsOf<Op>(std::min<int64_t>(own_.runs[2 * r + 1] * kColumns, filled));
      const float* weights = own_.weightUnits + (fromShared ? 0 : ownColumn / Op::kPerUnit) + from;
      if (!fromShared && rows > 1) {
        for (int i = 0; i < rows; i++) {
          multiplyRows<Op>(1, panelsOf(D), to - from, weights + i * weightRow,
                           ours.values(row0 + i, layer, head) + from * kColumns, ours.valuePanel(),
                           own_.mixed + i * padded(D), padded(D), accumulate);
        }
      } else {
        const Cache<Op>& cache = fromShared ? common : ours;
        for (int q = 0; q < count; q++) scatterUnits(weights + q * weightRow, to - from, q, count, own_.packedWeights);
        multiplyRows<Op>(count, panelsOf(D), to - from, own_.packedWeights,
                         cache.values(fromShared ? commonRow : row0, layer, head) + from * kColumns, cache.valuePanel(),
                         own_.mixed, padded(D), accumulate);
      }
      accumulate = true;
    }
    for (int q = 0; q < count; q++) {
      const int64_t m = rows > 1 ? row0 + q : row0 * step_.n + first + q;
      forVectors(D, [&](int64_t d, int lanes) {
        storeSome(shared_.mixed + m * shared_.width + head * D + d, loadSome(own_.mixed + q * padded(D) + d, lanes) / totals[q],
                  lanes);
      });
    }
  }

  // Runs of panels of a cache that holds `keys` positions from `start` on, in which any of the queries at `position`,
  // position + 1, ... sees a key.
  int findRuns(const uint8_t* table, int64_t position, int queries, int64_t start, int64_t keys, int32_t* runs) const {
    const int64_t panels = panelsOf(keys);
    if (panels == 0) return 0;
    runs[0] = 0;
    runs[1] = static_cast<int32_t>(panels);
    if (table == nullptr) return 1;
    int found = 0;
    bool open = false;
    for (int64_t p = 0; p < panels; p++) {
      const int64_t end = std::min<int64_t>(kColumns, keys - p * kColumns);
      uint8_t any = 0;
      for (int i = 0; i < queries; i++) {
        const uint8_t* seen = table + (position + i) * s_.positions + start + p * kColumns;
        for (int64_t j = 0; j < end; j++) any |= seen[j];
      }
      if (any != 0 && !open) runs[2 * found] = static_cast<int32_t>(p);
      if (any == 0 && open) runs[2 * found++ + 1] = static_cast<int32_t>(p);
      open = any != 0;
    }
    if (open) runs[2 * found++ + 1] = static_cast<int32_t>(panels);
    return found;
  }

  // Scores of the query at `position` to weights exp(score - max), as units; returns their sum.
  float weigh(float* scores, const uint8_t* table, int64_t position, int sharedRuns, int runs, float* units) {
    const float scale = flash::kLog2e / std::sqrt(static_cast<float>(s_.D()));
    const int64_t ownColumn = padded(s_.prefix);
    // body(column, first key's position, position after the last key of this cache)
    const auto eachVector = [&](auto&& body) {
      for (int r = 0; r < runs; r++) {
        const bool own = r >= sharedRuns;
        const int64_t end = own_.runs[2 * r + 1] * kColumns;
        for (int64_t j = own_.runs[2 * r] * kColumns; j < end; j += kLanes) {
          body(j + (own ? ownColumn : 0), j + (own ? s_.prefix : 0), own ? position + 1 : s_.prefix);
        }
      }
    };
    Vector largest = splat(flash::kFloor);
    eachVector([&](int64_t column, int64_t key, int64_t end) {
      IntVector visible = laneIndex() < splatInt(static_cast<int32_t>(end - key));
      if (table != nullptr && key < end) {
        uint8_t seen[kLanes] = {};
        std::memcpy(seen, table + position * s_.positions + key, std::min<int64_t>(kLanes, end - key));
        ByteVector bytes;
        std::memcpy(&bytes, seen, sizeof bytes);
        visible &= __builtin_convertvector(bytes, IntVector) != 0;
      }
      const Vector score = select(visible, load(scores + column) * scale, splat(flash::kHidden));
      largest = maximum(largest, score);
      store(scores + column, score);
    });
    const float shift = maxLanes(largest);
    Vector total = {};
    eachVector([&](int64_t column, int64_t, int64_t) {
      const Vector score = load(scores + column);
      const Vector weight = select(score > splat(flash::kFloor), exp2Vector(score - shift), Vector{});
      total += weight;
      store(scores + column, weight);
    });
    for (int r = 0; r < runs; r++) {
      const int64_t from = own_.runs[2 * r] * kColumns + (r < sharedRuns ? 0 : ownColumn);
      const int64_t keys = (own_.runs[2 * r + 1] - own_.runs[2 * r]) * kColumns;
      toUnits<Op>(scores + from, keys, units + from / Op::kPerUnit);
    }
    return sumLanes(total);
  }

  const Step& step_;
  const Sizes& s_;
  const Shared& shared_;
  Phase* phase_;
  int workers_;
  Own<Op> own_;
};

template <class Op>
void run(const Step& step) {
  Arena measure;
  Shared(step, measure);
  Arena arena(scratch(0, 3, measure.bytes()));
  const Shared shared(step, arena);
  for (int64_t row = 0; row < step.s.rows; row++) {
    for (int64_t i = 0; i < step.n; i++) {
      std::memcpy(shared.x + (row * step.n + i) * shared.width, step.x + (row * step.xRow + i) * step.s.C,
                  step.s.C * sizeof(float));
      std::fill_n(shared.x + (row * step.n + i) * shared.width + step.s.C, shared.width - step.s.C, 0.0f);
    }
  }
  std::vector<Phase> phases(5 * step.s.layers + 1);
  onThreads([&](int worker, int workers) { Pass<Op>(step, shared, phases.data(), worker, workers).run(); });
}

}  // namespace decode

// buffers: sizes (float64): floats of the packed weights, and of one row of the cache; numbers: Sizes
void decoderSizes(const Args& args) {
  using namespace decode;
  const Sizes s = sizesOf(args);
  withPrecision(s.precision, [&](auto op) {
    using Op = decltype(op);
    flash::Arena ends;
    cutEnds<Op>(s, ends);
    double* out = args.as<double>(0);
    out[0] = static_cast<double>(s.layers * layerSize<Op>(s) + static_cast<int64_t>(ends.bytes() / sizeof(float)));
    out[1] = static_cast<double>(Cache<Op>{s, nullptr, s.capacity()}.rowSize());
  });
}

// buffers: norm1 [C], bias1 | null, qkv [3C, C], qGain [D] | null, kGain | null, output [C, C], norm2, bias2 | null,
// up [inner or 2 inner, C], down [C, inner], packed weights; numbers: Sizes, layer
void decoderPackLayer(const Args& args) {
  using namespace decode;
  const Sizes s = sizesOf(args);
  withPrecision(s.precision, [&](auto op) {
    using Op = decltype(op);
    const Layer l = layerAt<Op>(s, args.out(10), args.integer(kSizeNumbers));
    const auto copy = [&](int i, float* to, int64_t n) {
      if (args.has(i)) std::memcpy(to, args.in(i), n * sizeof(float));
    };
    copy(0, l.norm1, s.C);
    copy(1, l.bias1, s.C);
    copy(3, l.qGain, s.D());
    copy(4, l.kGain, s.D());
    copy(6, l.norm2, s.C);
    copy(7, l.bias2, s.C);
    packColumns(s.precision, args.in(2), s.C, 1, 3 * s.C, s.C, l.qkv);
    packColumns(s.precision, args.in(5), s.C, 1, s.C, s.C, l.output);
    const int64_t half = padded(s.inner) * unitsOf<Op>(s.C);
    packColumns(s.precision, args.in(8), s.C, 1, s.inner, s.C, l.up);
    if (s.gated) packColumns(s.precision, args.in(8) + s.inner * s.C, s.C, 1, s.inner, s.C, l.up + half);
    packColumns(s.precision, args.in(9), s.inner, 1, s.C, s.inner, l.down);
  });
}

// buffers: norm [C], bias | null, head [vocabulary, C], packed weights; numbers: Sizes
void decoderPackEnds(const Args& args) {
  using namespace decode;
  const Sizes s = sizesOf(args);
  withPrecision(s.precision, [&](auto op) {
    const Ends e = endsAt<decltype(op)>(s, args.out(3));
    std::memcpy(e.norm, args.in(0), s.C * sizeof(float));
    if (args.has(1)) std::memcpy(e.bias, args.in(1), s.C * sizeof(float));
    packColumns(s.precision, args.in(2), s.C, 1, s.vocabulary, s.C, e.head);
  });
}

// Reads n more positions of every row. buffers: packed weights, cache, shared cache | null, each row's row in it (int32
// [rows]) | null, x [rows, n, C], which mask each layer has (int32 [layers]: -1 causal, or a table), tables (uint8
// [tables, positions, positions]), cos | null, sin | null [positions, D/2], logits | null; numbers: Sizes, positions read
// before, n, Wanted
void decoderStep(const Args& args) {
  using namespace decode;
  Step step;
  step.s = sizesOf(args);
  step.weights = args.out(0);
  step.cache = args.out(1);
  step.shared = args.out(2);
  step.sharedRow = args.as<const int32_t>(3);
  step.maskOf = args.as<const int32_t>(5);
  step.tables = args.as<const uint8_t>(6);
  const int64_t start = args.integer(kSizeNumbers);
  const int64_t n = args.integer(kSizeNumbers + 1);
  const Wanted wanted = static_cast<Wanted>(args.integer(kSizeNumbers + 2));
  step.xRow = n;
  const int64_t most = wanted == Wanted::all ? n : std::max<int64_t>(1, kMostPositions / step.s.rows);
  for (int64_t first = 0; first < n; first += step.n) {
    step.n = std::min(most, n - first);
    step.start = start + first;
    step.x = args.in(4) + first * step.s.C;
    step.wanted = first + step.n == n ? wanted : Wanted::nothing;
    step.logits = args.out(9);
    step.angles = nullptr;
    if (args.has(7)) {
      const rope::Sizes angles{1, step.n, step.s.H, step.s.D(), step.start, 0.0f};
      step.angles = rope::spreadAngles(angles, args.in(7), args.in(8));
    }
    withPrecision(step.s.precision, [&](auto op) { run<decltype(op)>(step); });
  }
}

}  // namespace tessera
