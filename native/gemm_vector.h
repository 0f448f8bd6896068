// Vectors of the build's width, partial loads and stores, and the activations that matrix products fuse.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "calls.h"

#if defined(__x86_64__)
// GCC 12 warns of its own headers' deliberately undefined values (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace tessera {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vector __attribute__((vector_size(4 * kLanes)));
typedef int32_t IntVector __attribute__((vector_size(4 * kLanes)));

inline Vector splat(float x) { return x - Vector{}; }

inline Vector load(const float* p) {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline void store(float* p, Vector v) { std::memcpy(p, &v, sizeof v); }

// Sanitizers do not see what masked instructions touch: their builds go lane by lane.
#if defined(__AVX512F__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TESSERA_MASKED
#endif

// The first n lanes, 0 < n <= kLanes; the others read as zero and stay unwritten.
inline Vector loadPartial(const float* p, int n) {
#if defined(TESSERA_MASKED)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
#else
  if (n == kLanes) return load(p);
  Vector v = {};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}

inline Vector loadSome(const float* p, int lanes) { return lanes == kLanes ? load(p) : loadPartial(p, lanes); }

inline void storePartial(float* p, Vector v, int n) {
#if defined(TESSERA_MASKED)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
#else
  if (n == kLanes) return store(p, v);
  for (int i = 0; i < n; i++) p[i] = v[i];
#endif
}

// For what is not read again soon: past the caches where the address allows it, which saves reading the line first.
inline void storeForLater(float* p, Vector v, int n) {
#if defined(TESSERA_MASKED)
  if (n == kLanes && reinterpret_cast<uintptr_t>(p) % 64 == 0) return _mm512_stream_ps(p, v);
#endif
  storePartial(p, v, n);
}

inline float sumLanes(Vector v) {
#if defined(__AVX512F__)
  v += _mm512_shuffle_f32x4(v, v, 0x4e);
  v += _mm512_shuffle_f32x4(v, v, 0xb1);
  v += _mm512_shuffle_ps(v, v, 0x4e);
  v += _mm512_shuffle_ps(v, v, 0xb1);
  return v[0];
#else
  float sum = 0;
  for (int i = 0; i < kLanes; i++) sum += v[i];
  return sum;
#endif
}

// e^x: 2^n times a polynomial on [-ln2/2, ln2/2] (Cephes expf); NaN stays NaN, the result saturates near 1e38.
inline Vector expVector(Vector x) {
#if defined(__AVX512F__)
  x = _mm512_min_ps(splat(88.0f), _mm512_max_ps(splat(-87.0f), x));  // both give their second operand where one is NaN
  const Vector whole = _mm512_roundscale_ps(x * 1.44269504088896341f, 0);
  const Vector r = _mm512_fnmadd_ps(whole, splat(-2.12194440e-4f), _mm512_fnmadd_ps(whole, splat(0.693359375f), x));
#else
  x = x > 88.0f ? splat(88.0f) : x;
  x = x < -87.0f ? splat(-87.0f) : x;
  const Vector scaled = x * 1.44269504088896341f;
  const IntVector n = __builtin_convertvector(scaled + (scaled < 0.0f ? splat(-0.5f) : splat(0.5f)), IntVector);
  const Vector whole = __builtin_convertvector(n, Vector);
  const Vector r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
#endif
  Vector p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
#if defined(__AVX512F__)
  return _mm512_scalef_ps(p, whole);
#else
  const IntVector power = (n + 127) << 23;
  Vector scale;
  std::memcpy(&scale, &power, sizeof scale);
  return p * scale;
#endif
}

// As numbered in src/kernels/linear/linear.ts.
inline Vector sigmoidVector(Vector x) {
  const Vector d = 1.0f + expVector(-x);
#if defined(__AVX512F__)
  const Vector r = _mm512_rcp14_ps(d);  // 14 bits, doubled by one step of Newton's
  return r * _mm512_fnmadd_ps(d, r, splat(2.0f));
#else
  return 1.0f / d;
#endif
}

constexpr float kGeluScale = 1.5957691216057308f;  // 2 sqrt(2 / pi): gelu(x) = x sigmoid(2u), u as in the tanh form
constexpr float kGeluCubic = 0.044715f;
constexpr float kLeak = 0.2f;  // slope of lrelu below zero

template <Activation activation>
inline Vector activate(Vector x) {
  if constexpr (activation == Activation::gelu) return x * sigmoidVector(kGeluScale * (x + kGeluCubic * x * x * x));
  if constexpr (activation == Activation::silu) return x * sigmoidVector(x);
  if constexpr (activation == Activation::relu) return x < 0.0f ? splat(0.0f) : x;
  if constexpr (activation == Activation::lrelu) return x < 0.0f ? kLeak * x : x;
  return x;
}

// The activation's derivative at the pre-activation x.
template <Activation activation>
inline Vector activationSlope(Vector x) {
  if constexpr (activation == Activation::gelu) {
    const Vector s = sigmoidVector(kGeluScale * (x + kGeluCubic * x * x * x));
    return s + x * s * (1.0f - s) * (kGeluScale * (1.0f + 3.0f * kGeluCubic * x * x));
  }
  if constexpr (activation == Activation::silu) {
    const Vector s = sigmoidVector(x);
    return s + x * s * (1.0f - s);
  }
  if constexpr (activation == Activation::relu) return x > 0.0f ? splat(1.0f) : splat(0.0f);
  if constexpr (activation == Activation::lrelu) return x > 0.0f ? splat(1.0f) : splat(kLeak);
  return splat(1.0f);
}

// Calls body with the activation as a compile-time constant.
template <class Body>
void withActivation(Activation activation, Body&& body) {
  switch (activation) {
    case Activation::gelu: return body(std::integral_constant<Activation, Activation::gelu>{});
    case Activation::silu: return body(std::integral_constant<Activation, Activation::silu>{});
    case Activation::relu: return body(std::integral_constant<Activation, Activation::relu>{});
    case Activation::lrelu: return body(std::integral_constant<Activation, Activation::lrelu>{});
    case Activation::none: return body(std::integral_constant<Activation, Activation::none>{});
  }
}

// Applies the activation to n floats in place; n is a multiple of kLanes.
inline void activateRun(Activation activation, float* x, int64_t n) {
  withActivation(activation, [&](auto a) {
    for (int64_t i = 0; i < n; i += kLanes) store(x + i, activate<decltype(a)::value>(load(x + i)));
  });
}

// out = dy times the activation's slope at pre, n floats.
inline void slopeRun(Activation activation, const float* dy, const float* pre, int64_t n, float* out) {
  withActivation(activation, [&](auto a) {
    constexpr Activation which = decltype(a)::value;
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store(out + i, load(dy + i) * activationSlope<which>(load(pre + i)));
    if (i == n) return;
    const int left = static_cast<int>(n - i);
    storePartial(out + i, loadPartial(dy + i, left) * activationSlope<which>(loadPartial(pre + i, left)), left);
  });
}

}  // namespace tessera
