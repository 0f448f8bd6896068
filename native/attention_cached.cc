// Attention while decoding: new positions are written into the cache, then attend to all of it. A few queries against
// many keys are bound by reading the cache, so each head's keys and values are read once, straight from where they lie.
#include "attention_tiles.h"

namespace tessera {
namespace flash {

// Queries a head from which on the tiled kernel is the quicker one.
constexpr int64_t kFewQueries = 4;

inline float* cacheRow(float* cache, const Problem& problem, int64_t bh, int64_t row) {
  return cache + (bh * problem.keyRows + row) * problem.D;
}

void append(const Problem& problem, int64_t bh, const float* rows, float* cache) {
  const int64_t size = problem.Tq * problem.D;
  std::memcpy(cacheRow(cache, problem, bh, problem.offset()), rows + bh * size, size * sizeof(float));
}

// scores[0, count) = scale * q . k[j]; `visible`, if not null, says which keys count: groups without any are skipped.
void scoreKeys(const float* q, const float* k, int64_t count, int64_t D, float scale, const uint8_t* visible,
               float* scores) {
  for (int64_t j = 0; j < count; j += kLanes) {
    const int keys = static_cast<int>(std::min<int64_t>(kLanes, count - j));
    IntVector mask = laneIndex() < splatInt(keys);
    if (visible != nullptr) {
      uint8_t seen[kLanes] = {};
      std::memcpy(seen, visible + j, keys);
      ByteVector bytes;
      std::memcpy(&bytes, seen, sizeof bytes);
      mask &= __builtin_convertvector(bytes, IntVector) != 0;
      bool any = false;
      for (int i = 0; i < keys; i++) any = any || seen[i] != 0;
      if (!any) {
        store(scores + j, splat(kHidden));
        continue;
      }
    }
    Vector sums[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) {
      const float* row = k + (j + std::min(i, keys - 1)) * D;
      Vector sum = {};
      forVectors(D, [&](int64_t d, int n) { sum += loadSome(row + d, n) * loadSome(q + d, n); });
      sums[i] = sum;
    }
    transpose(sums);
    for (int step = kLanes / 2; step > 0; step /= 2) {
      for (int i = 0; i < step; i++) sums[i] += sums[i + step];
    }
    store(scores + j, select(mask, sums[0] * scale, splat(kHidden)));
  }
}

// y = sum of weights[j] v[j] / total, four vectors of a row at a time.
void mixValues(const float* weights, const float* v, int64_t count, int64_t D, float total, float* y) {
  for (int64_t d = 0; d < D; d += 4 * kLanes) {
    const int64_t left = D - d;
    if (left >= 4 * kLanes) {
      Vector sums[4] = {};
      for (int64_t j = 0; j < count; j++) {
        if (weights[j] == 0.0f) continue;
        const Vector weight = splat(weights[j]);
        for (int i = 0; i < 4; i++) sums[i] += weight * load(v + j * D + d + i * kLanes);
      }
      for (int i = 0; i < 4; i++) store(y + d + i * kLanes, sums[i] / total);
      continue;
    }
    forVectors(left, [&](int64_t rest, int n) {
      Vector even = {};
      Vector odd = {};
      const float* column = v + d + rest;
      int64_t j = 0;
      for (; j + 2 <= count; j += 2) {
        even += splat(weights[j]) * loadSome(column + j * D, n);
        odd += splat(weights[j + 1]) * loadSome(column + (j + 1) * D, n);
      }
      if (j < count) even += splat(weights[j]) * loadSome(column + j * D, n);
      storeSome(y + d + rest, (even + odd) / total, n);
    });
  }
}

// One query of a head; `visible` is its row of the mask's table, or null.
void attendOnce(const Problem& problem, const float* q, const float* k, const float* v, int64_t count,
                const uint8_t* visible, float* scores, float* y) {
  const float scale = kLog2e / std::sqrt(static_cast<float>(problem.D));
  scoreKeys(q, k, count, problem.D, scale, visible, scores);
  Vector largest = splat(kFloor);
  for (int64_t j = 0; j < count; j += kLanes) largest = maximum(largest, load(scores + j));
  const float shift = maxLanes(largest);
  Vector total = {};
  for (int64_t j = 0; j < count; j += kLanes) {
    const Vector score = load(scores + j);
    const Vector weight = select(score > kFloor, exp2Vector(score - shift), Vector{});
    total += weight;
    store(scores + j, weight);
  }
  mixValues(scores, v, count, problem.D, sumLanes(total), y);
}

}  // namespace flash

// buffers: q, k, v [B, H, n, D], key cache, value cache [B, H, rows, D], table | null, y, logsumexp; numbers as for
// attention, Tk = positions after this call. The table is transposed (see Mask) if n > kFewQueries, else as it is.
void attentionCached(const Args& args) {
  using namespace flash;
  const Problem problem = attentionProblem(args, args.as<const uint8_t>(5));
  const int64_t n = problem.Tq;
  const int64_t D = problem.D;
  float *keys = args.out(3), *values = args.out(4);
  parallelFor(problem.heads(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t bh = begin; bh < end; bh++) {
      append(problem, bh, args.in(1), keys);
      append(problem, bh, args.in(2), values);
      if (n > kFewQueries) continue;
      float* scores = static_cast<float*>(scratch(worker, 0, (problem.Tk + 2 * kLanes) * sizeof(float)));
      for (int64_t i = 0; i < n; i++) {
        const int64_t position = problem.offset() + i;
        const Mask& mask = problem.mask;
        const int64_t count = mask.kind == Kind::causal ? position + 1 : problem.Tk;
        const uint8_t* visible = mask.kind == Kind::table ? mask.table + position * mask.stride : nullptr;
        attendOnce(problem, args.in(0) + (bh * n + i) * D, cacheRow(keys, problem, bh, 0),
                   cacheRow(values, problem, bh, 0), count, visible, scores,
                   args.out(6) + problem.merged(bh) + i * problem.width());
      }
    }
  });
  if (n <= kFewQueries) return;
  withPrecision(static_cast<Precision>(args.integer(8)), [&](auto op) {
    forward<decltype(op)>(problem, args.in(0), keys, values, args.out(6), args.out(7));
  });
}

// buffers: cache [B, H, capacity, D], rows [n] int32, out [n, H, capacity, D]; numbers: H, capacity, length, D. Row i of
// the output is row rows[i] of the cache; only the filled positions are copied.
void gatherCache(const Args& args) {
  const int64_t H = args.integer(0);
  const int64_t head = args.integer(1) * args.integer(3);
  const int64_t filled = args.integer(2) * args.integer(3);
  const int32_t* rows = args.as<const int32_t>(1);
  const int64_t n = static_cast<int64_t>(args.bytes[1] / sizeof(int32_t));
  parallelFor(n * H, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t source = rows[i / H] * H + i % H;
      std::memcpy(args.out(2) + i * head, args.in(0) + source * head, filled * sizeof(float));
    }
  });
}

}  // namespace tessera
