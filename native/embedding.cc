// Rows of a table by id, and the sums of rows by id.
#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "simd.h"

namespace tessera {

// buffers: table, ids, out; numbers: N, C
void embedding(const Args& args) {
  const int64_t C = args.integer(1);
  if (C == 0) return;
  const int32_t* ids = args.as<const int32_t>(1);
  parallelFor(args.integer(0), std::max<int64_t>(1, 8192 / C), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      std::memcpy(args.out(2) + i * C, args.in(0) + ids[i] * C, C * sizeof(float));
    }
  });
}

// buffers: ids, rows, out [V, C]; numbers: N, V, C. Each thread owns a range of ids and adds their rows in the order
// in which they come; ids outside [0, V) are left out.
void embeddingGradient(const Args& args) {
  const int64_t N = args.integer(0);
  const int64_t V = args.integer(1);
  const int64_t C = args.integer(2);
  const int32_t* ids = args.as<const int32_t>(0);
  const int64_t ranges = std::min<int64_t>(V, 4 * threadCount());
  parallelFor(ranges, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t range = begin; range < end; range++) {
      const int64_t first = V * range / ranges;
      const int64_t last = V * (range + 1) / ranges;
      std::memset(args.out(2) + first * C, 0, (last - first) * C * sizeof(float));
      for (int64_t i = 0; i < N; i++) {
        if (ids[i] < first || ids[i] >= last) continue;
        float* out = args.out(2) + ids[i] * C;
        const float* row = args.in(1) + i * C;
        forVectors(C, [&](int64_t c, int n) { storeSome(out + c, loadSome(out + c, n) + loadSome(row + c, n), n); });
      }
    }
  });
}

}  // namespace tessera
