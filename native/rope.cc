// [B, T, 3C] to q, k, v [B, H, T, D] with RMS norm of q and k by head and rotation of neighbouring pairs, and back. One
// head's row at a time: it stays in the first-level cache between its passes.
#include <algorithm>
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace rope {

struct Sizes {
  int64_t B, T, H, D, offset;
  float eps;
  int64_t rows() const { return B * T; }
  int64_t width() const { return 3 * H * D; }
};

Sizes sizesOf(const Args& args) {
  return {args.integer(0), args.integer(1), args.integer(2), args.integer(3), args.integer(4), args.number(5)};
}

// Swaps the lanes of each pair.
inline Vector swapPairs(Vector v) {
#if defined(__AVX512F__)
  return _mm512_permute_ps(v, 0xb1);
#elif defined(__AVX2__)
  return _mm256_permute_ps(v, 0xb1);
#else
  Vector out;
  for (int i = 0; i < kLanes; i++) out[i] = v[i ^ 1];
  return out;
#endif
}

// The angles of one position, spread over pairs: cosines twice each; sines with a minus sign for the first of a pair.
struct Angles {
  const float* cosines;
  const float* sines;
};

// direction 1 rotates, -1 rotates back.
inline Vector rotate(Vector x, const Angles& angles, int64_t i, int lanes, float direction) {
  return x * loadSome(angles.cosines + i, lanes) + swapPairs(x) * (loadSome(angles.sines + i, lanes) * direction);
}

// Spreads the tables' rows [offset, offset + T) into scratch memory: [T, 2, D].
inline const float* spreadAngles(const Sizes& s, const float* cos, const float* sin) {
  float* out = static_cast<float*>(scratch(0, 1, s.T * 2 * s.D * sizeof(float)));
  for (int64_t t = 0; t < s.T; t++) {
    for (int64_t i = 0; i < s.D / 2; i++) {
      const float c = cos[(s.offset + t) * (s.D / 2) + i];
      const float n = sin[(s.offset + t) * (s.D / 2) + i];
      out[t * 2 * s.D + 2 * i] = out[t * 2 * s.D + 2 * i + 1] = c;
      out[t * 2 * s.D + s.D + 2 * i] = -n;
      out[t * 2 * s.D + s.D + 2 * i + 1] = n;
    }
  }
  return out;
}

// Asks for a row ahead of its use: a dozen streams are more than the processor foresees by itself.
template <bool toWrite>
inline void foresee(const float* row, int64_t D) {
  for (int64_t i = 0; i < D; i += 16) __builtin_prefetch(row + i, toWrite ? 1 : 0);
}

inline float inverseRms(const float* x, int64_t D, float eps) {
  Vector sum = {};
  forVectors(D, [&](int64_t i, int n) {
    const Vector v = loadSome(x + i, n);
    sum += v * v;
  });
  return 1.0f / std::sqrt(sumLanes(sum) / D + eps);
}

}  // namespace rope

// buffers: qkv, qGain | null, kGain | null, cos | null, sin | null, q, k, v; numbers: B, T, H, D, offset, eps
void splitHeads(const Args& args) {
  using namespace rope;
  const Sizes s = sizesOf(args);
  const float* angles = args.has(3) ? spreadAngles(s, args.in(3), args.in(4)) : nullptr;
  parallelFor(s.rows(), std::max<int64_t>(1, 8192 / s.width()), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t b = row / s.T;
      const int64_t t = row % s.T;
      const Angles angle{angles + t * 2 * s.D, angles + t * 2 * s.D + s.D};
      for (int part = 0; part < 3; part++) {
        const float* gain = part < 2 && args.has(1) ? args.in(1 + part) : nullptr;
        const bool turn = part < 2 && angles != nullptr;
        for (int64_t h = 0; h < s.H; h++) {
          const float* x = args.in(0) + row * s.width() + (part * s.H + h) * s.D;
          float* out = args.out(5 + part) + ((b * s.H + h) * s.T + t) * s.D;
          foresee<false>(x + s.width(), s.D);
          foresee<true>(out + 2 * s.D, s.D);
          const float scale = gain == nullptr ? 1.0f : inverseRms(x, s.D, s.eps);
          forVectors(s.D, [&](int64_t i, int n) {
            Vector v = loadSome(x + i, n);
            if (gain != nullptr) v = v * scale * loadSome(gain + i, n);
            storeSome(out + i, turn ? rotate(v, angle, i, n, 1.0f) : v, n);
          });
        }
      }
    }
  });
}

// buffers: qkv, qGain | null, kGain | null, cos | null, sin | null, dq, dk, dv, dqkv, dqGain | null, dkGain | null;
// numbers as for splitHeads
void splitHeadsGradient(const Args& args) {
  using namespace rope;
  const Sizes s = sizesOf(args);
  const float* angles = args.has(3) ? spreadAngles(s, args.in(3), args.in(4)) : nullptr;
  const bool normed = args.has(1);
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
        const Angles angle{angles + t * 2 * s.D, angles + t * 2 * s.D + s.D};
        for (int part = 0; part < 3; part++) {
          const bool norm = normed && part < 2;
          const bool turn = part < 2 && angles != nullptr;
          const float* gain = norm ? args.in(1 + part) : nullptr;
          float* gainSum = partial + (r * 2 + part % 2) * stride;
          for (int64_t h = 0; h < s.H; h++) {
            const int64_t at = row * s.width() + (part * s.H + h) * s.D;
            const float* x = args.in(0) + at;
            const float* dy = args.in(5 + part) + ((b * s.H + h) * s.T + t) * s.D;
            float* out = args.out(8) + at;
            foresee<false>(x + s.width(), s.D);
            foresee<false>(dy + 2 * s.D, s.D);
            foresee<true>(out + s.width(), s.D);
            if (!norm) {
              forVectors(s.D, [&](int64_t i, int n) {
                const Vector d = loadSome(dy + i, n);
                storeSome(out + i, turn ? rotate(d, angle, i, n, -1.0f) : d, n);
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
              storeSome(out + i, (loadSome(turned + i, n) - loadSome(x + i, n) * slope) * scale, n);
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
      storeSome(args.out(9 + part) + i, sum, n);
    });
  }
}

}  // namespace tessera
