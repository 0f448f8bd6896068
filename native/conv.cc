// The kernels behind src/kernels/conv/conv.ts: convolutions as matrix products. NHWC images, weights [O, KH, KW, C],
// padding (K - 1) / 2 before. A translation unit of its own: it takes a compiler as long as all other kernels together.
#include "conv_gradient.h"
#include "kernels.h"

namespace tessera {
namespace {

// dy act'(pre), n floats, in scratch memory of the first worker. A patch would ask for each slope once a tap.
const float* throughActivation(const Convolution& c, const float* dy, const float* pre) {
  if (pre == nullptr) return dy;
  const int64_t n = c.rows() * c.outputs;
  float* g = static_cast<float*>(scratch(0, 0, n * sizeof(float)));
  parallelFor(n, 1 << 14, [&](int64_t begin, int64_t end, int) {
    slopeRun(c.activation, dy + begin, pre + begin, end - begin, g + begin);
  });
  return g;
}

}  // namespace

void conv2d(const Conv2dCall& call) {
  const Convolution c(call);
  const float* x = call.x;
  const Matrix weight{call.weight, c.patch(), 1};
  Output out{call.y, c.outputs};
  out.epilogue.bias = call.bias;
  out.epilogue.residual = call.residual;
  out.epilogue.activation = c.activation;
  out.epilogue.pre = call.pre;
  if (c.pointwise()) return gemm(c.precision, Matrix{x, c.channels, 1}, weight, c.rows(), c.outputs, c.channels, out);
  const Patches patches = c.patchesOf(x);
  withProducts(c.precision, [&](auto op) {
    productOfPatches<decltype(op)>(patches, RightMatrix{weight}, c.batch, c.outputs, out, RowsOfMatrix{c.outputs});
  });
}

// For each phase of the stride (one, or stride^2) a product over the taps that reach it.
void conv2dInputGradient(const Conv2dInputGradientCall& call) {
  const Convolution c(call);
  const Output out{call.dx, c.channels};
  if (c.pointwise()) {
    return gemm(c.precision, Matrix{call.dy, c.outputs, 1, call.pre, c.activation},
                Matrix{call.weight, 1, c.channels}, c.rows(), c.channels, c.outputs, out);
  }
  const float* g = throughActivation(c, call.dy, call.pre);
  for (int64_t y = 0; y < std::min(c.stride, c.height); y++) {
    for (int64_t x = 0; x < std::min(c.stride, c.width); x++) {
      const int64_t gridHeight = divideUp(c.height - y, c.stride), gridWidth = divideUp(c.width - x, c.stride);
      Patches dy = {g, c.outHeight, c.outWidth, c.outputs, gridHeight, gridWidth, 1, 0, {}, {}};
      RightWeights weight = {call.weight, c.outputs, c.kernelHeight * c.kernelWidth, c.channels, {}};
      for (int64_t i = 0; i < c.kernelHeight; i++) {
        for (int64_t j = 0; j < c.kernelWidth; j++) {
          const int64_t fromY = y + (c.kernelHeight - 1) / 2 - i, fromX = x + (c.kernelWidth - 1) / 2 - j;
          if (fromY % c.stride != 0 || fromX % c.stride != 0) continue;
          dy.offsetY[dy.taps] = static_cast<int>(fromY / c.stride);
          dy.offsetX[dy.taps] = static_cast<int>(fromX / c.stride);
          weight.taps[dy.taps++] = static_cast<int>(i * c.kernelWidth + j);
        }
      }
      withProducts(c.precision, [&](auto op) {
        using Op = decltype(op);
        if (c.stride == 1) {
          productOfPatches<Op>(dy, weight, c.batch, c.channels, out, RowsOfMatrix{c.channels});
        } else {
          productOfPatches<Op>(dy, weight, c.batch, c.channels, out,
                               RowsOfPhase{gridHeight, gridWidth, c.height, c.width, c.channels, c.stride, y, x});
        }
      });
    }
  }
}

void conv2dWeightGradient(const Conv2dWeightGradientCall& call) {
  const Convolution c(call);
  const Patches patches = c.patchesOf(call.x);
  withProducts(c.precision, [&](auto op) {
    using Op = decltype(op);
    if constexpr (!Op::kTiles) {  // both operands would lie wrong for tiles
      if (c.stride == 1 && !c.pointwise()) {
        WeightGradient<Op> gradient(c, patches, call.dy, call.pre);
        if (gradient.fits()) return gradient.run(call.dWeight, call.dBias);
      }
    }
    const BiasGradient bias = biasGradient<Op>(call.dBias, c.rows(), c.outputs);
    const Matrix dy{call.dy, 1, c.outputs, call.pre, c.activation, bias.sums, c.outputs};
    const Output out{call.dWeight, c.patch()};
    if (c.pointwise()) {
      product<Op>(LeftMatrix{dy}, RightMatrix{Matrix{call.x, 1, c.channels}}, c.outputs, c.patch(), c.rows(), out,
                  RowsOfMatrix{c.patch()}, -1);
    } else {
      product<Op>(LeftMatrix{dy}, RightPatches{patches}, c.outputs, c.patch(), c.rows(), out, RowsOfMatrix{c.patch()},
                  -1);
    }
    bias.finish();
  });
}

}  // namespace tessera
