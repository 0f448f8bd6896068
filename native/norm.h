// Moments of a row, as every norm needs them.
#pragma once
#include <cmath>

#include "simd.h"

namespace tessera {
namespace norm {

template <class Value>
inline float sumOf(int64_t n, const Value& value) {
  Vector a = {};
  Vector b = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    a += value(i, kLanes);
    b += value(i + kLanes, kLanes);
  }
  for (; i < n; i += kLanes) a += value(i, static_cast<int>(std::min<int64_t>(kLanes, n - i)));
  return sumLanes(a + b);
}

struct Moments {
  float mean;
  float scale;  // 1 / standard deviation, or 1 / root mean square
};

template <bool centered>
inline Moments momentsOf(const float* x, int64_t C, float eps) {
  const float mean = centered ? sumOf(C, [&](int64_t i, int n) { return loadSome(x + i, n); }) / C : 0.0f;
  const float square = sumOf(C, [&](int64_t i, int n) {
    const Vector d = loadSome(x + i, n) - mean;
    // Lanes past the end read as 0 and must stay so.
    const Vector kept = !centered || n == kLanes ? d : select(laneIndex() < splatInt(n), d, Vector{});
    return kept * kept;
  });
  return {mean, 1.0f / std::sqrt(square / C + eps)};
}

}  // namespace norm
}  // namespace tessera
