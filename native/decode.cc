// A whole decode step of the transformer in one call: every layer, new keys and values written into the cache, logits at
// the end. A few rows are bound by reading weights and cache, so both lie packed for the micro-kernel (in bf16 where
// products are) and each panel is read once for all rows. Every number is summed in one order, however many rows and
// positions are read at once: a row's logits do not depend on its company.
//
// The layer is written three times: as operations in src/families/transformer/dalle.ts, which trains; here; and as
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
  onThreads([&](int worker, int workers) { Pass<Op>(step, shared, phases.data(), worker, workers).run(); });
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

// Whether buffer i has room for so many elements.
template <class T = float>
bool holds(const Args& args, int i, int64_t elements) {
  return args.has(i) && args.bytes[i] >= elements * sizeof(T);
}

// Why this call would read or write beyond an array, or null.
template <class Op>
const char* stepProblem(const Args& args, const Step& step, int64_t start, int64_t n) {
  const Sizes& s = step.s;
  if (!s.sound()) return "decode: sizes that no network has";
  if (n < 1 || start < s.prefix || start + n > s.positions) return "decode: positions beyond the cache";
  if (!holds(args, 0, weightsSize<Op>(s))) return "decode: packed weights of another network";
  if (!holds(args, 1, s.rows * Cache<Op>{s, nullptr, s.capacity()}.rowSize())) return "decode: a cache of fewer rows";
  if (!holds(args, 4, s.rows * n * s.C)) return "decode: fewer vectors than rows and positions";
  const int64_t shared = Cache<Op>{s, nullptr, s.positions}.rowSize() * sizeof(float);
  for (int64_t row = 0; s.prefix > 0 && row < s.rows; row++) {
    if (!holds<int32_t>(args, 3, s.rows) || !args.has(2)) return "decode: no cache of the first positions";
    const int64_t of = step.sharedRow[row];
    if (of < 0 || (of + 1) * shared > static_cast<int64_t>(args.bytes[2])) return "decode: no such row of the shared cache";
  }
  if (!holds<int32_t>(args, 5, s.layers)) return "decode: fewer masks than layers";
  for (int64_t layer = 0; layer < s.layers; layer++) {
    const int64_t mask = step.maskOf[layer];
    if (mask >= 0 && !holds<uint8_t>(args, 6, (mask + 1) * s.positions * s.positions)) return "decode: no such mask";
  }
  const int64_t angles = s.positions * (s.D() / 2);
  if (args.has(7) && (!holds(args, 7, angles) || !holds(args, 8, angles))) return "decode: fewer angles than positions";
  const int64_t rows = step.wanted == Wanted::all ? s.rows * n : s.rows;
  if (step.wanted != Wanted::nothing && !holds(args, 9, rows * s.vocabulary)) return "decode: no room for the logits";
  return nullptr;
}

}  // namespace decode

// buffers: sizes (float64): floats of the packed weights, and of one row of the cache; numbers: Sizes
void decoderSizes(const Args& args) {
  using namespace decode;
  const Sizes s = sizesOf(args);
  if (!s.sound()) return refuse("decode: sizes that no network has");
  withPrecision(s.precision, [&](auto op) {
    using Op = decltype(op);
    double* out = args.as<double>(0);
    out[0] = static_cast<double>(weightsSize<Op>(s));
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
    const int64_t layer = args.integer(kSizeNumbers);
    const int64_t up = (s.gated ? 2 : 1) * s.inner * s.C;
    if (!s.sound() || layer < 0 || layer >= s.layers || !holds(args, 10, weightsSize<Op>(s))) {
      return refuse("decode: no such layer");
    }
    if (!holds(args, 0, s.C) || !holds(args, 2, 3 * s.C * s.C) || !holds(args, 5, s.C * s.C) || !holds(args, 6, s.C) ||
        !holds(args, 8, up) || !holds(args, 9, s.inner * s.C)) {
      return refuse("decode: weights of another layer");
    }
    const Layer l = layerAt<Op>(s, args.out(10), layer);
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
    using Op = decltype(op);
    if (!s.sound() || !holds(args, 0, s.C) || !holds(args, 2, s.vocabulary * s.C) ||
        !holds(args, 3, weightsSize<Op>(s))) {
      return refuse("decode: weights of another network");
    }
    const Ends e = endsAt<Op>(s, args.out(3));
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
  step.wanted = wanted;
  const char* problem = withPrecision(
      step.s.precision, [&](auto op) { return stepProblem<decltype(op)>(args, step, start, n); });
  if (problem != nullptr) return refuse(problem);
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
