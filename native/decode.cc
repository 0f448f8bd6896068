// A whole decode step of the transformer in one call: every layer, new keys and values written into the cache, logits at
// the end. A few rows are bound by reading weights and cache, so both lie packed for the micro-kernel (in bf16 where
// products are) and each panel is read once for all rows. Every number is summed in one order, however many rows and
// positions are read at once: a row's logits do not depend on its company.
//
// The layer is written three times: as operations in src/families/transformer/layer.ts, which trains; here; and as
// dispatches in src/kernels/decode/webgpu.ts. A step of one position costs what reading the weights costs, so a call for
// each operation would cost several times as much. test/families/transformer/decoder.test.ts holds them together.
#include <atomic>
#include <vector>

#include "decode_attend.h"
#include "norm.h"
#include "wait.h"

namespace tessera {
namespace decode {

// A phase's tasks are claimed by whoever is there; the next begins when all are done, not when all threads have arrived.
struct Phase {
  std::atomic<int64_t> claimed{0};
  std::atomic<int64_t> done{0};
};

template <class Op>
class Pass {
 public:
  Pass(const Step& step, const Shared& shared, Phase* phase, int worker, int workers)
      : step_(step), s_(step.s), shared_(shared), phase_(phase), workers_(workers),
        own_(ownMemory(step, worker)), attention_(step, shared, own_, workers) {}

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
          attention_.runsOfRows() * s_.H, 1, [] {},
          [&](int64_t task, int64_t) { attention_.attend(l, i, task / s_.H, task % s_.H); });
      project(
          l.output, s_.C, s_.C, M, [&] { pack(M, s_.C, [&](int64_t m) { return shared_.mixed + m * shared_.width; }); },
          addToX);
      feedForward(l, [&] { packNormed(l.norm2, l.bias2, M, x); });
      project(
          l.down, s_.C, s_.inner, M,
          [&] { pack(M, s_.inner, [&](int64_t m) { return shared_.inner + m * shared_.innerWidth; }); }, addToX);
    }
    if (step_.wanted == Wanted::none) return;
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
#if defined(__AMX_TILE__)
    if (onTiles<Op>(units)) {
      for (int64_t m = 0; m < rows; m++) {
        toUnits<Op>(rowAt(m), k, own_.units);
        float* out = own_.packed + m / kTileRows * kTileRows * units + m % kTileRows * kTileUnits;
        for (int64_t u = 0; u < units; u += kTileUnits, out += kTileFloats) store(out, load(own_.units + u));
      }
      return;
    }
#endif
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
#if defined(__AMX_TILE__)
    if (onTiles<Op>(units)) {
      for (int64_t p = 0; p < panels; p++) {
        tessera::multiplyRows({own_.packed, kTileUnits, kTileFloats, kTileRows * units}, rows,
                              {b + p * units * kColumns, kColumns}, kColumns, units, out + p * kColumns, kPanels * kColumns,
                              false);
      }
      return;
    }
#endif
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

  const Step& step_;
  const Sizes& s_;
  const Shared& shared_;
  Phase* phase_;
  int workers_;
  Own<Op> own_;
  Attention<Op> attention_;
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
  onThreads([&](int worker, int workers) {
    [[maybe_unused]] const std::conditional_t<Op::kPerUnit == 2, TileScope, NoScope> tiles;
    Pass<Op>(step, shared, phases.data(), worker, workers).run();
  });
}

}  // namespace decode

namespace decode {

// Floats of the packed weights.
template <class Op>
int64_t weightsSize(const Sizes& s) {
  Arena ends;
  cutEnds<Op>(s, ends);
  return s.layers * layerSize<Op>(s) + static_cast<int64_t>(ends.bytes() / sizeof(float));
}

// Why this call would read or write beyond an array, or null.
template <class Op>
const char* problemOf(const DecoderStepCall& call, const Sizes& s) {
  if (!s.sound()) return "decode: sizes that no network has";
  if (call.n < 1 || call.start < s.prefix || call.start + call.n > s.positions) return "decode: positions beyond the cache";
  if (call.weightsLength < weightsSize<Op>(s)) return "decode: packed weights of another network";
  if (call.cacheLength < s.rows * Cache<Op>{s, nullptr, s.capacity()}.rowSize()) return "decode: a cache of fewer rows";
  const int64_t shared = Cache<Op>{s, nullptr, s.positions}.rowSize();
  for (int64_t row = 0; s.prefix > 0 && row < s.rows; row++) {
    if (call.sharedRow == nullptr || call.sharedCache == nullptr) return "decode: no cache of the first positions";
    const int64_t of = call.sharedRow[row];
    if (of < 0 || (of + 1) * shared > call.sharedCacheLength) return "decode: no such row of the shared cache";
  }
  for (int64_t layer = 0; layer < s.layers; layer++) {
    const int64_t mask = call.maskOf[layer];
    if (mask >= 0 && call.tablesLength < (mask + 1) * s.positions * s.positions) return "decode: no such mask";
  }
  if (call.cos != nullptr && call.sin == nullptr) return "decode: cosines without sines";
  if (call.wanted != Wanted::none && call.logits == nullptr) return "decode: no room for the logits";
  return nullptr;
}

}  // namespace decode

