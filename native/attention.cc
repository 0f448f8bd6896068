// Attention without a T x T matrix (Dao et al. 2022, FlashAttention, arXiv:2205.14135). Scores are computed transposed,
// keys down and a panel of queries across the lanes: the softmax then needs no sum across lanes, and its result is
// already the packed right operand of the next product.
#include "attention_tiles.h"

namespace tessera {
namespace flash {

template <class Op>
struct ForwardScratch {
  KeyRows<Op> keys;
  AcrossKeys<Op> values;
  float *queries, *scores, *weights, *sums;

  ForwardScratch(Arena& arena, int64_t count, int64_t D)
      : keys{arena.take(KeyRows<Op>::size(count, D)), D},
        values{arena.take(AcrossKeys<Op>::size(count, D)), D},
        queries(arena.take(kPanel * unitsOf<Op>(D))),
        scores(arena.take((kBlock<Op> + 2) * kPanel)),
        weights(Op::kPerUnit == 1 ? scores : arena.take((kBlock<Op> + 2) * kPanel)),
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
  padWeights<Op>(s.weights, keys);
}

template <class Op>
void forwardPanel(const Problem& problem, const float* q, int64_t query, int64_t count, const ForwardScratch<Op>& s,
                  float* y, float* logsumexp) {
  const int64_t D = problem.D;
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
  for (int64_t j = 0; j < limit; j += kBlock<Op>) {
    const View view = lookAt(problem.mask, position, count, j, std::min<int64_t>(kBlock<Op>, limit - j));
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
    s.values.multiply(j, view.keys, Right{s.weights, kPanel}, s.sums, !first);
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
  const int64_t panels = divideUp(Tq, kPanel);
  const int64_t parts = partsFor(problem.heads(), panels, 4);
  const int64_t each = divideUp(panels, parts);
  parallelFor(problem.heads() * parts, 1, [&](int64_t begin, int64_t end, int worker) {
    [[maybe_unused]] const Scope<Op> tiles;
    for (int64_t task = begin; task < end; task++) {
      // Later queries see more keys: the longest pieces of work go first.
      const int64_t part = parts - 1 - task / problem.heads();
      const int64_t bh = task % problem.heads();
      const int64_t queryEnd = std::min(Tq, (part + 1) * each * kPanel);
      const int64_t keys = problem.keysFor(queryEnd);
      Arena measure;
      ForwardScratch<Op>(measure, keys, D);
      Arena arena(scratch(worker, 0, measure.bytes()));
      const ForwardScratch<Op> s(arena, keys, D);
      s.keys.pack(k + bh * problem.keyRows * D, keys);
      s.values.pack(v + bh * problem.keyRows * D, keys);
      for (int64_t query = part * each * kPanel; query < queryEnd; query += kPanel) {
        const int64_t row = bh * Tq + query;
        forwardPanel<Op>(problem, q + row * D, query, std::min<int64_t>(kPanel, Tq - query), s,
                         y + problem.merged(bh) + query * problem.width(), logsumexp + row);
      }
    }
  });
}

}  // namespace flash

void attention(const AttentionCall& call) {
  if (flash::lacksTable(call)) return refuse("attention: no table");
  const flash::Problem problem = flash::problemOf(call);
  withProducts(call.precision, [&](auto op) {
    flash::forward<decltype(op)>(problem, call.q, call.k, call.v, call.y, call.logsumexp);
  });
}

}  // namespace tessera
