// Attention of a decode step: new keys and values go into the cache, and queries attend to what lies there. What rows
// share is read once for several of them; panels of keys that a mask empties are left out. Every sum runs in one order,
// however many rows and positions are read at once.
#pragma once
#include <vector>

#include "decode_pack.h"
#include "rope.h"

namespace tessera {
namespace decode {

// Rows times positions that one pass reads; more are taken in turns.
constexpr int64_t kMostPositions = 64;
// Panels that one task multiplies.
constexpr int kPanels = 4;

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
  rope::Turns turns;         // of n positions, as rope::spreadAngles leaves them, or nulls
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
    packed = arena.take(roomFor(step.M()) * std::max(unitsOf<Op>(s.C), unitsOf<Op>(s.inner)));
    row = arena.take(std::max(padded(s.C), D));
    units = arena.take(std::max(padded(s.C), padded(s.inner)) + 2 * kLanes);
    tile = arena.take(roomFor(step.M()) * kPanels * kColumns);
    gates = arena.take(roomFor(step.M()) * kPanels * kColumns);
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
class Attention {
 public:
  Attention(const Step& step, const Shared& shared, const Own<Op>& own, int workers)
      : step_(step),
        s_(step.s),
        shared_(shared),
        workers_(workers),
        own_(own),
        ours_{step.s, step.cache, step.s.capacity()},
        common_{step.s, step.shared, step.s.positions},
        columns_(scoreColumns(step.s)),
        weightRow_(scoreColumns(step.s) / Op::kPerUnit + kLanes),
        ownColumn_(padded(step.s.prefix)) {}

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

