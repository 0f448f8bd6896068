// Rows of a table by id, and the sums of rows by id.
#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "simd.h"

namespace tessera {

void embedding(const EmbeddingCall& call) {
  const int64_t C = call.C;
  if (C == 0) return;
  const int32_t* ids = call.ids;
  parallelFor(call.N, std::max<int64_t>(1, 8192 / C), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      if (ids[i] < 0 || ids[i] >= call.V) return refuse("embedding: expected ids that the table has");
      std::memcpy(call.rows + i * C, call.table + ids[i] * C, C * sizeof(float));
    }
  });
}

// Each thread owns a range of ids and adds their rows in the order in which they come; ids outside [0, V) are left out.
void embeddingGradient(const EmbeddingGradientCall& call) {
  const int64_t N = call.N;
  const int64_t V = call.V;
  const int64_t C = call.C;
  const int32_t* ids = call.ids;
  const int64_t ranges = std::min<int64_t>(V, 4 * threadCount());
  parallelFor(ranges, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t range = begin; range < end; range++) {
      const int64_t first = V * range / ranges;
      const int64_t last = V * (range + 1) / ranges;
      std::memset(call.sums + first * C, 0, (last - first) * C * sizeof(float));
      for (int64_t i = 0; i < N; i++) {
        if (ids[i] < first || ids[i] >= last) continue;
        float* out = call.sums + ids[i] * C;
        const float* row = call.rows + i * C;
        forVectors(C, [&](int64_t c, int n) { storeSome(out + c, loadSome(out + c, n) + loadSome(row + c, n), n); });
      }
    }
  });
}

}  // namespace tessera
