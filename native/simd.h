// Vector mathematics that more than one kernel needs: exponentials, logarithm, tanh, lane-wise choice. Relative errors
// are about 1e-7 unless a comment says otherwise.
#pragma once
#include "gemm_vector.h"

namespace tessera {

typedef uint8_t ByteVector __attribute__((vector_size(kLanes)));

inline Vector select(IntVector mask, Vector yes, Vector no) { return mask ? yes : no; }

inline IntVector bits(Vector v) {
  IntVector out;
  std::memcpy(&out, &v, sizeof out);
  return out;
}

inline Vector floats(IntVector v) {
  Vector out;
  std::memcpy(&out, &v, sizeof out);
  return out;
}

inline IntVector splatInt(int32_t x) { return x - IntVector{}; }

// 0, 1, 2, ...
inline IntVector laneIndex() {
  IntVector v;
  for (int i = 0; i < kLanes; i++) v[i] = i;
  return v;
}

// The larger of two lanes; b where either is NaN.
inline Vector maximum(Vector a, Vector b) {
#if defined(__AVX512F__)
  return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

// The smaller of two lanes; b where either is NaN.
inline Vector minimum(Vector a, Vector b) {
#if defined(__AVX512F__)
  return _mm512_min_ps(a, b);
#elif defined(__AVX2__)
  return _mm256_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

// The same value, about which the compiler knows nothing: keeps it from reassociating where rounding matters.
inline Vector opaque(Vector v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

inline Vector squareRoot(Vector x) {
#if defined(__AVX512F__)
  return _mm512_sqrt_ps(x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#else
  for (int i = 0; i < kLanes; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

inline float maxLanes(Vector v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(v);
#else
  float largest = v[0];
  for (int i = 1; i < kLanes; i++) largest = v[i] > largest ? v[i] : largest;
  return largest;
#endif
}

inline Vector nearestInteger(Vector x) {
#if defined(__AVX512F__)
  return _mm512_roundscale_ps(x, 0x08);
#elif defined(__AVX2__)
  return _mm256_round_ps(x, 0x08);
#else
  const Vector shifted = x + (x < 0.0f ? splat(-0.5f) : splat(0.5f));
  return __builtin_convertvector(__builtin_convertvector(shifted, IntVector), Vector);
#endif
}

// p * 2^n for integers n; n below -126 gives a number of about 1e-38 or 0.
inline Vector scaleByPower(Vector p, Vector n) {
#if defined(__AVX512F__)
  return _mm512_scalef_ps(p, n);
#else
  n = n < -126.0f ? splat(-126.0f) : n;
  n = n > 127.0f ? splat(127.0f) : n;
  return p * floats((__builtin_convertvector(n, IntVector) + 127) << 23);
#endif
}

// 2^x for x < 128, 0 below the normal range, since what is multiplied with numbers near its end takes the processor a hundred
// times as long; polynomial of Cephes exp2f; `coarse` (4e-6) is enough where the result is rounded to bf16.
template <bool coarse = false>
inline Vector exp2Vector(Vector x) {
#if !defined(__AVX512F__)
  const IntVector gone = x < -126.0f;
  x = gone ? splat(-126.0f) : x;
#endif
  const Vector n = nearestInteger(x);
  const Vector r = x - n;
  Vector p;
  if constexpr (coarse) {
    p = splat(9.67770414e-3f);
    p = p * r + 5.58197014e-2f;
    p = p * r + 2.40221113e-1f;
    p = p * r + 6.93143651e-1f;
    p = p * r + 1.0f;
  } else {
    p = splat(1.535336188319500e-4f);
    p = p * r + 1.339887440266574e-3f;
    p = p * r + 9.618437357674640e-3f;
    p = p * r + 5.550332471162809e-2f;
    p = p * r + 2.402264791363012e-1f;
    p = p * r + 6.931472028550421e-1f;
    p = p * r + 1.0f;
  }
#if defined(__AVX512F__)
  return scaleByPower(p, n);
#else
  return gone ? Vector{} : scaleByPower(p, n);
#endif
}

// e^x over the whole range: 0 below, infinity above, NaN for NaN.
inline Vector expFull(Vector x) {
  const Vector clamped = minimum(splat(89.0f), maximum(splat(-104.0f), x));
  const Vector n = nearestInteger(clamped * 1.44269504088896341f);
  const Vector r = opaque(clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
#if defined(__AVX512F__)
  return _mm512_scalef_ps(p, n);
#else
  // In two steps, so that results below the normal range and above the largest power come out right.
  const IntVector whole = __builtin_convertvector(n, IntVector);
  const IntVector half = whole >> 1;
  const Vector y = p * floats((half + 127) << 23) * floats((whole - half + 127) << 23);
  return x == x ? y : x;
#endif
}

// Natural logarithm of normal positive numbers (Cephes logf); other arguments are the caller's affair.
inline Vector logNormal(Vector x) {
  const IntVector raw = bits(x);
  IntVector exponent = ((raw >> 23) & 255) - 126;
  Vector m = floats((raw & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  const IntVector small = m < 0.707106781186547524f;
  exponent = small ? exponent - 1 : exponent;
  m = (small ? m + m : m) - 1.0f;
  const Vector z = m * m;
  Vector p = splat(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const Vector e = __builtin_convertvector(exponent, Vector);
  Vector y = m * z * p;
  y += e * -2.12194440e-4f;
  y -= 0.5f * z;
  return opaque(m + y) + e * 0.693359375f;
}

// 1 / (1 + e^-x).
inline Vector sigmoidFull(Vector x) { return 1.0f / (1.0f + expFull(-x)); }

// tanh: a polynomial near 0, where the exponential form cancels (Cephes tanhf).
inline Vector tanhVector(Vector x) {
  const Vector size = x < 0.0f ? -x : x;
  const Vector y = 1.0f - 2.0f / (expFull(size + size) + 1.0f);
  const Vector z = x * x;
  Vector p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  p = p * z * x + x;
  return size < 0.625f ? p : (x < 0.0f ? -y : y);
}

// body(offset, lanes): whole vectors, then the rest.
template <class Body>
inline void forVectors(int64_t n, Body&& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, static_cast<int>(n - i));
}

inline void storeSome(float* p, Vector v, int lanes) {
  if (lanes == kLanes) {
    store(p, v);
  } else {
    storePartial(p, v, lanes);
  }
}

// Outputs of more floats than this leave the caches before they are read again.
constexpr int64_t kCached = 2 << 20;

// Into an output of `size` floats.
inline void storeOutput(float* p, Vector v, int lanes, int64_t size) {
  if (size > kCached) {
    storeForLater(p, v, lanes);
  } else {
    storeSome(p, v, lanes);
  }
}

}  // namespace tessera
