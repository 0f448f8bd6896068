// The roof under which the other kernels run, for `npm run bench` and `tessera doctor`: multiply-adds from registers
// alone, and bytes streamed from and to memory, each on all threads.
#include "gemm_driver.h"
#include "simd.h"

namespace tessera {
namespace peak {

// Sums that grow independently of each other: enough to hide the latency of a multiply-add, few enough for registers.
#if defined(__AVX512F__)
constexpr int kChains = 24;
#else
constexpr int kChains = 12;
#endif
constexpr int64_t kMultiplyAdds = 3 << 20;      // of a piece; a whole number of rounds on every processor
constexpr int64_t kFloats = int64_t{1} << 18;  // of a piece of memory, 1 MiB

template <class Op>
float ones() {
  const uint32_t one = Op::kPerUnit == 2 ? 0x3f803f80 : 0x3f800000;
  float value;
  std::memcpy(&value, &one, sizeof value);
  return value;
}

#if defined(__AMX_TILE__)
double countOnTiles() {
  constexpr int64_t kRound = 4 * kTileFloats * 2 * kTileUnits;  // multiply-adds of four tiles
  static_assert(kMultiplyAdds % kRound == 0);
  const TileScope scope;
  alignas(64) float one[kTileFloats], sums[kTileFloats];
  std::fill_n(one, kTileFloats, ones<Amx>());
  asm volatile("" ::: "memory");
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, one, 64);
  _tile_loadd(5, one, 64);
  _tile_loadd(6, one, 64);
  _tile_loadd(7, one, 64);
  for (int64_t round = 0; round < kMultiplyAdds / kRound; round++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  double total = 0;
  const auto add = [&] {
    for (float sum : sums) total += static_cast<double>(sum);
  };
  _tile_stored(0, sums, 64);
  add();
  _tile_stored(1, sums, 64);
  add();
  _tile_stored(2, sums, 64);
  add();
  _tile_stored(3, sums, 64);
  add();
  return total;
}
#endif

// Every multiply-add is 1 * 1 + sum, so that the sum counts them.
template <class Op>
double countMultiplyAdds() {
#if defined(__AMX_TILE__)
  if constexpr (Op::kTiles) return countOnTiles();
#endif
  constexpr int64_t kRounds = kMultiplyAdds / (kChains * kLanes * Op::kPerUnit);
  static_assert(kRounds * kChains * kLanes * Op::kPerUnit == kMultiplyAdds);
  Vector sum[kChains] = {};
  Vector left = splat(ones<Op>());
  const Vector right = opaque(left);
  for (int64_t round = 0; round < kRounds; round++) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; i++) {
      left = opaque(left);  // or the product would be made once for all
      sum[i] = multiplyAdd<Op>(left, right, sum[i]);
    }
  }
  double total = 0;
  for (int i = 0; i < kChains; i++) {
    for (int lane = 0; lane < kLanes; lane++) total += static_cast<double>(sum[i][lane]);
  }
  return total;
}

}  // namespace peak

void peakFlops(const PeakFlopsCall& call) {
  double* counts = call.counts;
  withProducts(call.precision, [&](auto op) {
    parallelFor(call.pieces, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) counts[i] = peak::countMultiplyAdds<decltype(op)>();
    });
  });
}

void peakRead(const PeakReadCall& call) {
  using namespace peak;
  const int64_t size = call.size;
  parallelFor(divideUp(size, kFloats), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t piece = begin; piece < end; piece++) {
      const float* x = call.x + piece * kFloats;
      const int64_t n = std::min(kFloats, size - piece * kFloats);
      Vector sum[8] = {};
      int64_t i = 0;
      for (; i + 8 * kLanes <= n; i += 8 * kLanes) {
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) sum[j] += load(x + i + j * kLanes);
      }
      for (int j = 1; j < 8; j++) sum[0] += sum[j];
      forVectors(n - i, [&](int64_t at, int lanes) { sum[0] += loadSome(x + i + at, lanes); });
      call.sums[piece] = sumLanes(sum[0]);
    }
  });
}

void peakCopy(const PeakCopyCall& call) {
  const int64_t size = call.size;
  parallelFor(size, peak::kFloats, [&](int64_t begin, int64_t end, int) {
    forVectors(end - begin, [&](int64_t i, int lanes) {
      storeForLater(call.y + begin + i, loadSome(call.x + begin + i, lanes), lanes);
    });
  });
}

}  // namespace tessera
