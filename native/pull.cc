// Decay of several parameters towards given weights, in one pass each. Memory-bound.
#include "kernels.h"
#include "simd.h"

namespace tessera {

void pull(const PullCall& call) {
  constexpr int64_t kPiece = 1 << 14;
  for (int s = 0; s < call.slotCount; s++) {
    const PullCall::Slot& slot = call.slots[s];
    parallelFor(slot.size, kPiece, [&](int64_t begin, int64_t end, int) {
      forVectors(end - begin, [&](int64_t i, int lanes) {
        float* value = slot.value + begin + i;
        const Vector now = loadSome(value, lanes);
        storeSome(value, now + (loadSome(slot.anchor + begin + i, lanes) - now) * slot.share, lanes);
      });
    });
  }
}

}  // namespace tessera
