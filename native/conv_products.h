// Products of patches with weights: packed, or straight from the image where its pixels are neighbours.
#pragma once
#include "conv_pack.h"

namespace tessera {
namespace {

// ---- Products straight from the image ----

// Where the patches' step is 1, neighbouring rows of the left operand are neighbouring pixels: once the image is there in
// units with its border of zeros, the micro-kernel broadcasts from it, and nothing is packed once a tap. Pixels are a
// constant apart, so that one pointer serves all rows of a tile; images of more channels than the widest are packed.
constexpr int kPixelStrides[] = {16, 48, 80, 144};

// c[R, V vectors] = the product of R adjacent pixels' patches with a panel, or its first columns; rows are kColumns
// apart. `a` is the first pixel, taps[t] where tap t lies from it.
template <class Op, int R, int V, int stride>
void patchTile(const float* __restrict a, const int64_t* taps, int tapCount, int64_t units, const float* __restrict b,
               float* __restrict c) {
  RegisterTile<Op, R, V> tile;
  tile.begin();
  for (int t = 0; t < tapCount; t++) {
    const float* pixel = a + taps[t];
    for (int64_t u = 0; u < units; u++, b += kColumns) {
      tile.add([&](int i) { return pixel[i * stride + u]; }, [&](int j) { return b + j * kLanes; });
    }
  }
  tile.end(c, kColumns);
}

using PatchTile = void (*)(const float*, const int64_t*, int, int64_t, const float*, float*);

// The tiles of 1 to kRows rows; narrow ones for at most kLanes columns.
template <class Op, int stride, int... R>
const PatchTile* patchTiles(bool narrow, std::integer_sequence<int, R...>) {
  static const PatchTile all[] = {patchTile<Op, R + 1, kColumnVectors, stride>...};
  static const PatchTile first[] = {patchTile<Op, R + 1, 1, stride>...};
  return narrow ? first : all;
}

// An image in units, with as many lines and pixels around it as the taps reach.
template <class Op>
struct BorderedImage {
  const Patches& patches;
  int64_t stride;  // between pixels
  int64_t top, left, lines, pixels;

  BorderedImage(const Patches& p, int64_t stride) : patches(p), stride(stride) {
    const auto range = [&](const int* offsets) { return std::minmax_element(offsets, offsets + p.taps); };
    const auto [lowY, highY] = range(p.offsetY);
    const auto [lowX, highX] = range(p.offsetX);
    top = std::max(0, -*lowY);
    left = std::max(0, -*lowX);
    lines = p.height + top + std::max(0, *highY);
    pixels = p.width + left + std::max(0, *highX);
  }
  int64_t lineSize() const { return pixels * stride; }
  int64_t imageSize() const { return lines * lineSize(); }

  void packLine(int64_t image, int64_t line, float* out) const {
    const int64_t y = line - top;
    const int64_t used = roundUp(unitsOf<Op>(patches.channels), kLanes);
    for (int64_t i = 0; i < pixels; i++, out += stride) {
      const int64_t x = i - left;
      const bool inside = y >= 0 && y < patches.height && x >= 0 && x < patches.width;
      const float* from = patches.image + ((image * patches.height + y) * patches.width + x) * patches.channels;
      for (int64_t u = 0; u < used; u += kLanes) {
        store(out + u, inside ? loadUnits<Op>(from, patches.channels, u * Op::kPerUnit) : Vector{});
      }
    }
  }
};

// C = patches times the right operand, as `product` computes it, from a bordered image.
template <class Op, int stride, class B>
void productFromImage(const Patches& p, const B& b, int64_t images, int64_t columns, const Output& out) {
  const BorderedImage<Op> bordered(p, stride);
  const int64_t units = unitsOf<Op>(p.channels);
  const int64_t k = p.taps * p.channels;
  const int64_t panels = divideUp(columns, kColumns);
  const int64_t panelSize = unitsOf<Op>(k) * kColumns;
  // Tiles read whole groups of pixels, at the end of the last line too.
  const int64_t behind = Op::kTiles ? PanelOf<Op>::kRows * stride : kLanes;
  float* image = static_cast<float*>(scratch(0, kScratchA, (images * bordered.imageSize() + behind) * sizeof(float)));
  float* packed = static_cast<float*>(scratch(0, kScratchB, panels * panelSize * sizeof(float)));
  const int64_t lines = images * bordered.lines;
  parallelFor(lines + panels, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; i++) {
      if (i < lines) {
        bordered.packLine(i / bordered.lines, i % bordered.lines, image + i * bordered.lineSize());
        continue;
      }
      const int64_t panel = i - lines;
      for (int64_t k0 = 0; k0 < k; k0 += kMostBlock) {
        b.template pack<Op>(panel * kColumns, std::min<int64_t>(kColumns, columns - panel * kColumns), k0,
                            std::min(kMostBlock, k - k0), 0, packed + panel * panelSize + k0 / Op::kPerUnit * kColumns);
      }
    }
  });
  int64_t taps[kMostTaps];
  for (int t = 0; t < p.taps; t++) taps[t] = p.offsetY[t] * bordered.lineSize() + p.offsetX[t] * stride;
  const int64_t groups = divideUp(p.width, PanelOf<Op>::kRows);
  parallelFor(images * p.height, 1, [&](int64_t begin, int64_t end, int) {
    [[maybe_unused]] const Scope<Op> scope;
    alignas(64) float tile[PanelOf<Op>::kRows * kColumns];
    for (int64_t line = begin; line < end; line++) {
      const float* first = image + line / p.height * bordered.imageSize() +
                           (line % p.height + bordered.top) * bordered.lineSize() + bordered.left * stride;
      for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t column = panel * kColumns;
        const int width = static_cast<int>(std::min<int64_t>(kColumns, columns - column));
        for (int64_t g = 0; g < groups; g++) {
          const int64_t x0 = g * p.width / groups;
          const int rows = static_cast<int>((g + 1) * p.width / groups - x0);
          const float* left = first + x0 * stride;
          const float* right = packed + panel * panelSize;
          if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
            multiplySomeTiles(rows > kTileRows ? 2 : 1, width > kLanes ? 2 : 1, units,
                              {left, stride, kTileUnits, kTileRows * stride}, {right, kColumns}, tile, kColumns, false,
                              {taps, p.taps});
#endif
          } else {
            patchTiles<Op, stride>(width <= kLanes, std::make_integer_sequence<int, kRows>{})[rows - 1](
                left, taps, p.taps, units, right, tile);
          }
          int64_t offsets[PanelOf<Op>::kRows];
          for (int i = 0; i < rows; i++) offsets[i] = (line * p.width + x0 + i) * out.ldc;
          finishTile(tile, rows, width, column, out, offsets, false, true);
        }
      }
    }
  });
}