void decoderSizes(const DecoderSizesCall& call) {
  using namespace decode;
  const Sizes s = sizesOf(call);
  if (!s.sound()) return refuse("decode: sizes that no network has");
  withPrecision(s.precision, [&](auto op) {
    using Op = decltype(op);
    call.floats[0] = static_cast<double>(weightsSize<Op>(s));
    call.floats[1] = static_cast<double>(Cache<Op>{s, nullptr, s.capacity()}.rowSize());
  });
}

void decoderPackLayer(const DecoderPackLayerCall& call) {
  using namespace decode;
  const Sizes s = sizesOf(call);
  withPrecision(s.precision, [&](auto op) {
    using Op = decltype(op);
    if (!s.sound() || call.layer >= s.layers || call.weightsLength < weightsSize<Op>(s)) {
      return refuse("decode: no such layer");
    }
    const Layer l = layerAt<Op>(s, call.weights, call.layer);
    const auto copy = [](const float* from, float* to, int64_t n) {
      if (from != nullptr) std::memcpy(to, from, n * sizeof(float));
    };
    copy(call.norm1, l.norm1, s.C);
    copy(call.bias1, l.bias1, s.C);
    copy(call.qGain, l.qGain, s.D());
    copy(call.kGain, l.kGain, s.D());
    copy(call.norm2, l.norm2, s.C);
    copy(call.bias2, l.bias2, s.C);
    packColumns(s.precision, call.qkv, s.C, 1, 3 * s.C, s.C, l.qkv);
    packColumns(s.precision, call.output, s.C, 1, s.C, s.C, l.output);
    const int64_t half = padded(s.inner) * unitsOf<Op>(s.C);
    packColumns(s.precision, call.up, s.C, 1, s.inner, s.C, l.up);
    if (s.gated) packColumns(s.precision, call.up + s.inner * s.C, s.C, 1, s.inner, s.C, l.up + half);
    packColumns(s.precision, call.down, s.inner, 1, s.C, s.inner, l.down);
  });
}

void decoderPackEnds(const DecoderPackEndsCall& call) {
  using namespace decode;
  const Sizes s = sizesOf(call);
  withPrecision(s.precision, [&](auto op) {
    using Op = decltype(op);
    if (!s.sound() || call.weightsLength < weightsSize<Op>(s)) return refuse("decode: weights of another network");
    const Ends e = endsAt<Op>(s, call.weights);
    std::memcpy(e.norm, call.norm, s.C * sizeof(float));
    if (call.bias != nullptr) std::memcpy(e.bias, call.bias, s.C * sizeof(float));
    packColumns(s.precision, call.head, s.C, 1, s.vocabulary, s.C, e.head);
  });
}

// Reads n more positions of every row, a few at a time.
void decoderStep(const DecoderStepCall& call) {
  using namespace decode;
  Step step;
  step.s = sizesOf(call);
  const int64_t n = call.n;
  const char* problem =
      withPrecision(step.s.precision, [&](auto op) { return problemOf<decltype(op)>(call, step.s); });
  if (problem != nullptr) return refuse(problem);
  // What finds a layer serves its packing too; a step only reads.
  step.weights = const_cast<float*>(call.weights);
  step.cache = call.cache;
  step.shared = const_cast<float*>(call.sharedCache);
  step.sharedRow = call.sharedRow;
  step.maskOf = call.maskOf;
  step.tables = call.tables;
  step.logits = call.logits;
  step.xRow = n;
  const int64_t most = call.wanted == Wanted::all ? n : std::max<int64_t>(1, kMostPositions / step.s.rows);
  for (int64_t first = 0; first < n; first += step.n) {
    step.n = std::min(most, n - first);
    step.start = call.start + first;
    step.x = call.x + first * step.s.C;
    step.wanted = first + step.n == n ? call.wanted : Wanted::none;
    step.turns = {nullptr, nullptr};
    if (call.cos != nullptr) {
      const rope::Sizes angles{1, step.n, step.s.H, step.s.D(), step.start, call.shift, 0.0f};
      step.turns = rope::spreadAngles(angles, call.cos, call.sin);
    }
    withPrecision(step.s.precision, [&](auto op) { run<decltype(op)>(step); });
  }
}

}  // namespace tessera