 private:
  // A query (part 0) or key (1) as attention sees it: normalised and rotated.
  void finish(int part, const float* x, const float* gain, int64_t i, float* out) {
    const int64_t D = s_.D();
    const float scale = s_.qkNorm ? rope::inverseRms(x, D, s_.qkEps) : 1.0f;
    const bool turn = step_.turns.keys != nullptr;
    const rope::Angles angles = turn ? step_.turns.at(part, i, D) : rope::Angles{nullptr, nullptr};
    forVectors(D, [&](int64_t d, int n) {
      Vector v = loadSome(x + d, n);
      if (s_.qkNorm) v = v * scale * loadSome(gain + d, n);
      if (turn) v = rope::rotate(v, angles, d, n, 1.0f);
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

  void attendRows(const Layer& l, int64_t layer, int64_t row0, int rows, int64_t head) {
    const int64_t D = s_.D();
    for (int64_t q = 0; q < rows * step_.n; q++) {
      const int64_t row = row0 + q / step_.n;
      const int64_t position = step_.start + q % step_.n;
      const float* qkv = shared_.qkv + (row * step_.n + q % step_.n) * padded(3 * s_.C) + head * D;
      finish(0, qkv, l.qGain, q % step_.n, own_.queries + q * D);
      finish(1, qkv + s_.C, l.kGain, q % step_.n, own_.row);
      toUnits<Op>(own_.row, D, own_.units);
      ours_.appendKey(ours_.keys(row, layer, head), position - s_.prefix, own_.units);
      ours_.appendValue(ours_.values(row, layer, head), position - s_.prefix, qkv + 2 * s_.C);
    }
    const uint8_t* table =
        step_.maskOf[layer] < 0 ? nullptr : step_.tables + step_.maskOf[layer] * s_.positions * s_.positions;
    if (rows > 1) return attendGroup({layer, head, row0, 0, rows, 1, step_.start, table, 0, 0});
    const Groups groups{step_.n};
    for (int64_t i = 0; i < groups.count(); i++) {
      const int64_t first = groups.start(i);
      attendGroup({layer, head, row0, first, 1, groups.size(i), step_.start + first, table, 0, 0});
    }
  }

  // Some queries of a head: of several rows at one position, or of one row at positions first, first + 1, ...
  struct Group {
    int64_t layer, head, row0, first;
    int rows, n;
    int64_t position;  // of the first query
    const uint8_t* table;
    int sharedRuns, runs;  // of panels with a visible key; those of the shared cache come first

    int count() const { return rows * n; }
    // Of row i of the group, if it has several; else of the i-th position.
    int64_t positionOf(int i) const { return position + (rows > 1 ? 0 : i); }
  };

  void attendGroup(Group g) {
    const int64_t D = s_.D();
    const int count = g.count();
    for (int q = 0; q < count; q++) {
      toUnits<Op>(own_.queries + (g.first + q) * D, D, own_.queryUnits + q * roundUp(D, kLanes));
      scatterUnits(own_.queryUnits + q * roundUp(D, kLanes), unitsOf<Op>(D), q, count, own_.packedQueries);
    }
    g.sharedRuns = findRuns(g, 0, s_.prefix, own_.runs);
    g.runs = g.sharedRuns + findRuns(g, s_.prefix, g.position + g.n - s_.prefix, own_.runs + 2 * g.sharedRuns);
    score(g);

    float totals[kRows];
    for (int q = 0; q < count; q++) {
      totals[q] = weigh(own_.scores + q * columns_, g, g.positionOf(q), own_.weightUnits + q * weightRow_);
    }
    mix(g);
    for (int q = 0; q < count; q++) {
      const int64_t m = g.rows > 1 ? g.row0 + q : g.row0 * step_.n + g.first + q;
      forVectors(D, [&](int64_t d, int lanes) {
        storeSome(shared_.mixed + m * shared_.width + g.head * D + d,
                  loadSome(own_.mixed + q * padded(D) + d, lanes) / totals[q], lanes);
      });
    }
  }

  int64_t commonRow(const Group& g) const { return g.sharedRuns > 0 ? step_.sharedRow[g.row0] : 0; }

  // Queries times the keys of all runs.
  void score(const Group& g) {
    const int64_t D = s_.D();
    const int64_t units = unitsOf<Op>(D);
    for (int r = 0; r < g.runs; r++) {
      const int64_t from = own_.runs[2 * r];
      const int64_t panels = own_.runs[2 * r + 1] - from;
      if (r < g.sharedRuns) {
        multiplyRows<Op>(g.count(), panels, units, own_.packedQueries,
                         common_.keys(commonRow(g), g.layer, g.head) + from * common_.keyPanel(), common_.keyPanel(),
                         own_.scores + from * kColumns, columns_, false);
        continue;
      }
      for (int i = 0; i < g.rows; i++) {
        multiplyRows<Op>(g.n, panels, units, g.rows > 1 ? own_.queryUnits + i * roundUp(D, kLanes) : own_.packedQueries,
                         ours_.keys(g.row0 + i, g.layer, g.head) + from * ours_.keyPanel(), ours_.keyPanel(),
                         own_.scores + i * columns_ + ownColumn_ + from * kColumns, columns_, false);
      }
    }
  }

  // Weights times the values of all runs.
  void mix(const Group& g) {
    const int64_t D = s_.D();
    const int count = g.count();
    for (int r = 0; r < g.runs; r++) {
      const bool fromShared = r < g.sharedRuns;
      const int64_t from = own_.runs[2 * r] * kColumns / Op::kPerUnit;
      const int64_t filled = fromShared ? s_.prefix : g.position + g.n - s_.prefix;
      const int64_t to = unitsOf<Op>(std::min<int64_t>(own_.runs[2 * r + 1] * kColumns, filled));
      const float* weights = own_.weightUnits + (fromShared ? 0 : ownColumn_ / Op::kPerUnit) + from;
      if (!fromShared && g.rows > 1) {
        for (int i = 0; i < g.rows; i++) {
          multiplyRows<Op>(1, panelsOf(D), to - from, weights + i * weightRow_,
                           ours_.values(g.row0 + i, g.layer, g.head) + from * kColumns, ours_.valuePanel(),
                           own_.mixed + i * padded(D), padded(D), r > 0);
        }
        continue;
      }
      const Cache<Op>& cache = fromShared ? common_ : ours_;
      const int64_t row = fromShared ? commonRow(g) : g.row0;
      for (int q = 0; q < count; q++) scatterUnits(weights + q * weightRow_, to - from, q, count, own_.packedWeights);
      multiplyRows<Op>(count, panelsOf(D), to - from, own_.packedWeights,
                       cache.values(row, g.layer, g.head) + from * kColumns, cache.valuePanel(), own_.mixed, padded(D),
                       r > 0);
    }
  }

  // Runs of panels of a cache that holds `keys` positions from `start` on, in which any of the group's queries sees a key.
  int findRuns(const Group& g, int64_t start, int64_t keys, int32_t* runs) const {
    const int64_t panels = panelsOf(keys);
    if (panels == 0) return 0;
    runs[0] = 0;
    runs[1] = static_cast<int32_t>(panels);
    if (g.table == nullptr) return 1;
    int found = 0;
    bool open = false;
    for (int64_t p = 0; p < panels; p++) {
      const int64_t end = std::min<int64_t>(kColumns, keys - p * kColumns);
      uint8_t any = 0;
      for (int i = 0; i < g.n; i++) {
        const uint8_t* seen = g.table + (g.position + i) * s_.positions + start + p * kColumns;
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
  float weigh(float* scores, const Group& g, int64_t position, float* units) {
    const float scale = flash::kLog2e / std::sqrt(static_cast<float>(s_.D()));
    // body(column, first key's position, position after the last key of this cache)
    const auto eachVector = [&](auto&& body) {
      for (int r = 0; r < g.runs; r++) {
        const bool own = r >= g.sharedRuns;
        const int64_t end = own_.runs[2 * r + 1] * kColumns;
        for (int64_t j = own_.runs[2 * r] * kColumns; j < end; j += kLanes) {
          body(j + (own ? ownColumn_ : 0), j + (own ? s_.prefix : 0), own ? position + 1 : s_.prefix);
        }
      }
    };
    Vector largest = splat(flash::kFloor);
    eachVector([&](int64_t column, int64_t key, int64_t end) {
      IntVector visible = laneIndex() < splatInt(static_cast<int32_t>(end - key));
      if (g.table != nullptr && key < end) {
        uint8_t seen[kLanes] = {};
        std::memcpy(seen, g.table + position * s_.positions + key, std::min<int64_t>(kLanes, end - key));
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
    for (int r = 0; r < g.runs; r++) {
      const int64_t from = own_.runs[2 * r] * kColumns + (r < g.sharedRuns ? 0 : ownColumn_);
      const int64_t keys = (own_.runs[2 * r + 1] - own_.runs[2 * r]) * kColumns;
      toUnits<Op>(scores + from, keys, units + from / Op::kPerUnit);
    }
    return sumLanes(total);
  }

  const Step& step_;
  const Sizes& s_;
  const Shared& shared_;
  int workers_;
  const Own<Op>& own_;
  const Cache<Op> ours_, common_;
  const int64_t columns_, weightRow_, ownColumn_;  // of a row of scores, of weights; where the own cache's begin
};

}  // namespace decode
}  // namespace tessera
