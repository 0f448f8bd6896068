// Changes of an image's grid that copy pixels: cutting into patches, putting patches together, and nearest-neighbour
// doubling with its gradient.
#include <algorithm>
#include <cstring>

#include "calls.h"
#include "kernels.h"

namespace tessera {
namespace {

// Copies between an image [B, H, W, C] and its patches [B, H/p, W/p, p p C].
template <bool toPatches, class Call>
void movePatches(const Call& call) {
  const int64_t h = call.H, w = call.W, c = call.C, p = call.size;
  const float* from = call.x;
  float* to = call.y;
  const int64_t run = p * c;  // contiguous in both
  parallelFor(call.B * h, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, w * c)),
              [&](int64_t begin, int64_t end, int) {
                for (int64_t line = begin; line < end; line++) {
                  const int64_t inImage = line * w * c;
                  const int64_t inPatches = line / p * p * w * c + line % p * run;
                  for (int64_t j = 0; j < w / p; j++) {
                    const int64_t pixel = inImage + j * run, patch = inPatches + j * p * run;
                    std::memcpy(to + (toPatches ? patch : pixel), from + (toPatches ? pixel : patch),
                                sizeof(float) * run);
                  }
                }
              });
}

}  // namespace

void patchify(const PatchifyCall& call) { movePatches<true>(call); }
void unpatchify(const UnpatchifyCall& call) { movePatches<false>(call); }

// Nearest-neighbour doubling.
void upsample2x(const Upsample2xCall& call) {
  const int64_t h = call.H, w = call.W, c = call.C;
  const float* x = call.x;
  float* y = call.y;
  parallelFor(call.B * h, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, w * c)),
              [&](int64_t begin, int64_t end, int) {
                for (int64_t line = begin; line < end; line++) {
                  float* upper = y + line * 4 * w * c;
                  for (int64_t j = 0; j < w; j++) {
                    const float* pixel = x + (line * w + j) * c;
                    std::memcpy(upper + 2 * j * c, pixel, sizeof(float) * c);
                    std::memcpy(upper + (2 * j + 1) * c, pixel, sizeof(float) * c);
                  }
                  std::memcpy(upper + 2 * w * c, upper, sizeof(float) * 2 * w * c);
                }
              });
}

// The sum over each 2x2.
void upsample2xGradient(const Upsample2xGradientCall& call) {
  const int64_t h = call.H, w = call.W, c = call.C;
  const float* dy = call.dy;
  float* dx = call.dx;
  parallelFor(call.B * h, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, w * c)),
              [&](int64_t begin, int64_t end, int) {
                for (int64_t line = begin; line < end; line++) {
                  for (int64_t j = 0; j < w; j++) {
                    const float* __restrict upper = dy + (line * 4 * w + 2 * j) * c;
                    const float* __restrict lower = upper + 2 * w * c;
                    float* __restrict to = dx + (line * w + j) * c;
                    for (int64_t i = 0; i < c; i++) to[i] = (upper[i] + upper[c + i]) + (lower[i] + lower[c + i]);
                  }
                }
              });
}

}  // namespace tessera