// C = patches times the right operand, by whichever way the image allows. `rowOffset` is where a row of C starts.
template <class Op, class B, class RowOffset>
void productOfPatches(const Patches& p, const B& b, int64_t images, int64_t columns, const Output& out,
                      const RowOffset& rowOffset) {
  const bool everyPixel = p.step == 1 && p.gridHeight == p.height && p.gridWidth == p.width && RowOffset::kRegular;
  // On tiles narrow images leave most rows of a group empty.
  if (everyPixel && p.channels % (Op::kPerUnit * Op::kUnitStep) == 0 && (!Op::kTiles || p.width >= kLanes)) {
    const int64_t wanted = roundUp(unitsOf<Op>(p.channels), kLanes);
    if (wanted <= kPixelStrides[0]) return productFromImage<Op, kPixelStrides[0]>(p, b, images, columns, out);
    if (wanted <= kPixelStrides[1]) return productFromImage<Op, kPixelStrides[1]>(p, b, images, columns, out);
    if (wanted <= kPixelStrides[2]) return productFromImage<Op, kPixelStrides[2]>(p, b, images, columns, out);
    if (wanted <= kPixelStrides[3]) return productFromImage<Op, kPixelStrides[3]>(p, b, images, columns, out);
  }
  product<Op>(LeftPatches{p}, b, images * p.gridHeight * p.gridWidth, columns, p.taps * p.channels, out, rowOffset, -1);
}

// Rows of one phase of a strided input gradient: every step-th pixel of every step-th line.
struct RowsOfPhase {
  int64_t gridHeight, gridWidth, height, width, channels, step, y, x;
  static constexpr bool kRegular = false;
  int64_t operator()(int64_t row) const {
    const int64_t line = row / gridWidth;
    const int64_t pixelY = line % gridHeight * step + y, pixelX = row % gridWidth * step + x;
    return ((line / gridHeight * height + pixelY) * width + pixelX) * channels;
  }
};

struct Convolution {
  int64_t batch, height, width, channels, outputs, kernelHeight, kernelWidth, stride;
  int64_t outHeight, outWidth;
  Activation activation;
  Precision precision;

  template <class Call>
  explicit Convolution(const Call& call)
      : batch(call.B), height(call.H), width(call.W), channels(call.C), outputs(call.O), kernelHeight(call.KH),
        kernelWidth(call.KW), stride(call.stride),
        outHeight(divideUp(height, stride)), outWidth(divideUp(width, stride)),
        activation(call.activation), precision(call.precision) {}

  int64_t rows() const { return batch * outHeight * outWidth; }
  int64_t patch() const { return kernelHeight * kernelWidth * channels; }
  bool pointwise() const { return kernelHeight == 1 && kernelWidth == 1 && stride == 1; }

  Patches patchesOf(const float* x) const {
    Patches p = {x, height, width, channels, outHeight, outWidth, stride, 0, {}, {}};
    for (int64_t i = 0; i < kernelHeight; i++) {
      for (int64_t j = 0; j < kernelWidth; j++, p.taps++) {
        p.offsetY[p.taps] = static_cast<int>(i - (kernelHeight - 1) / 2);
        p.offsetX[p.taps] = static_cast<int>(j - (kernelWidth - 1) / 2);
      }
    }
    return p;
  }
};

}  // namespace
}  // namespace tessera
