// [B, T, 3C] to q, k, v [B, H, T, D] with RMS norm of q and k by head and rotation of neighbouring pairs, and back. One
// head's row at a time: it stays in the first-level cache between its passes.
#include <algorithm>
#include <cmath>

#include "rope.h"

namespace tessera {
namespace rope {

template <class Call>
Sizes sizesOf(const Call& call) {
  return {call.B, call.T, call.H, call.D, call.offset, call.shift, call.eps};
}

// Asks for a row ahead of its use: a dozen streams are more than the processor foresees by itself.
template <bool toWrite>
inline void foresee(const float* row, int64_t D) {
  for (int64_t i = 0; i < D; i += 16) __builtin_prefetch(row + i, toWrite ? 1 : 0);
}

}  // namespace rope

void splitHeads(const SplitHeadsCall& call) {
  using namespace rope;
  const float* const gains[] = {call.qGain, call.kGain};
  float* const outputs[] = {call.q, call.k, call.v};
  const Sizes s = sizesOf(call);
  const int64_t size = s.rows() * s.width();
  const Turns turns = call.cos != nullptr ? spreadAngles(s, call.cos, call.sin) : Turns{nullptr, nullptr};
  parallelFor(s.rows(), std::max<int64_t>(1, 8192 / s.width()), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t b = row / s.T;
      const int64_t t = row % s.T;
      for (int part = 0; part < 3; part++) {
        const float* gain = part < 2 ? gains[part] : nullptr;
        const bool turn = part < 2 && turns.keys != nullptr;
        const Angles angle = turn ? turns.at(part, t, s.D) : Angles{nullptr, nullptr};
        for (int64_t h = 0; h < s.H; h++) {
          const float* x = call.qkv + row * s.width() + (part * s.H + h) * s.D;
          float* out = outputs[part] + ((b * s.H + h) * s.T + t) * s.D;
          foresee<false>(x + s.width(), s.D);
          if (size <= kCached) foresee<true>(out + 2 * s.D, s.D);
          const float scale = gain == nullptr ? 1.0f : inverseRms(x, s.D, s.eps);
          forVectors(s.D, [&](int64_t i, int n) {
            Vector v = loadSome(x + i, n);
            if (gain != nullptr) v = v * scale * loadSome(gain + i, n);
            storeOutput(out + i, turn ? rotate(v, angle, i, n, 1.0f) : v, n, size);
          });
        }
      }
    }
  });
}

void splitHeadsGradient(const SplitHeadsGradientCall& call) {
  using namespace rope;
  const float* const gains[] = {call.qGain, call.kGain};
  const float* const slopes[] = {call.dq, call.dk, call.dv};
  const Sizes s = sizesOf(call);
  const int64_t size = s.rows() * s.width();
  const Turns turns = call.cos != nullptr ? spreadAngles(s, call.cos, call.sin) : Turns{nullptr, nullptr};
  const bool normed = call.qGain != nullptr;
  const int64_t run = std::max<int64_t>(8, (s.rows() + 63) / 64);
  const int64_t runs = (s.rows() + run - 1) / run;
  const int64_t stride = (s.D + 15) / 16 * 16;
  float* partial = static_cast<float*>(scratch(0, 0, (runs + 1) * 2 * stride * sizeof(float)));
  parallelFor(runs, 1, [&](int64_t begin, int64_t end, int worker) {
    float* turned = static_cast<float*>(scratch(worker, 2, stride * sizeof(float)));
    for (int64_t r = begin; r < end; r++) {
      std::memset(partial + r * 2 * stride, 0, 2 * stride * sizeof(float));
      for (int64_t row = r * run; row < std::min(s.rows(), (r + 1) * run); row++) {
        const int64_t b = row / s.T;
        const int64_t t = row % s.T;
        for (int part = 0; part < 3; part++) {
          const bool norm = normed && part < 2;
          const bool turn = part < 2 && turns.keys != nullptr;
          const Angles angle = turn ? turns.at(part, t, s.D) : Angles{nullptr, nullptr};
          const float* gain = norm ? gains[part] : nullptr;
          float* gainSum = partial + (r * 2 + part % 2) * stride;
          for (int64_t h = 0; h < s.H; h++) {
            const int64_t at = row * s.width() + (part * s.H + h) * s.D;
            const float* x = call.qkv + at;
            const float* dy = slopes[part] + ((b * s.H + h) * s.T + t) * s.D;
            float* out = call.dQkv + at;
            foresee<false>(x + s.width(), s.D);
            foresee<false>(dy + 2 * s.D, s.D);
            if (size <= kCached) foresee<true>(out + s.width(), s.D);
            if (!norm) {
              forVectors(s.D, [&](int64_t i, int n) {
                const Vector d = loadSome(dy + i, n);
                storeOutput(out + i, turn ? rotate(d, angle, i, n, -1.0f) : d, n, size);
              });
              continue;
            }
            const float scale = inverseRms(x, s.D, s.eps);
            Vector dot = {};
            forVectors(s.D, [&](int64_t i, int n) {
              Vector d = loadSome(dy + i, n);
              if (turn) d = rotate(d, angle, i, n, -1.0f);
              const Vector normalized = loadSome(x + i, n) * scale;
              storeSome(gainSum + i, loadSome(gainSum + i, n) + d * normalized, n);
              const Vector g = d * loadSome(gain + i, n);
              dot += g * normalized;
              storeSome(turned + i, g, n);
            });
            const float slope = sumLanes(dot) / s.D * scale;
            forVectors(s.D, [&](int64_t i, int n) {
              storeOutput(out + i, (loadSome(turned + i, n) - loadSome(x + i, n) * slope) * scale, n, size);
            });
          }
        }
      }
    }
  });
  if (!normed) return;
  for (int part = 0; part < 2; part++) {
    forVectors(s.D, [&](int64_t i, int n) {
      Vector sum = {};
      for (int64_t r = 0; r < runs; r++) sum += loadSome(partial + (r * 2 + part) * stride + i, n);
      storeSome((part == 0 ? call.dQGain : call.dKGain) + i, sum, n);
    });
  }
}

}  // namespace tessera
