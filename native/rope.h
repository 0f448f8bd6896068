// Rotary positions and QK-norm of one head's row: see src/kernels/rope/rope.ts.
#pragma once
#include <cmath>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace rope {

struct Sizes {
  int64_t B, T, H, D, offset, shift;
  float eps;
  int64_t rows() const { return B * T; }
  int64_t width() const { return 3 * H * D; }
};

// Swaps the lanes of each pair.
inline Vector swapPairs(Vector v) {
#if defined(__AVX512F__)
  return _mm512_permute_ps(v, 0xb1);
#elif defined(__AVX2__)
  return _mm256_permute_ps(v, 0xb1);
#else
  Vector out = {};
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

// The tables' rows from `offset` on, spread: of queries, and of keys; each [T, 2, D], or null.
struct Turns {
  const float* queries;
  const float* keys;

  // Of position t. part: 0 of q, others of k.
  Angles at(int part, int64_t t, int64_t D) const {
    const float* row = (part == 0 ? queries : keys) + t * 2 * D;
    return {row, row + D};
  }
};

// Spreads the tables' rows [offset, offset + T), and of queries those `shift` rows further on, into scratch memory.
inline Turns spreadAngles(const Sizes& s, const float* cos, const float* sin) {
  const int64_t size = s.T * 2 * s.D;
  float* memory = static_cast<float*>(scratch(0, 1, (s.shift == 0 ? 1 : 2) * size * sizeof(float)));
  const auto spread = [&](int64_t first, float* out) {
    for (int64_t t = 0; t < s.T; t++) {
      for (int64_t i = 0; i < s.D / 2; i++) {
        const float c = cos[(first + t) * (s.D / 2) + i];
        const float n = sin[(first + t) * (s.D / 2) + i];
        out[t * 2 * s.D + 2 * i] = out[t * 2 * s.D + 2 * i + 1] = c;
        out[t * 2 * s.D + s.D + 2 * i] = -n;
        out[t * 2 * s.D + s.D + 2 * i + 1] = n;
      }
    }
    return out;
  };
  const float* keys = spread(s.offset, memory);
  return {s.shift == 0 ? keys : spread(s.offset + s.shift, memory + size), keys};
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
}  // namespace tessera
