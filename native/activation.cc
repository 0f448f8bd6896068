// Activations (the formulas that matrix products fuse are in gemm_vector.h) and dropout by Philox4x32-10 (Salmon et al.
// 2011, "Parallel random numbers: as easy as 1, 2, 3").
#include <algorithm>

#include "kernels.h"
#include "simd.h"

namespace tessera {
namespace activation {

constexpr int64_t kGrain = 1 << 14;

template <Activation kind, class Call>
void forward(const Call& call) {
  const int64_t size = call.size;
  parallelFor(size, kGrain, [&](int64_t begin, int64_t end, int) {
    forVectors(end - begin, [&](int64_t i, int n) {
      storeSome(call.y + begin + i, activate<kind>(loadSome(call.x + begin + i, n)), n);
    });
  });
}

template <Activation kind, class Call>
void backward(const Call& call) {
  const int64_t size = call.size;
  parallelFor(size, kGrain, [&](int64_t begin, int64_t end, int) {
    forVectors(end - begin, [&](int64_t i, int n) {
      const Vector slope = activationSlope<kind>(loadSome(call.x + begin + i, n));
      storeSome(call.dx + begin + i, loadSome(call.dy + begin + i, n) * slope, n);
    });
  });
}

typedef uint32_t UintVector __attribute__((vector_size(4 * kLanes)));

inline void multiplyWide(UintVector a, uint32_t m, UintVector& high, UintVector& low) {
#if defined(__AVX512F__)
  const __m512i factor = _mm512_set1_epi32(static_cast<int>(m));
  const __m512i even = _mm512_mul_epu32((__m512i)a, factor);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);
  high = (UintVector)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
  low = (UintVector)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
#elif defined(__AVX2__)
  const __m256i factor = _mm256_set1_epi32(static_cast<int>(m));
  const __m256i even = _mm256_mul_epu32((__m256i)a, factor);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), factor);
  high = (UintVector)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  low = (UintVector)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
#else
  for (int i = 0; i < kLanes; i++) {
    const uint64_t product = uint64_t{a[i]} * m;
    high[i] = static_cast<uint32_t>(product >> 32);
    low[i] = static_cast<uint32_t>(product);
  }
#endif
}

// Blocks first, first + 1, ... (first a multiple of kLanes): lane i of c[j] is word j of block first + i.
inline void philoxBlocks(uint64_t first, uint32_t key0, uint32_t key1, UintVector* c) {
  c[0] = (UintVector)laneIndex() + static_cast<uint32_t>(first);
  c[1] = UintVector{} + static_cast<uint32_t>(first >> 32);
  c[2] = c[3] = UintVector{};
  for (int round = 0; round < 10; round++) {
    UintVector high0, low0, high1, low1;
    multiplyWide(c[0], 0xd2511f53u, high0, low0);
    multiplyWide(c[2], 0xcd9e8d57u, high1, low1);
    c[0] = high1 ^ c[1] ^ key0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ key1;
    c[3] = low0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
}

// For elements [first, first + 4 kLanes), first a multiple of 4 kLanes: bit i says whether first + i stays.
inline uint64_t keptBits(uint64_t first, uint32_t seed, uint32_t stream, uint32_t threshold) {
  UintVector words[4];
  philoxBlocks(first / 4, seed, stream, words);
#if defined(__AVX512F__) && defined(__BMI2__)
  uint64_t kept = 0;
  for (int j = 0; j < 4; j++) {
    const uint64_t mask = _mm512_cmpge_epu32_mask((__m512i)words[j], _mm512_set1_epi32(static_cast<int>(threshold)));
    kept |= _pdep_u64(mask, 0x1111111111111111ull << j);
  }
  return kept;
#else
  uint64_t kept = 0;
  for (int j = 0; j < 4; j++) {
    for (int i = 0; i < kLanes; i++) kept |= uint64_t{words[j][i] >= threshold} << (4 * i + j);
  }
  return kept;
#endif
}

// The lanes of v whose bits are set; 0 elsewhere.
inline Vector keepLanes(Vector v, uint64_t kept) {
#if defined(__AVX512F__)
  return _mm512_maskz_mov_ps(static_cast<__mmask16>(kept), v);
#else
  IntVector mask;
  for (int i = 0; i < kLanes; i++) mask[i] = -static_cast<int32_t>(kept >> i & 1);
  return select(mask, v, Vector{});
#endif
}

}  // namespace activation

void gelu(const GeluCall& call) { activation::forward<Activation::gelu>(call); }
void silu(const SiluCall& call) { activation::forward<Activation::silu>(call); }

void geluGradient(const GeluGradientCall& call) { activation::backward<Activation::gelu>(call); }
void siluGradient(const SiluGradientCall& call) { activation::backward<Activation::silu>(call); }

// t times the slope of lrelu where its result was y, which has the sign of what went in.
void leakySlope(const LeakySlopeCall& call) {
  parallelFor(call.size, activation::kGrain, [&](int64_t begin, int64_t end, int) {
    slopeRun(Activation::lrelu, call.t + begin, call.y + begin, end - begin, call.slope + begin);
  });
}

void swiglu(const SwigluCall& call) {
  const int64_t H = call.H;
  if (H == 0) return;
  const int64_t size = call.rows * H;
  parallelFor(call.rows, std::max<int64_t>(1, activation::kGrain / H), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = call.x + row * 2 * H;
      forVectors(H, [&](int64_t i, int n) {
        const Vector y = activate<Activation::silu>(loadSome(x + i, n)) * loadSome(x + H + i, n);
        storeOutput(call.y + row * H + i, y, n, size);
      });
    }
  });
}

void swigluGradient(const SwigluGradientCall& call) {
  const int64_t H = call.H;
  if (H == 0) return;
  const int64_t size = call.rows * 2 * H;
  parallelFor(call.rows, std::max<int64_t>(1, activation::kGrain / H), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = call.x + row * 2 * H;
      float* dx = call.dx + row * 2 * H;
      forVectors(H, [&](int64_t i, int n) {
        const Vector a = loadSome(x + i, n);
        const Vector dy = loadSome(call.dy + row * H + i, n);
        const Vector s = sigmoidVector(a);
        storeOutput(dx + i, dy * loadSome(x + H + i, n) * (s + a * s * (1.0f - s)), n, size);
        storeOutput(dx + H + i, dy * a * s, n, size);
      });
    }
  });
}

void dropout(const DropoutCall& call) {
  using namespace activation;
  const int64_t size = call.size;
  const double rate = call.rate;
  const uint32_t threshold = static_cast<uint32_t>(rate * 4294967296.0);
  const uint32_t seed = call.seed;
  const uint32_t stream = call.stream;
  const float scale = static_cast<float>(1 / (1 - rate));
  const float* residual = call.residual;
  parallelFor(size, 4096, [&](int64_t begin, int64_t end, int) {
    for (int64_t group = begin; group < end; group += 4 * kLanes) {
      uint64_t kept = keptBits(group, seed, stream, threshold);
      for (int64_t i = group; i < std::min<int64_t>(end, group + 4 * kLanes); i += kLanes, kept >>= kLanes) {
        const int n = static_cast<int>(std::min<int64_t>(kLanes, end - i));
        Vector y = keepLanes(loadSome(call.x + i, n) * scale, kept);
        if (residual != nullptr) y += loadSome(residual + i, n);
        storeSome(call.y + i, y, n);
      }
    }
  });
}

}  // namespace tessera
