// Gradients of attention (FlashAttention, Algorithm 4): weights are made again from the logsumexp. One sweep over a
// head's keys gives all three gradients; only where heads are fewer than threads are the keys split, and the parts of dq
// added in order.
#include "attention_tiles.h"

namespace tessera {
namespace flash {

// One part of one head's keys, with what belongs to them, and a tile of queries.
template <class Op>
struct BackwardScratch {
  static constexpr int kRowUnits = kTile / Op::kPerUnit;  // a row of weights as a left operand
  KeyRows<Op> keys, values;
  AcrossKeys<Op> keysAcross;
  float *dKeys, *dValues;
  // Of the tile: transposed (panel by panel) and as they lie.
  float *queries, *dys, *naturalQueries, *naturalDys, *logsumexp, *delta, *dQueries;
  // Of a tile of scores: scores and gradients of weights; weights and gradients of scores as left and right operands.
  float *scores, *dWeights, *weights, *dScores, *dScoresRight;

  BackwardScratch(Arena& a, int64_t count, int64_t D, int64_t padded) {
    const int64_t units = unitsOf<Op>(D);
    keys = {a.take(KeyRows<Op>::size(count, D)), D};
    values = {a.take(KeyRows<Op>::size(count, D)), D};
    keysAcross = {a.take(AcrossKeys<Op>::size(count, D)), D};
    // Whole groups of rows, which tiles write.
    dKeys = a.take(roundUp(count, kLanes) * padded);
    dValues = a.take(roundUp(count, kLanes) * padded);
    queries = a.take(kTile * units);
    dys = a.take(kTile * units);
    naturalQueries = a.take(kRowUnits * padded);
    naturalDys = a.take(kRowUnits * padded);
    logsumexp = a.take(kTile);
    delta = a.take(kTile);
    dQueries = a.take(kTile * roundUp(D, kLanes));
    constexpr int64_t rows = kBlock<Op> + 2;
    scores = a.take(rows * kPanel);
    dWeights = a.take(rows * kPanel);
    weights = a.take(rows * kRowUnits);
    dScores = a.take(rows * kRowUnits);
    dScoresRight = Op::kPerUnit == 1 ? nullptr : a.take(rows * kPanel);
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
    if constexpr (Op::kTiles) {
      padWeights<Op>(s.dScoresRight, view.keys);
      for (int64_t r = view.keys; r < roundUp(view.keys, kLanes); r++) {
        store(s.weights + r * kRowUnits + p * kPanel / 2, Vector{});
        store(s.dScores + r * kRowUnits + p * kPanel / 2, Vector{});
      }
    }
#endif
  }
}

// c[rows, columns] += left right, rows of the left operand kRowUnits apart; columns a multiple of kLanes.
template <class Op>
void addRows(const float* left, int64_t rows, const Right& right, int64_t columns, int64_t units, float* c) {
  constexpr int kRowUnits = BackwardScratch<Op>::kRowUnits;
  if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
    multiplyRows({left, kRowUnits, kTileUnits, kTileRows * kRowUnits}, rows, {right.data, right.stride}, columns, units,
                 c, columns, true);
#endif
  } else {
    addProduct<Op, kRowUnits>(Left{left, kRows * kRowUnits, 1}, rows, right, columns, units, c, columns);
  }
}

// Adds to the gradients of a block of keys what a tile of queries contributes: [keys, D] += left x right. Rows that both
// panels see are multiplied once, with the queries of both; tiles take them in whole groups.
template <class Op>
void addToKeys(const float* left, const float* right, const int64_t* keys, const int64_t* counts, int64_t padded,
               float* out) {
  constexpr int kRowUnits = BackwardScratch<Op>::kRowUnits;
  constexpr int64_t kPanelUnits = kPanel / Op::kPerUnit;
  const int64_t seen = std::min(keys[0], keys[1]);
  const int64_t both = Op::kTiles ? seen / kLanes * kLanes : seen;
  if (both > 0) {
    addRows<Op>(left, both, Right{right, padded}, padded, kPanelUnits + unitsOf<Op>(counts[1]), out);
  }
  for (int p = 0; p < 2; p++) {
    if (keys[p] <= both) continue;
    addRows<Op>(left + both * kRowUnits + p * kPanelUnits, keys[p] - both, Right{right + p * kPanelUnits * padded, padded},
                padded, unitsOf<Op>(counts[p]), out + both * padded);
  }
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
  s.keysAcross.pack(k, k1 - k0);
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
    for (int64_t j = k0; j < limit; j += kBlock<Op>) {
      int64_t keys[2] = {0, 0};
      for (int p = 0; p < 2; p++) {
        if (counts[p] == 0) continue;
        const int64_t position = problem.offset() + query + p * kPanel;
        const View view = lookAt(problem.mask, position, counts[p], j, std::min<int64_t>(kBlock<Op>, limit - j));
        keys[p] = view.keys;
        if (view.keys == 0) continue;
        const int64_t panel = p * kPanel * units;
        s.keys.multiply(j - k0, view.keys, s.queries + panel, s.scores);
        s.values.multiply(j - k0, view.keys, s.dys + panel, s.dWeights);
        differentiate<Op>(problem, rootD * kLog2e, position, j, view, p, s);
        const Right slopes = Op::kPerUnit == 1 ? Right{s.dScores + p * kPanel, kTile} : Right{s.dScoresRight, kPanel};
        s.keysAcross.multiply(j - k0, view.keys, slopes, s.dQueries + p * kPanel * padded, written[p]);
        written[p] = true;
      }
      addToKeys<Op>(s.weights, s.naturalDys, keys, counts, padded, s.dValues + (j - k0) * padded);
      addToKeys<Op>(s.dScores, s.naturalQueries, keys, counts, padded, s.dKeys + (j - k0) * padded);
    }
    for (int p = 0; p < 2; p++) {
      float* out = dq + (query + p * kPanel) * D;
      if (written[p]) {
        storeTransposed(s.dQueries + p * kPanel * padded, static_cast<int>(counts[p]), D, factor, out, D);
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
  const int64_t blocks = divideUp(problem.Tk, kBlock<Op>);
  const int64_t parts = partsFor(problem.heads(), blocks, 2);
  const int64_t each = divideUp(blocks, parts) * kBlock<Op>;
  const int64_t size = problem.heads() * problem.Tq * D;
  if (parts > 1) x.partial = static_cast<float*>(scratch(0, 1, parts * size * sizeof(float)));
  parallelFor(problem.heads() * parts, 1, [&](int64_t begin, int64_t end, int worker) {
    [[maybe_unused]] const Scope<Op> tiles;
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

void attentionGradient(const AttentionGradientCall& call) {
  if (flash::lacksTable(call)) return refuse("attention: no table");
  const flash::Problem problem = flash::problemOf(call);
  withProducts(call.precision, [&](auto op) {
    flash::backward<decltype(op)>(problem, {call.q, call.k, call.v, call.y, call.logsumexp, call.dy, call.dq, call.dk,
                                            call.dv, nullptr});
  });
}

}  // namespace tessera
