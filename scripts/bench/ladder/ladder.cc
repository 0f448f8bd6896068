// One matrix product, C[m, n] = A[m, k] B[k, n], written seven times: each step mends what held the one before it back.
// docs/kernels.md explains them. The last rows are the product that the addon itself uses (native/gemm_driver.h), which adds
// operands of any layout, edges, epilogues and cuts for every size.
//
//   ladder M K N SECONDS THREADS
//
// Checks every step against sums in double precision, and times it for SECONDS at least (0: once). Prints one line of JSON
// for each peak and each step. Exit code 1 if a step computes something else.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "gemm.cc"
#include "peak.cc"

namespace ladder {

using tessera::Bf16;
using tessera::Fp32;
using tessera::kColumns;
using tessera::kLanes;
using tessera::kRows;
using tessera::load;
using tessera::multiplyAdd;
using tessera::parallelFor;
using tessera::splat;
using tessera::store;
using tessera::unitsOf;
using tessera::Vector;

// m is a multiple of kRows and n one of kColumns, so that no step needs code for edges.
struct Problem {
  const float* a;  // [m, k]
  const float* b;  // [k, n]
  float* c;        // [m, n]
  int64_t m, k, n;
};

// ---- 1. The definition: every element of C is a sum over k. B is read down its columns, a new cache line each time.
void naive(const Problem& p) {
  for (int64_t i = 0; i < p.m; i++) {
    for (int64_t j = 0; j < p.n; j++) {
      float sum = 0;
      for (int64_t kk = 0; kk < p.k; kk++) sum += p.a[i * p.k + kk] * p.b[kk * p.n + j];
      p.c[i * p.n + j] = sum;
    }
  }
}

// ---- 2. Another order of the same loops: the innermost runs along rows of B and C, so that whole cache lines are used and
// the compiler makes vectors of it. Now each multiply-add loads and stores an element of C.
void reordered(const Problem& p) {
  std::fill(p.c, p.c + p.m * p.n, 0.0f);
  for (int64_t i = 0; i < p.m; i++) {
    float* __restrict row = p.c + i * p.n;
    for (int64_t kk = 0; kk < p.k; kk++) {
      const float left = p.a[i * p.k + kk];
      for (int64_t j = 0; j < p.n; j++) row[j] += left * p.b[kk * p.n + j];
    }
  }
}

constexpr int64_t kBlockK = 256;
constexpr int64_t kBlockN = 16 * kColumns;
constexpr int64_t kBlockM = 8 * kRows;

// ---- 3. Blocks: some rows of B, which fit the second-level cache, are used for all rows of A before the next ones are read.
void blocked(const Problem& p) {
  constexpr int64_t kRowsOfB = 64;
  std::fill(p.c, p.c + p.m * p.n, 0.0f);
  for (int64_t k0 = 0; k0 < p.k; k0 += kRowsOfB) {
    const int64_t k1 = std::min(k0 + kRowsOfB, p.k);
    for (int64_t i = 0; i < p.m; i++) {
      float* __restrict row = p.c + i * p.n;
      for (int64_t kk = k0; kk < k1; kk++) {
        const float left = p.a[i * p.k + kk];
        for (int64_t j = 0; j < p.n; j++) row[j] += left * p.b[kk * p.n + j];
      }
    }
  }
}

// kRows x kColumns elements of C in registers. For every unit of k: one row of B is loaded, each of kRows numbers of A is
// spread over a vector, and kRows x kColumns / kLanes multiply-adds follow that touch no memory at all.
template <class Op, class Left, class Right>
inline void registerTile(int64_t units, const Left& left, const Right& right, float* c, int64_t ldc, bool first) {
  constexpr int V = kColumns / kLanes;
  Vector sum[kRows][V];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 8
    for (int j = 0; j < V; j++) sum[i][j] = first ? Vector{} : load(c + i * ldc + j * kLanes);
  }
  for (int64_t u = 0; u < units; u++) {
    Vector columns[V];
#pragma GCC unroll 8
    for (int j = 0; j < V; j++) columns[j] = load(right(u) + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++) {
      const Vector row = splat(left(i, u));
#pragma GCC unroll 8
      for (int j = 0; j < V; j++) sum[i][j] = multiplyAdd<Op>(row, columns[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 8
    for (int j = 0; j < V; j++) store(c + i * ldc + j * kLanes, sum[i][j]);
  }
}

// ---- 4. A register tile, with A and B where they lie: C is loaded and stored once a block of k, no longer once a
// multiply-add. Rows of B are n floats apart, so each comes from another page of memory.
void tiled(const Problem& p) {
  for (int64_t k0 = 0; k0 < p.k; k0 += kBlockK) {
    const int64_t size = std::min(kBlockK, p.k - k0);
    for (int64_t j = 0; j < p.n; j += kColumns) {
      for (int64_t i = 0; i < p.m; i += kRows) {
        const float* a = p.a + i * p.k + k0;
        const float* b = p.b + k0 * p.n + j;
        registerTile<Fp32>(
            size, [&](int row, int64_t kk) { return a[row * p.k + kk]; }, [&](int64_t kk) { return b + kk * p.n; },
            p.c + i * p.n + j, p.n, k0 == 0);
      }
    }
  }
}

// One unit of k of an operand: a float, or two neighbours rounded to bf16, the odd one beside a zero.
template <class Op>
inline float unitOf(const float* data, int64_t stride, int64_t u, int64_t k) {
  if constexpr (Op::kPerUnit == 1) return data[u * stride];
#if defined(__AVX512BF16__)
  const float low = data[2 * u * stride];
  const float high = 2 * u + 1 < k ? data[(2 * u + 1) * stride] : 0.0f;
  const __m128 pair = _mm_set_ps(0, 0, high, low);
  const __m128i rounded = (__m128i)_mm_cvtneps_pbh(pair);
  float unit;
  const int32_t bits = _mm_cvtsi128_si32(rounded);
  std::memcpy(&unit, &bits, sizeof unit);
  return unit;
#else
  return 0;
#endif
}

// A block of A as panels of kRows rows, [panel, unit, row]; of B as panels of kColumns columns, [panel, unit, column].
template <class Op>
void packPanels(const float* data, int64_t across, int64_t along, int64_t count, int width, int64_t k, float* out) {
  const int64_t units = unitsOf<Op>(k);
  for (int64_t first = 0; first < count; first += width) {
    for (int64_t u = 0; u < units; u++) {
      for (int i = 0; i < width; i++) *out++ = unitOf<Op>(data + (first + i) * across, along, u, k);
    }
  }
}

// Rows [i0, i0 + rows) of a block of A, which are packed into `left`, times a packed block of B.
template <class Op>
void multiplyRows(const Problem& p, int64_t i0, int64_t rows, int64_t j0, int64_t columns, int64_t k0, int64_t size,
                  float* left, const float* right) {
  const int64_t units = unitsOf<Op>(size);
  packPanels<Op>(p.a + i0 * p.k + k0, p.k, 1, rows, kRows, size, left);
  for (int64_t j = 0; j < columns; j += kColumns) {
    for (int64_t i = 0; i < rows; i += kRows) {
      const float* a = left + i * units;
      const float* b = right + j * units;
      registerTile<Op>(
          units, [&](int row, int64_t u) { return a[u * kRows + row]; }, [&](int64_t u) { return b + u * kColumns; },
          p.c + (i0 + i) * p.n + j0 + j, p.n, k0 == 0);
    }
  }
}

// ---- 5. Packed panels: what the register tile reads lies in the order in which it is read (Goto and van de Geijn 2008).
// ---- 6. The same on all threads, which share the packed block of B and take blocks of rows one after another.
// ---- 7. The same with two k side by side in bf16, whose instruction makes 32 multiply-adds where fp32's makes 16.
template <class Op, bool threads>
void packed(const Problem& p) {
  static float* right = static_cast<float*>(tessera::alignedMemory(sizeof(float) * kBlockK * kBlockN));
  const int64_t block = kBlockK * Op::kPerUnit;
  const auto forEach = [](int64_t count, auto&& body) {
    if constexpr (threads) {
      parallelFor(count, 1, [&](int64_t begin, int64_t end, int worker) {
        for (int64_t at = begin; at < end; at++) body(at, worker);
      });
    } else {
      for (int64_t at = 0; at < count; at++) body(at, 0);
    }
  };
  for (int64_t k0 = 0; k0 < p.k; k0 += block) {
    const int64_t size = std::min(block, p.k - k0);
    const int64_t units = unitsOf<Op>(size);
    for (int64_t j0 = 0; j0 < p.n; j0 += kBlockN) {
      const int64_t columns = std::min(kBlockN, p.n - j0);
      forEach(columns / kColumns, [&](int64_t panel, int) {
        const float* from = p.b + k0 * p.n + j0 + panel * kColumns;
        packPanels<Op>(from, 1, p.n, kColumns, kColumns, size, right + panel * kColumns * units);
      });
      forEach((p.m + kBlockM - 1) / kBlockM, [&](int64_t at, int worker) {
        const int64_t rows = std::min(kBlockM, p.m - at * kBlockM);
        float* left = static_cast<float*>(tessera::scratch(worker, tessera::kScratchA, sizeof(float) * kBlockM * units));
        multiplyRows<Op>(p, at * kBlockM, rows, j0, columns, k0, size, left, right);
      });
    }
  }
}

// ---- The product of native/, on all threads.
template <tessera::Precision precision>
void ours(const Problem& p) {
  tessera::gemm(precision, {p.a, p.k, 1}, {p.b, 1, p.n}, p.m, p.n, p.k, {p.c, p.n});
}

struct Step {
  const char* name;
  void (*run)(const Problem&);
  bool bf16;
  bool threads;
};

constexpr Step kSteps[] = {
    {"1 naive", naive, false, false},
    {"2 loops reordered", reordered, false, false},
    {"3 blocks", blocked, false, false},
    {"4 register tile", tiled, false, false},
    {"5 packed panels", packed<Fp32, false>, false, false},
    {"6 threads", packed<Fp32, true>, false, true},
    {"the addon's, fp32", ours<tessera::Precision::fp32>, false, true},
#if defined(__AVX512BF16__)
    {"7 bf16 dot products", packed<Bf16, true>, true, true},
    {"the addon's, bf16", ours<tessera::Precision::bf16>, true, true},
#endif
};

double secondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Median of calls that take `seconds` together, at least five; once where `seconds` is 0.
template <class Call>
double timeOf(double seconds, Call&& call) {
  std::vector<double> times;
  double total = 0;
  while (times.empty() || (seconds > 0 && (total < seconds || times.size() < 5))) {
    const double started = secondsNow();
    call();
    times.push_back(secondsNow() - started);
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// Multiply-adds from registers alone, GFLOP/s.
template <class Op>
double peakOf(double seconds, bool threads) {
  [[maybe_unused]] static volatile double counted;  // or nothing would be computed
  const int pieces = threads ? 8 * tessera::threadCount() : 8;
  const double time = timeOf(seconds, [&] {
    if (threads) {
      parallelFor(pieces, 1, [](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; i++) counted = tessera::peak::countMultiplyAdds<Op>();
      });
    } else {
      for (int i = 0; i < pieces; i++) counted = tessera::peak::countMultiplyAdds<Op>();
    }
  });
  return 2e-9 * pieces * tessera::peak::kMultiplyAdds / time;
}

void report(const char* name, const char* key, double value, const Step& step, double error) {
  std::printf("{\"name\":\"%s\",\"precision\":\"%s\",\"threads\":%d,\"%s\":%.6g,\"error\":%.3g}\n", name,
              step.bf16 ? "bf16" : "fp32", step.threads ? tessera::threadCount() : 1, key, value, error);
}

float roundedToBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// A B in double precision, of operands as they are or rounded to bf16.
std::vector<double> exact(const Problem& p, bool bf16) {
  std::vector<double> c(p.m * p.n, 0.0);
  const auto of = [&](float x) { return static_cast<double>(bf16 ? roundedToBf16(x) : x); };
  for (int64_t i = 0; i < p.m; i++) {
    for (int64_t kk = 0; kk < p.k; kk++) {
      const double left = of(p.a[i * p.k + kk]);
      for (int64_t j = 0; j < p.n; j++) c[i * p.n + j] += left * of(p.b[kk * p.n + j]);
    }
  }
  return c;
}

int main(int64_t m, int64_t k, int64_t n, double seconds) {
  const int64_t rows = tessera::roundUp(m, kRows);
  const int64_t columns = tessera::roundUp(n, kColumns);
  std::vector<float> a(rows * k);
  std::vector<float> b(k * columns);
  std::vector<float> c(rows * columns);
  uint32_t state = 1;
  const auto next = [&] { return static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / 8388608.0f - 1.0f; };
  for (float& x : a) x = next();
  for (float& x : b) x = next();
  const Problem p{a.data(), b.data(), c.data(), rows, k, columns};
  std::printf("{\"m\":%lld,\"k\":%lld,\"n\":%lld,\"threads\":%d}\n", (long long)rows, (long long)k, (long long)columns,
              tessera::threadCount());
  for (bool threads : {false, true}) {
    report("peak", "gflops", peakOf<Fp32>(seconds, threads), {"", nullptr, false, threads}, 0);
#if defined(__AVX512BF16__)
    report("peak", "gflops", peakOf<Bf16>(seconds, threads), {"", nullptr, true, threads}, 0);
#endif
  }
  const std::vector<double> wanted[] = {exact(p, false), exact(p, true)};
  bool right = true;
  for (const Step& step : kSteps) {
    std::fill(c.begin(), c.end(), NAN);  // what a step leaves out shows
    step.run(p);
    double error = 0;
    for (size_t i = 0; i < c.size(); i++) {
      const double off = std::abs(c[i] - wanted[step.bf16][i]);
      error = off <= error ? error : off;  // NaN too
    }
    // Roundings of fp32 along a sum of k numbers of size 1/3: far below a missing or a doubled term.
    const bool close = error <= 1e-5 * std::sqrt(static_cast<double>(k));
    if (!close) std::fprintf(stderr, "%s is off by %g\n", step.name, error);
    right = right && close;
    const double time = timeOf(seconds, [&] { step.run(p); });
    report(step.name, "gflops", 2e-9 * rows * k * columns / time, step, error);
  }
  return right ? 0 : 1;
}

}  // namespace ladder

int main(int argc, char** argv) {
  if (argc != 6) return std::fprintf(stderr, "usage: ladder M K N SECONDS THREADS\n"), 2;
  tessera::setThreadCount(std::atoi(argv[5]));
  return ladder::main(std::atoll(argv[1]), std::atoll(argv[2]), std::atoll(argv[3]), std::atof(argv[4]));
}
