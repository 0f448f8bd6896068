// AdamW over several parameters in one pass each, and the sum of squares that clipping needs. Memory-bound: every array
// is read once and written once.
#include <algorithm>
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace optimizer {

constexpr int64_t kPiece = 1 << 14;

// The pieces of several arrays, numbered through: body(array, begin, end) for each.
template <class Body>
void overPieces(const int64_t* sizes, int count, Body&& body) {
  int64_t first[kMaxThreads + 1] = {0};
  for (int i = 0; i < count; i++) first[i + 1] = first[i] + (sizes[i] + kPiece - 1) / kPiece;
  parallelFor(first[count], 4, [&](int64_t begin, int64_t end, int) {
    int array = 0;
    for (int64_t piece = begin; piece < end; piece++) {
      while (piece >= first[array + 1]) array++;
      const int64_t from = (piece - first[array]) * kPiece;
      body(array, piece, from, from + kPiece < sizes[array] ? from + kPiece : sizes[array]);
    }
  });
}

struct Constants {
  float beta1, beta2, eps, clipScale, emaDecay, root2, lr, keep;
};

template <bool hasEma>
void update(float* value, const float* gradient, float* m, float* v, float* ema, int64_t n, const Constants& c) {
  forVectors(n, [&](int64_t i, int lanes) {
    const Vector g = loadSome(gradient + i, lanes) * c.clipScale;
    const Vector mNow = loadSome(m + i, lanes) * c.beta1 + g * (1.0f - c.beta1);
    const Vector vNow = loadSome(v + i, lanes) * c.beta2 + g * g * (1.0f - c.beta2);
    storeSome(m + i, mNow, lanes);
    storeSome(v + i, vNow, lanes);
    const Vector now = loadSome(value + i, lanes) * c.keep - mNow * c.lr / (squareRoot(vNow) * c.root2 + c.eps);
    storeSome(value + i, now, lanes);
    if (hasEma) storeSome(ema + i, loadSome(ema + i, lanes) * c.emaDecay + now * (1.0f - c.emaDecay), lanes);
  });
}

}  // namespace optimizer

void adamw(const AdamwCall& call) {
  using namespace optimizer;
  const int count = call.slotCount;
  int64_t sizes[kMaxThreads];
  Constants constants[kMaxThreads];
  for (int i = 0; i < count; i++) {
    sizes[i] = call.slots[i].size;
    constants[i] = {static_cast<float>(call.beta1),
                    static_cast<float>(call.beta2),
                    call.eps,
                    call.clipScale,
                    call.emaDecay,
                    static_cast<float>(1 / std::sqrt(1 - std::pow(call.beta2, call.step))),
                    static_cast<float>(call.lr / (1 - std::pow(call.beta1, call.step))),
                    static_cast<float>(1 - call.lr * call.slots[i].weightDecay)};
  }
  overPieces(sizes, count, [&](int i, int64_t, int64_t begin, int64_t end) {
    const AdamwCall::Slot& slot = call.slots[i];
    float* ema = slot.ema == nullptr ? nullptr : slot.ema + begin;
    const auto run = ema == nullptr ? update<false> : update<true>;
    run(slot.value + begin, slot.gradient + begin, slot.m + begin, slot.v + begin, ema, end - begin, constants[i]);
  });
}

// Sums of pieces in double, added in the order of the pieces.
void squaredNorm(const SquaredNormCall& call) {
  using namespace optimizer;
  const int count = call.slotCount;
  int64_t sizes[kMaxThreads];
  int64_t pieces = 0;
  for (int i = 0; i < count; i++) {
    sizes[i] = call.slots[i].size;
    pieces += (sizes[i] + kPiece - 1) / kPiece;
  }
  double* partial = static_cast<double*>(scratch(0, 0, (pieces + 1) * sizeof(double)));
  overPieces(sizes, count, [&](int i, int64_t piece, int64_t begin, int64_t end) {
    const float* x = call.slots[i].x;
    double sum = 0;
    // Runs of floats are short enough to lose nothing that matters.
    for (int64_t run = begin; run < end; run += 1024) {
      Vector squares = {};
      forVectors(std::min<int64_t>(1024, end - run), [&](int64_t j, int lanes) {
        const Vector value = loadSome(x + run + j, lanes);
        squares += value * value;
      });
      sum += sumLanes(squares);
    }
    partial[piece] = sum;
  });
  double total = 0;
  for (int64_t i = 0; i < pieces; i++) total += partial[i];
  *call.sum = total;
}

}  // namespace tessera
