// Written by scripts/native-calls.ts from the declarations in src/kernels: not to be changed by hand.

// One translation unit for all kernels but convolutions: those take a compiler as long as all others together, and are
// compiled at the same time.
#include <cmath>

#include "call_reader.h"
#include "calls.h"
#include "activation.cc"
#include "adamw.cc"
#include "attention.cc"
#include "attention_backward.cc"
#include "categorical.cc"
#include "decode.cc"
#include "draw.cc"
#include "elementwise.cc"
#include "embedding.cc"
#include "gemm.cc"
#include "gemm_linear.cc"
#include "grid.cc"
#include "head_loss.cc"
#include "matmul.cc"
#include "muon.cc"
#include "norm.cc"
#include "peak.cc"
#include "pixelloss.cc"
#include "pull.cc"
#include "resample.cc"
#include "rope.cc"

namespace tessera {
namespace calls {

const char* adamwOf(const Args& args) {
  const int count = (args.bufferCount - 0) / 5;
  if (count < 0 || count > 6 || args.bufferCount != 0 + count * 5 ||
      args.numberCount != 7 + count * 2) {
    return "adamw: other buffers or numbers than this build takes";
  }
  AdamwCall call;
  call.beta1 = static_cast<double>(args.numbers[0]);
  call.beta2 = static_cast<double>(args.numbers[1]);
  call.eps = static_cast<float>(args.numbers[2]);
  call.step = static_cast<double>(args.numbers[3]);
  call.clipScale = static_cast<float>(args.numbers[4]);
  call.emaDecay = static_cast<float>(args.numbers[5]);
  call.lr = static_cast<double>(args.numbers[6]);
  call.slotCount = count;
  for (int s = 0; s < count; s++) {
    const double size = args.numbers[7 + s * 2];
    if (!readSize(args, 7 + s * 2, &call.slots[s].size)) return "adamw: size is not what its kernel takes";
    call.slots[s].weightDecay = static_cast<double>(args.numbers[8 + s * 2]);
    if (!readBuffer(args, 0 + s * 5, size, &call.slots[s].value)) {
      return tooShort(args, 0 + s * 5, size, call.slots[s].value, "adamw", "value", "size");
    }
    if (!readBuffer(args, 1 + s * 5, size, &call.slots[s].gradient)) {
      return tooShort(args, 1 + s * 5, size, call.slots[s].gradient, "adamw", "gradient", "size");
    }
    if (!readBuffer(args, 2 + s * 5, size, &call.slots[s].m)) {
      return tooShort(args, 2 + s * 5, size, call.slots[s].m, "adamw", "m", "size");
    }
    if (!readBuffer(args, 3 + s * 5, size, &call.slots[s].v)) {
      return tooShort(args, 3 + s * 5, size, call.slots[s].v, "adamw", "v", "size");
    }
    if (!readOptional(args, 4 + s * 5, size, &call.slots[s].ema)) {
      return tooShort(args, 4 + s * 5, size, call.slots[s].ema, "adamw", "ema", "size");
    }
  }
  adamw(call);
  return nullptr;
}

const char* addAllOf(const Args& args) {
  const int count = (args.bufferCount - 1) / 1;
  if (count < 0 || count > 31 || args.bufferCount != 1 + count * 1 ||
      args.numberCount != 1 + count * 0) {
    return "addAll: other buffers or numbers than this build takes";
  }
  AddAllCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "addAll: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.y)) {
    return tooShort(args, 0, size, call.y, "addAll", "y", "size");
  }
  call.slotCount = count;
  for (int s = 0; s < count; s++) {
    if (!readBuffer(args, 1 + s * 1, size, &call.slots[s].x)) {
      return tooShort(args, 1 + s * 1, size, call.slots[s].x, "addAll", "x", "size");
    }
  }
  addAll(call);
  return nullptr;
}

const char* argMaxRowsOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 2) {
    return "argMaxRows: other buffers or numbers than this build takes";
  }
  ArgMaxRowsCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "argMaxRows: rows is not what its kernel takes";
  const double C = args.numbers[1];
  if (!readSize(args, 1, &call.C)) return "argMaxRows: C is not what its kernel takes";
  if (!readBuffer(args, 0, rows * C, &call.x)) {
    return tooShort(args, 0, rows * C, call.x, "argMaxRows", "x", "rows * C");
  }
  if (!readBuffer(args, 1, rows, &call.y)) {
    return tooShort(args, 1, rows, call.y, "argMaxRows", "y", "rows");
  }
  argMaxRows(call);
  return nullptr;
}

const char* attentionOf(const Args& args) {
  if (args.bufferCount != 6 ||
      args.numberCount != 8) {
    return "attention: other buffers or numbers than this build takes";
  }
  AttentionCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "attention: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "attention: H is not what its kernel takes";
  const double Tq = args.numbers[2];
  if (!readSize(args, 2, &call.Tq)) return "attention: Tq is not what its kernel takes";
  const double Tk = args.numbers[3];
  if (!readSize(args, 3, &call.Tk)) return "attention: Tk is not what its kernel takes";
  const double D = args.numbers[4];
  if (!readSize(args, 4, &call.D)) return "attention: D is not what its kernel takes";
  if (!readChoice(args, 5, 3, &call.mask)) return "attention: mask is not what its kernel takes";
  const double stride = args.numbers[6];
  if (!readSize(args, 6, &call.stride)) return "attention: stride is not what its kernel takes";
  if (!readChoice(args, 7, 2, &call.precision)) return "attention: precision is not what its kernel takes";
  if (!(Tq - Tk <= 0)) return "attention: Tq - Tk is more than 0";
  if (!readBuffer(args, 0, B * H * Tq * D, &call.q)) {
    return tooShort(args, 0, B * H * Tq * D, call.q, "attention", "q", "B * H * Tq * D");
  }
  if (!readBuffer(args, 1, B * H * Tk * D, &call.k)) {
    return tooShort(args, 1, B * H * Tk * D, call.k, "attention", "k", "B * H * Tk * D");
  }
  if (!readBuffer(args, 2, B * H * Tk * D, &call.v)) {
    return tooShort(args, 2, B * H * Tk * D, call.v, "attention", "v", "B * H * Tk * D");
  }
  if (!readOptional(args, 3, Tk * stride, &call.table)) {
    return tooShort(args, 3, Tk * stride, call.table, "attention", "table", "Tk * stride");
  }
  if (!readBuffer(args, 4, B * H * Tq * D, &call.y)) {
    return tooShort(args, 4, B * H * Tq * D, call.y, "attention", "y", "B * H * Tq * D");
  }
  if (!readBuffer(args, 5, B * H * Tq, &call.logsumexp)) {
    return tooShort(args, 5, B * H * Tq, call.logsumexp, "attention", "logsumexp", "B * H * Tq");
  }
  attention(call);
  return nullptr;
}

const char* attentionGradientOf(const Args& args) {
  if (args.bufferCount != 10 ||
      args.numberCount != 8) {
    return "attentionGradient: other buffers or numbers than this build takes";
  }
  AttentionGradientCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "attentionGradient: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "attentionGradient: H is not what its kernel takes";
  const double Tq = args.numbers[2];
  if (!readSize(args, 2, &call.Tq)) return "attentionGradient: Tq is not what its kernel takes";
  const double Tk = args.numbers[3];
  if (!readSize(args, 3, &call.Tk)) return "attentionGradient: Tk is not what its kernel takes";
  const double D = args.numbers[4];
  if (!readSize(args, 4, &call.D)) return "attentionGradient: D is not what its kernel takes";
  if (!readChoice(args, 5, 3, &call.mask)) return "attentionGradient: mask is not what its kernel takes";
  const double stride = args.numbers[6];
  if (!readSize(args, 6, &call.stride)) return "attentionGradient: stride is not what its kernel takes";
  if (!readChoice(args, 7, 2, &call.precision)) return "attentionGradient: precision is not what its kernel takes";
  if (!(Tq - Tk <= 0)) return "attentionGradient: Tq - Tk is more than 0";
  if (!readBuffer(args, 0, B * H * Tq * D, &call.q)) {
    return tooShort(args, 0, B * H * Tq * D, call.q, "attentionGradient", "q", "B * H * Tq * D");
  }
  if (!readBuffer(args, 1, B * H * Tk * D, &call.k)) {
    return tooShort(args, 1, B * H * Tk * D, call.k, "attentionGradient", "k", "B * H * Tk * D");
  }
  if (!readBuffer(args, 2, B * H * Tk * D, &call.v)) {
    return tooShort(args, 2, B * H * Tk * D, call.v, "attentionGradient", "v", "B * H * Tk * D");
  }
  if (!readOptional(args, 3, Tk * stride, &call.table)) {
    return tooShort(args, 3, Tk * stride, call.table, "attentionGradient", "table", "Tk * stride");
  }
  if (!readBuffer(args, 4, B * H * Tq * D, &call.y)) {
    return tooShort(args, 4, B * H * Tq * D, call.y, "attentionGradient", "y", "B * H * Tq * D");
  }
  if (!readBuffer(args, 5, B * H * Tq, &call.logsumexp)) {
    return tooShort(args, 5, B * H * Tq, call.logsumexp, "attentionGradient", "logsumexp", "B * H * Tq");
  }
  if (!readBuffer(args, 6, B * H * Tq * D, &call.dy)) {
    return tooShort(args, 6, B * H * Tq * D, call.dy, "attentionGradient", "dy", "B * H * Tq * D");
  }
  if (!readBuffer(args, 7, B * H * Tq * D, &call.dq)) {
    return tooShort(args, 7, B * H * Tq * D, call.dq, "attentionGradient", "dq", "B * H * Tq * D");
  }
  if (!readBuffer(args, 8, B * H * Tk * D, &call.dk)) {
    return tooShort(args, 8, B * H * Tk * D, call.dk, "attentionGradient", "dk", "B * H * Tk * D");
  }
  if (!readBuffer(args, 9, B * H * Tk * D, &call.dv)) {
    return tooShort(args, 9, B * H * Tk * D, call.dv, "attentionGradient", "dv", "B * H * Tk * D");
  }
  attentionGradient(call);
  return nullptr;
}

const char* binaryOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 13) {
    return "binary: other buffers or numbers than this build takes";
  }
  BinaryCall call;
  if (!readChoice(args, 0, 7, &call.which)) return "binary: which is not what its kernel takes";
  const double* sizes = args.numbers + 1;
  if (!readSizes(args, 1, 4, call.sizes)) return "binary: sizes is not what its kernel takes";
  const double* aSteps = args.numbers + 5;
  if (!readSizes(args, 5, 4, call.aSteps)) return "binary: aSteps is not what its kernel takes";
  const double* bSteps = args.numbers + 9;
  if (!readSizes(args, 9, 4, call.bSteps)) return "binary: bSteps is not what its kernel takes";
  if (!readBuffer(args, 0, 1 + (sizes[0] - 1) * aSteps[0] + (sizes[1] - 1) * aSteps[1] + (sizes[2] - 1) * aSteps[2] + (sizes[3] - 1) * aSteps[3], &call.a)) {
    return tooShort(args, 0, 1 + (sizes[0] - 1) * aSteps[0] + (sizes[1] - 1) * aSteps[1] + (sizes[2] - 1) * aSteps[2] + (sizes[3] - 1) * aSteps[3], call.a, "binary", "a", "1 + (sizes[0] - 1) * aSteps[0] + (sizes[1] - 1) * aSteps[1] + (sizes[2] - 1) * aSteps[2] + (sizes[3] - 1) * aSteps[3]");
  }
  if (!readBuffer(args, 1, 1 + (sizes[0] - 1) * bSteps[0] + (sizes[1] - 1) * bSteps[1] + (sizes[2] - 1) * bSteps[2] + (sizes[3] - 1) * bSteps[3], &call.b)) {
    return tooShort(args, 1, 1 + (sizes[0] - 1) * bSteps[0] + (sizes[1] - 1) * bSteps[1] + (sizes[2] - 1) * bSteps[2] + (sizes[3] - 1) * bSteps[3], call.b, "binary", "b", "1 + (sizes[0] - 1) * bSteps[0] + (sizes[1] - 1) * bSteps[1] + (sizes[2] - 1) * bSteps[2] + (sizes[3] - 1) * bSteps[3]");
  }
  if (!readBuffer(args, 2, sizes[0] * sizes[1] * sizes[2] * sizes[3], &call.y)) {
    return tooShort(args, 2, sizes[0] * sizes[1] * sizes[2] * sizes[3], call.y, "binary", "y", "sizes[0] * sizes[1] * sizes[2] * sizes[3]");
  }
  binary(call);
  return nullptr;
}

const char* conv2dOf(const Args& args) {
  if (args.bufferCount != 6 ||
      args.numberCount != 10) {
    return "conv2d: other buffers or numbers than this build takes";
  }
  Conv2dCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "conv2d: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "conv2d: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "conv2d: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "conv2d: C is not what its kernel takes";
  const double O = args.numbers[4];
  if (!readSize(args, 4, &call.O)) return "conv2d: O is not what its kernel takes";
  const double KH = args.numbers[5];
  if (!readSize(args, 5, &call.KH)) return "conv2d: KH is not what its kernel takes";
  const double KW = args.numbers[6];
  if (!readSize(args, 6, &call.KW)) return "conv2d: KW is not what its kernel takes";
  const double stride = args.numbers[7];
  if (!readSize(args, 7, &call.stride)) return "conv2d: stride is not what its kernel takes";
  if (!readChoice(args, 8, 5, &call.activation)) return "conv2d: activation is not what its kernel takes";
  if (!readChoice(args, 9, 2, &call.precision)) return "conv2d: precision is not what its kernel takes";
  if (!(KH * KW <= 64)) return "conv2d: KH * KW is more than 64";
  if (!readBuffer(args, 0, B * H * W * C, &call.x)) {
    return tooShort(args, 0, B * H * W * C, call.x, "conv2d", "x", "B * H * W * C");
  }
  if (!readBuffer(args, 1, O * KH * KW * C, &call.weight)) {
    return tooShort(args, 1, O * KH * KW * C, call.weight, "conv2d", "weight", "O * KH * KW * C");
  }
  if (!readOptional(args, 2, O, &call.bias)) {
    return tooShort(args, 2, O, call.bias, "conv2d", "bias", "O");
  }
  if (!readOptional(args, 3, B * std::ceil(H / stride) * std::ceil(W / stride) * O, &call.residual)) {
    return tooShort(args, 3, B * std::ceil(H / stride) * std::ceil(W / stride) * O, call.residual, "conv2d", "residual", "B * ceil(H / stride) * ceil(W / stride) * O");
  }
  if (!readBuffer(args, 4, B * std::ceil(H / stride) * std::ceil(W / stride) * O, &call.y)) {
    return tooShort(args, 4, B * std::ceil(H / stride) * std::ceil(W / stride) * O, call.y, "conv2d", "y", "B * ceil(H / stride) * ceil(W / stride) * O");
  }
  if (!readOptional(args, 5, B * std::ceil(H / stride) * std::ceil(W / stride) * O, &call.pre)) {
    return tooShort(args, 5, B * std::ceil(H / stride) * std::ceil(W / stride) * O, call.pre, "conv2d", "pre", "B * ceil(H / stride) * ceil(W / stride) * O");
  }
  conv2d(call);
  return nullptr;
}

const char* conv2dInputGradientOf(const Args& args) {
  if (args.bufferCount != 4 ||
      args.numberCount != 10) {
    return "conv2dInputGradient: other buffers or numbers than this build takes";
  }
  Conv2dInputGradientCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "conv2dInputGradient: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "conv2dInputGradient: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "conv2dInputGradient: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "conv2dInputGradient: C is not what its kernel takes";
  const double O = args.numbers[4];
  if (!readSize(args, 4, &call.O)) return "conv2dInputGradient: O is not what its kernel takes";
  const double KH = args.numbers[5];
  if (!readSize(args, 5, &call.KH)) return "conv2dInputGradient: KH is not what its kernel takes";
  const double KW = args.numbers[6];
  if (!readSize(args, 6, &call.KW)) return "conv2dInputGradient: KW is not what its kernel takes";
  const double stride = args.numbers[7];
  if (!readSize(args, 7, &call.stride)) return "conv2dInputGradient: stride is not what its kernel takes";
  if (!readChoice(args, 8, 5, &call.activation)) return "conv2dInputGradient: activation is not what its kernel takes";
  if (!readChoice(args, 9, 2, &call.precision)) return "conv2dInputGradient: precision is not what its kernel takes";
  if (!(KH * KW <= 64)) return "conv2dInputGradient: KH * KW is more than 64";
  if (!readBuffer(args, 0, B * std::ceil(H / stride) * std::ceil(W / stride) * O, &call.dy)) {
    return tooShort(args, 0, B * std::ceil(H / stride) * std::ceil(W / stride) * O, call.dy, "conv2dInputGradient", "dy", "B * ceil(H / stride) * ceil(W / stride) * O");
  }
  if (!readBuffer(args, 1, O * KH * KW * C, &call.weight)) {
    return tooShort(args, 1, O * KH * KW * C, call.weight, "conv2dInputGradient", "weight", "O * KH * KW * C");
  }
  if (!readOptional(args, 2, B * std::ceil(H / stride) * std::ceil(W / stride) * O, &call.pre)) {
    return tooShort(args, 2, B * std::ceil(H / stride) * std::ceil(W / stride) * O, call.pre, "conv2dInputGradient", "pre", "B * ceil(H / stride) * ceil(W / stride) * O");
  }
  if (!readBuffer(args, 3, B * H * W * C, &call.dx)) {
    return tooShort(args, 3, B * H * W * C, call.dx, "conv2dInputGradient", "dx", "B * H * W * C");
  }
  conv2dInputGradient(call);
  return nullptr;
}

const char* conv2dWeightGradientOf(const Args& args) {
  if (args.bufferCount != 5 ||
      args.numberCount != 10) {
    return "conv2dWeightGradient: other buffers or numbers than this build takes";
  }
  Conv2dWeightGradientCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "conv2dWeightGradient: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "conv2dWeightGradient: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "conv2dWeightGradient: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "conv2dWeightGradient: C is not what its kernel takes";
  const double O = args.numbers[4];
  if (!readSize(args, 4, &call.O)) return "conv2dWeightGradient: O is not what its kernel takes";
  const double KH = args.numbers[5];
  if (!readSize(args, 5, &call.KH)) return "conv2dWeightGradient: KH is not what its kernel takes";
  const double KW = args.numbers[6];
  if (!readSize(args, 6, &call.KW)) return "conv2dWeightGradient: KW is not what its kernel takes";
  const double stride = args.numbers[7];
  if (!readSize(args, 7, &call.stride)) return "conv2dWeightGradient: stride is not what its kernel takes";
  if (!readChoice(args, 8, 5, &call.activation)) return "conv2dWeightGradient: activation is not what its kernel takes";
  if (!readChoice(args, 9, 2, &call.precision)) return "conv2dWeightGradient: precision is not what its kernel takes";
  if (!(KH * KW <= 64)) return "conv2dWeightGradient: KH * KW is more than 64";
  if (!readBuffer(args, 0, B * std::ceil(H / stride) * std::ceil(W / stride) * O, &call.dy)) {
    return tooShort(args, 0, B * std::ceil(H / stride) * std::ceil(W / stride) * O, call.dy, "conv2dWeightGradient", "dy", "B * ceil(H / stride) * ceil(W / stride) * O");
  }
  if (!readBuffer(args, 1, B * H * W * C, &call.x)) {
    return tooShort(args, 1, B * H * W * C, call.x, "conv2dWeightGradient", "x", "B * H * W * C");
  }
  if (!readOptional(args, 2, B * std::ceil(H / stride) * std::ceil(W / stride) * O, &call.pre)) {
    return tooShort(args, 2, B * std::ceil(H / stride) * std::ceil(W / stride) * O, call.pre, "conv2dWeightGradient", "pre", "B * ceil(H / stride) * ceil(W / stride) * O");
  }
  if (!readBuffer(args, 3, O * KH * KW * C, &call.dWeight)) {
    return tooShort(args, 3, O * KH * KW * C, call.dWeight, "conv2dWeightGradient", "dWeight", "O * KH * KW * C");
  }
  if (!readOptional(args, 4, O, &call.dBias)) {
    return tooShort(args, 4, O, call.dBias, "conv2dWeightGradient", "dBias", "O");
  }
  conv2dWeightGradient(call);
  return nullptr;
}

const char* copyRowsOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 6) {
    return "copyRows: other buffers or numbers than this build takes";
  }
  CopyRowsCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "copyRows: rows is not what its kernel takes";
  const double width = args.numbers[1];
  if (!readSize(args, 1, &call.width)) return "copyRows: width is not what its kernel takes";
  const double xStep = args.numbers[2];
  if (!readSize(args, 2, &call.xStep)) return "copyRows: xStep is not what its kernel takes";
  const double yStep = args.numbers[3];
  if (!readSize(args, 3, &call.yStep)) return "copyRows: yStep is not what its kernel takes";
  const double xStart = args.numbers[4];
  if (!readSize(args, 4, &call.xStart)) return "copyRows: xStart is not what its kernel takes";
  const double yStart = args.numbers[5];
  if (!readSize(args, 5, &call.yStart)) return "copyRows: yStart is not what its kernel takes";
  if (!readBuffer(args, 0, xStart + (rows - 1) * xStep + width, &call.x)) {
    return tooShort(args, 0, xStart + (rows - 1) * xStep + width, call.x, "copyRows", "x", "xStart + (rows - 1) * xStep + width");
  }
  if (!readBuffer(args, 1, yStart + (rows - 1) * yStep + width, &call.y)) {
    return tooShort(args, 1, yStart + (rows - 1) * yStep + width, call.y, "copyRows", "y", "yStart + (rows - 1) * yStep + width");
  }
  copyRows(call);
  return nullptr;
}

const char* decoderPackEndsOf(const Args& args) {
  if (args.bufferCount != 4 ||
      args.numberCount != 14) {
    return "decoderPackEnds: other buffers or numbers than this build takes";
  }
  DecoderPackEndsCall call;
  if (!readSize(args, 0, &call.rows)) return "decoderPackEnds: rows is not what its kernel takes";
  if (!readSize(args, 1, &call.layers)) return "decoderPackEnds: layers is not what its kernel takes";
  const double C = args.numbers[2];
  if (!readSize(args, 2, &call.C)) return "decoderPackEnds: C is not what its kernel takes";
  if (!readSize(args, 3, &call.H)) return "decoderPackEnds: H is not what its kernel takes";
  if (!readSize(args, 4, &call.inner)) return "decoderPackEnds: inner is not what its kernel takes";
  const double vocabulary = args.numbers[5];
  if (!readSize(args, 5, &call.vocabulary)) return "decoderPackEnds: vocabulary is not what its kernel takes";
  if (!readSize(args, 6, &call.positions)) return "decoderPackEnds: positions is not what its kernel takes";
  if (!readSize(args, 7, &call.prefix)) return "decoderPackEnds: prefix is not what its kernel takes";
  call.gated = args.numbers[8] != 0;
  call.centered = args.numbers[9] != 0;
  call.qkNorm = args.numbers[10] != 0;
  call.normEps = static_cast<float>(args.numbers[11]);
  call.qkEps = static_cast<float>(args.numbers[12]);
  if (!readChoice(args, 13, 2, &call.precision)) return "decoderPackEnds: precision is not what its kernel takes";
  if (!readBuffer(args, 0, C, &call.norm)) {
    return tooShort(args, 0, C, call.norm, "decoderPackEnds", "norm", "C");
  }
  if (!readOptional(args, 1, C, &call.bias)) {
    return tooShort(args, 1, C, call.bias, "decoderPackEnds", "bias", "C");
  }
  if (!readBuffer(args, 2, vocabulary * C, &call.head)) {
    return tooShort(args, 2, vocabulary * C, call.head, "decoderPackEnds", "head", "vocabulary * C");
  }
  readAny(args, 3, &call.weights, &call.weightsLength);
  decoderPackEnds(call);
  return nullptr;
}

const char* decoderPackLayerOf(const Args& args) {
  if (args.bufferCount != 11 ||
      args.numberCount != 15) {
    return "decoderPackLayer: other buffers or numbers than this build takes";
  }
  DecoderPackLayerCall call;
  if (!readSize(args, 0, &call.rows)) return "decoderPackLayer: rows is not what its kernel takes";
  if (!readSize(args, 1, &call.layers)) return "decoderPackLayer: layers is not what its kernel takes";
  const double C = args.numbers[2];
  if (!readSize(args, 2, &call.C)) return "decoderPackLayer: C is not what its kernel takes";
  const double H = args.numbers[3];
  if (!readSize(args, 3, &call.H)) return "decoderPackLayer: H is not what its kernel takes";
  const double inner = args.numbers[4];
  if (!readSize(args, 4, &call.inner)) return "decoderPackLayer: inner is not what its kernel takes";
  if (!readSize(args, 5, &call.vocabulary)) return "decoderPackLayer: vocabulary is not what its kernel takes";
  if (!readSize(args, 6, &call.positions)) return "decoderPackLayer: positions is not what its kernel takes";
  if (!readSize(args, 7, &call.prefix)) return "decoderPackLayer: prefix is not what its kernel takes";
  const double gated = args.numbers[8];
  call.gated = args.numbers[8] != 0;
  call.centered = args.numbers[9] != 0;
  call.qkNorm = args.numbers[10] != 0;
  call.normEps = static_cast<float>(args.numbers[11]);
  call.qkEps = static_cast<float>(args.numbers[12]);
  if (!readChoice(args, 13, 2, &call.precision)) return "decoderPackLayer: precision is not what its kernel takes";
  if (!readSize(args, 14, &call.layer)) return "decoderPackLayer: layer is not what its kernel takes";
  if (!readBuffer(args, 0, C, &call.norm1)) {
    return tooShort(args, 0, C, call.norm1, "decoderPackLayer", "norm1", "C");
  }
  if (!readOptional(args, 1, C, &call.bias1)) {
    return tooShort(args, 1, C, call.bias1, "decoderPackLayer", "bias1", "C");
  }
  if (!readBuffer(args, 2, 3 * C * C, &call.qkv)) {
    return tooShort(args, 2, 3 * C * C, call.qkv, "decoderPackLayer", "qkv", "3 * C * C");
  }
  if (!readOptional(args, 3, C / H, &call.qGain)) {
    return tooShort(args, 3, C / H, call.qGain, "decoderPackLayer", "qGain", "C / H");
  }
  if (!readOptional(args, 4, C / H, &call.kGain)) {
    return tooShort(args, 4, C / H, call.kGain, "decoderPackLayer", "kGain", "C / H");
  }
  if (!readBuffer(args, 5, C * C, &call.output)) {
    return tooShort(args, 5, C * C, call.output, "decoderPackLayer", "output", "C * C");
  }
  if (!readBuffer(args, 6, C, &call.norm2)) {
    return tooShort(args, 6, C, call.norm2, "decoderPackLayer", "norm2", "C");
  }
  if (!readOptional(args, 7, C, &call.bias2)) {
    return tooShort(args, 7, C, call.bias2, "decoderPackLayer", "bias2", "C");
  }
  if (!readBuffer(args, 8, (1 + gated) * inner * C, &call.up)) {
    return tooShort(args, 8, (1 + gated) * inner * C, call.up, "decoderPackLayer", "up", "(1 + gated) * inner * C");
  }
  if (!readBuffer(args, 9, C * inner, &call.down)) {
    return tooShort(args, 9, C * inner, call.down, "decoderPackLayer", "down", "C * inner");
  }
  readAny(args, 10, &call.weights, &call.weightsLength);
  decoderPackLayer(call);
  return nullptr;
}

const char* decoderSizesOf(const Args& args) {
  if (args.bufferCount != 1 ||
      args.numberCount != 14) {
    return "decoderSizes: other buffers or numbers than this build takes";
  }
  DecoderSizesCall call;
  if (!readSize(args, 0, &call.rows)) return "decoderSizes: rows is not what its kernel takes";
  if (!readSize(args, 1, &call.layers)) return "decoderSizes: layers is not what its kernel takes";
  if (!readSize(args, 2, &call.C)) return "decoderSizes: C is not what its kernel takes";
  if (!readSize(args, 3, &call.H)) return "decoderSizes: H is not what its kernel takes";
  if (!readSize(args, 4, &call.inner)) return "decoderSizes: inner is not what its kernel takes";
  if (!readSize(args, 5, &call.vocabulary)) return "decoderSizes: vocabulary is not what its kernel takes";
  if (!readSize(args, 6, &call.positions)) return "decoderSizes: positions is not what its kernel takes";
  if (!readSize(args, 7, &call.prefix)) return "decoderSizes: prefix is not what its kernel takes";
  call.gated = args.numbers[8] != 0;
  call.centered = args.numbers[9] != 0;
  call.qkNorm = args.numbers[10] != 0;
  call.normEps = static_cast<float>(args.numbers[11]);
  call.qkEps = static_cast<float>(args.numbers[12]);
  if (!readChoice(args, 13, 2, &call.precision)) return "decoderSizes: precision is not what its kernel takes";
  if (!readBuffer(args, 0, 2, &call.floats)) {
    return tooShort(args, 0, 2, call.floats, "decoderSizes", "floats", "2");
  }
  decoderSizes(call);
  return nullptr;
}

const char* decoderStepOf(const Args& args) {
  if (args.bufferCount != 10 ||
      args.numberCount != 18) {
    return "decoderStep: other buffers or numbers than this build takes";
  }
  DecoderStepCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "decoderStep: rows is not what its kernel takes";
  const double layers = args.numbers[1];
  if (!readSize(args, 1, &call.layers)) return "decoderStep: layers is not what its kernel takes";
  const double C = args.numbers[2];
  if (!readSize(args, 2, &call.C)) return "decoderStep: C is not what its kernel takes";
  const double H = args.numbers[3];
  if (!readSize(args, 3, &call.H)) return "decoderStep: H is not what its kernel takes";
  if (!readSize(args, 4, &call.inner)) return "decoderStep: inner is not what its kernel takes";
  const double vocabulary = args.numbers[5];
  if (!readSize(args, 5, &call.vocabulary)) return "decoderStep: vocabulary is not what its kernel takes";
  const double positions = args.numbers[6];
  if (!readSize(args, 6, &call.positions)) return "decoderStep: positions is not what its kernel takes";
  if (!readSize(args, 7, &call.prefix)) return "decoderStep: prefix is not what its kernel takes";
  call.gated = args.numbers[8] != 0;
  call.centered = args.numbers[9] != 0;
  call.qkNorm = args.numbers[10] != 0;
  call.normEps = static_cast<float>(args.numbers[11]);
  call.qkEps = static_cast<float>(args.numbers[12]);
  if (!readChoice(args, 13, 2, &call.precision)) return "decoderStep: precision is not what its kernel takes";
  const double shift = args.numbers[14];
  if (!readSize(args, 14, &call.shift)) return "decoderStep: shift is not what its kernel takes";
  if (!readSize(args, 15, &call.start)) return "decoderStep: start is not what its kernel takes";
  const double n = args.numbers[16];
  if (!readSize(args, 16, &call.n)) return "decoderStep: n is not what its kernel takes";
  const double wanted = args.numbers[17];
  if (!readChoice(args, 17, 3, &call.wanted)) return "decoderStep: wanted is not what its kernel takes";
  readAny(args, 0, &call.weights, &call.weightsLength);
  readAny(args, 1, &call.cache, &call.cacheLength);
  readAny(args, 2, &call.sharedCache, &call.sharedCacheLength);
  if (!readOptional(args, 3, rows, &call.sharedRow)) {
    return tooShort(args, 3, rows, call.sharedRow, "decoderStep", "sharedRow", "rows");
  }
  if (!readBuffer(args, 4, rows * n * C, &call.x)) {
    return tooShort(args, 4, rows * n * C, call.x, "decoderStep", "x", "rows * n * C");
  }
  if (!readBuffer(args, 5, layers, &call.maskOf)) {
    return tooShort(args, 5, layers, call.maskOf, "decoderStep", "maskOf", "layers");
  }
  readAny(args, 6, &call.tables, &call.tablesLength);
  if (!readOptional(args, 7, (positions + shift) * C / H / 2, &call.cos)) {
    return tooShort(args, 7, (positions + shift) * C / H / 2, call.cos, "decoderStep", "cos", "(positions + shift) * C / H / 2");
  }
  if (!readOptional(args, 8, (positions + shift) * C / H / 2, &call.sin)) {
    return tooShort(args, 8, (positions + shift) * C / H / 2, call.sin, "decoderStep", "sin", "(positions + shift) * C / H / 2");
  }
  if (!readOptional(args, 9, rows * vocabulary * std::fmax(1, (wanted - 1) * n), &call.logits)) {
    return tooShort(args, 9, rows * vocabulary * std::fmax(1, (wanted - 1) * n), call.logits, "decoderStep", "logits", "rows * vocabulary * max(1, (wanted - 1) * n)");
  }
  decoderStep(call);
  return nullptr;
}

const char* drawCodesOf(const Args& args) {
  if (args.bufferCount != 4 ||
      args.numberCount != 7) {
    return "drawCodes: other buffers or numbers than this build takes";
  }
  DrawCodesCall call;
  const double images = args.numbers[0];
  if (!readSize(args, 0, &call.images)) return "drawCodes: images is not what its kernel takes";
  const double rows = args.numbers[1];
  if (!readSize(args, 1, &call.rows)) return "drawCodes: rows is not what its kernel takes";
  const double K = args.numbers[2];
  if (!readSize(args, 2, &call.K)) return "drawCodes: K is not what its kernel takes";
  call.guidance = static_cast<float>(args.numbers[3]);
  call.temperature = static_cast<double>(args.numbers[4]);
  if (!readSize(args, 5, &call.most)) return "drawCodes: most is not what its kernel takes";
  call.share = static_cast<double>(args.numbers[6]);
  if (!readBuffer(args, 0, rows * K, &call.logits)) {
    return tooShort(args, 0, rows * K, call.logits, "drawCodes", "logits", "rows * K");
  }
  if (!readBuffer(args, 1, images, &call.u)) {
    return tooShort(args, 1, images, call.u, "drawCodes", "u", "images");
  }
  if (!readBuffer(args, 2, images, &call.codes)) {
    return tooShort(args, 2, images, call.codes, "drawCodes", "codes", "images");
  }
  if (!readBuffer(args, 3, images, &call.logProbabilities)) {
    return tooShort(args, 3, images, call.logProbabilities, "drawCodes", "logProbabilities", "images");
  }
  drawCodes(call);
  return nullptr;
}

const char* dropoutOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 4) {
    return "dropout: other buffers or numbers than this build takes";
  }
  DropoutCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "dropout: size is not what its kernel takes";
  call.rate = static_cast<double>(args.numbers[1]);
  call.seed = static_cast<uint32_t>(args.numbers[2]);
  call.stream = static_cast<uint32_t>(args.numbers[3]);
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "dropout", "x", "size");
  }
  if (!readOptional(args, 1, size, &call.residual)) {
    return tooShort(args, 1, size, call.residual, "dropout", "residual", "size");
  }
  if (!readBuffer(args, 2, size, &call.y)) {
    return tooShort(args, 2, size, call.y, "dropout", "y", "size");
  }
  dropout(call);
  return nullptr;
}

const char* embeddingOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 3) {
    return "embedding: other buffers or numbers than this build takes";
  }
  EmbeddingCall call;
  const double N = args.numbers[0];
  if (!readSize(args, 0, &call.N)) return "embedding: N is not what its kernel takes";
  const double V = args.numbers[1];
  if (!readSize(args, 1, &call.V)) return "embedding: V is not what its kernel takes";
  const double C = args.numbers[2];
  if (!readSize(args, 2, &call.C)) return "embedding: C is not what its kernel takes";
  if (!readBuffer(args, 0, V * C, &call.table)) {
    return tooShort(args, 0, V * C, call.table, "embedding", "table", "V * C");
  }
  if (!readBuffer(args, 1, N, &call.ids)) {
    return tooShort(args, 1, N, call.ids, "embedding", "ids", "N");
  }
  if (!readBuffer(args, 2, N * C, &call.rows)) {
    return tooShort(args, 2, N * C, call.rows, "embedding", "rows", "N * C");
  }
  embedding(call);
  return nullptr;
}

const char* embeddingGradientOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 3) {
    return "embeddingGradient: other buffers or numbers than this build takes";
  }
  EmbeddingGradientCall call;
  const double N = args.numbers[0];
  if (!readSize(args, 0, &call.N)) return "embeddingGradient: N is not what its kernel takes";
  const double V = args.numbers[1];
  if (!readSize(args, 1, &call.V)) return "embeddingGradient: V is not what its kernel takes";
  const double C = args.numbers[2];
  if (!readSize(args, 2, &call.C)) return "embeddingGradient: C is not what its kernel takes";
  if (!readBuffer(args, 0, N, &call.ids)) {
    return tooShort(args, 0, N, call.ids, "embeddingGradient", "ids", "N");
  }
  if (!readBuffer(args, 1, N * C, &call.rows)) {
    return tooShort(args, 1, N * C, call.rows, "embeddingGradient", "rows", "N * C");
  }
  if (!readBuffer(args, 2, V * C, &call.sums)) {
    return tooShort(args, 2, V * C, call.sums, "embeddingGradient", "sums", "V * C");
  }
  embeddingGradient(call);
  return nullptr;
}

const char* geluOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 1) {
    return "gelu: other buffers or numbers than this build takes";
  }
  GeluCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "gelu: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "gelu", "x", "size");
  }
  if (!readBuffer(args, 1, size, &call.y)) {
    return tooShort(args, 1, size, call.y, "gelu", "y", "size");
  }
  gelu(call);
  return nullptr;
}

const char* geluGradientOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 1) {
    return "geluGradient: other buffers or numbers than this build takes";
  }
  GeluGradientCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "geluGradient: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "geluGradient", "x", "size");
  }
  if (!readBuffer(args, 1, size, &call.dy)) {
    return tooShort(args, 1, size, call.dy, "geluGradient", "dy", "size");
  }
  if (!readBuffer(args, 2, size, &call.dx)) {
    return tooShort(args, 2, size, call.dx, "geluGradient", "dx", "size");
  }
  geluGradient(call);
  return nullptr;
}

const char* groupNormOf(const Args& args) {
  if (args.bufferCount != 5 ||
      args.numberCount != 7) {
    return "groupNorm: other buffers or numbers than this build takes";
  }
  GroupNormCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "groupNorm: B is not what its kernel takes";
  const double P = args.numbers[1];
  if (!readSize(args, 1, &call.P)) return "groupNorm: P is not what its kernel takes";
  const double C = args.numbers[2];
  if (!readSize(args, 2, &call.C)) return "groupNorm: C is not what its kernel takes";
  const double G = args.numbers[3];
  if (!readSize(args, 3, &call.G)) return "groupNorm: G is not what its kernel takes";
  const double gainStep = args.numbers[4];
  if (!readSize(args, 4, &call.gainStep)) return "groupNorm: gainStep is not what its kernel takes";
  if (!readChoice(args, 5, 5, &call.activation)) return "groupNorm: activation is not what its kernel takes";
  call.eps = static_cast<double>(args.numbers[6]);
  if (!readBuffer(args, 0, B * P * C, &call.x)) {
    return tooShort(args, 0, B * P * C, call.x, "groupNorm", "x", "B * P * C");
  }
  if (!readBuffer(args, 1, (B - 1) * gainStep + C, &call.gain)) {
    return tooShort(args, 1, (B - 1) * gainStep + C, call.gain, "groupNorm", "gain", "(B - 1) * gainStep + C");
  }
  if (!readBuffer(args, 2, (B - 1) * gainStep + C, &call.bias)) {
    return tooShort(args, 2, (B - 1) * gainStep + C, call.bias, "groupNorm", "bias", "(B - 1) * gainStep + C");
  }
  if (!readBuffer(args, 3, B * P * C, &call.y)) {
    return tooShort(args, 3, B * P * C, call.y, "groupNorm", "y", "B * P * C");
  }
  if (!readBuffer(args, 4, 2 * B * G, &call.moments)) {
    return tooShort(args, 4, 2 * B * G, call.moments, "groupNorm", "moments", "2 * B * G");
  }
  groupNorm(call);
  return nullptr;
}

const char* groupNormGradientOf(const Args& args) {
  if (args.bufferCount != 8 ||
      args.numberCount != 6) {
    return "groupNormGradient: other buffers or numbers than this build takes";
  }
  GroupNormGradientCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "groupNormGradient: B is not what its kernel takes";
  const double P = args.numbers[1];
  if (!readSize(args, 1, &call.P)) return "groupNormGradient: P is not what its kernel takes";
  const double C = args.numbers[2];
  if (!readSize(args, 2, &call.C)) return "groupNormGradient: C is not what its kernel takes";
  const double G = args.numbers[3];
  if (!readSize(args, 3, &call.G)) return "groupNormGradient: G is not what its kernel takes";
  const double gainStep = args.numbers[4];
  if (!readSize(args, 4, &call.gainStep)) return "groupNormGradient: gainStep is not what its kernel takes";
  if (!readChoice(args, 5, 5, &call.activation)) return "groupNormGradient: activation is not what its kernel takes";
  if (!readBuffer(args, 0, B * P * C, &call.x)) {
    return tooShort(args, 0, B * P * C, call.x, "groupNormGradient", "x", "B * P * C");
  }
  if (!readBuffer(args, 1, (B - 1) * gainStep + C, &call.gain)) {
    return tooShort(args, 1, (B - 1) * gainStep + C, call.gain, "groupNormGradient", "gain", "(B - 1) * gainStep + C");
  }
  if (!readBuffer(args, 2, (B - 1) * gainStep + C, &call.bias)) {
    return tooShort(args, 2, (B - 1) * gainStep + C, call.bias, "groupNormGradient", "bias", "(B - 1) * gainStep + C");
  }
  if (!readBuffer(args, 3, 2 * B * G, &call.moments)) {
    return tooShort(args, 3, 2 * B * G, call.moments, "groupNormGradient", "moments", "2 * B * G");
  }
  if (!readBuffer(args, 4, B * P * C, &call.dy)) {
    return tooShort(args, 4, B * P * C, call.dy, "groupNormGradient", "dy", "B * P * C");
  }
  if (!readBuffer(args, 5, B * P * C, &call.dx)) {
    return tooShort(args, 5, B * P * C, call.dx, "groupNormGradient", "dx", "B * P * C");
  }
  if (!readBuffer(args, 6, (B - 1) * gainStep + C, &call.dGain)) {
    return tooShort(args, 6, (B - 1) * gainStep + C, call.dGain, "groupNormGradient", "dGain", "(B - 1) * gainStep + C");
  }
  if (!readBuffer(args, 7, (B - 1) * gainStep + C, &call.dBias)) {
    return tooShort(args, 7, (B - 1) * gainStep + C, call.dBias, "groupNormGradient", "dBias", "(B - 1) * gainStep + C");
  }
  groupNormGradient(call);
  return nullptr;
}

const char* gumbelSoftmaxOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 5) {
    return "gumbelSoftmax: other buffers or numbers than this build takes";
  }
  GumbelSoftmaxCall call;
  const double N = args.numbers[0];
  if (!readSize(args, 0, &call.N)) return "gumbelSoftmax: N is not what its kernel takes";
  const double K = args.numbers[1];
  if (!readSize(args, 1, &call.K)) return "gumbelSoftmax: K is not what its kernel takes";
  call.temperature = static_cast<double>(args.numbers[2]);
  call.seed = static_cast<uint32_t>(args.numbers[3]);
  call.stream = static_cast<uint32_t>(args.numbers[4]);
  if (!readBuffer(args, 0, N * K, &call.logits)) {
    return tooShort(args, 0, N * K, call.logits, "gumbelSoftmax", "logits", "N * K");
  }
  if (!readBuffer(args, 1, N * K, &call.y)) {
    return tooShort(args, 1, N * K, call.y, "gumbelSoftmax", "y", "N * K");
  }
  gumbelSoftmax(call);
  return nullptr;
}

const char* gumbelSoftmaxGradientOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 3) {
    return "gumbelSoftmaxGradient: other buffers or numbers than this build takes";
  }
  GumbelSoftmaxGradientCall call;
  const double N = args.numbers[0];
  if (!readSize(args, 0, &call.N)) return "gumbelSoftmaxGradient: N is not what its kernel takes";
  const double K = args.numbers[1];
  if (!readSize(args, 1, &call.K)) return "gumbelSoftmaxGradient: K is not what its kernel takes";
  call.temperature = static_cast<double>(args.numbers[2]);
  if (!readBuffer(args, 0, N * K, &call.y)) {
    return tooShort(args, 0, N * K, call.y, "gumbelSoftmaxGradient", "y", "N * K");
  }
  if (!readBuffer(args, 1, N * K, &call.dy)) {
    return tooShort(args, 1, N * K, call.dy, "gumbelSoftmaxGradient", "dy", "N * K");
  }
  if (!readBuffer(args, 2, N * K, &call.dx)) {
    return tooShort(args, 2, N * K, call.dx, "gumbelSoftmaxGradient", "dx", "N * K");
  }
  gumbelSoftmaxGradient(call);
  return nullptr;
}

const char* klToUniformOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 2) {
    return "klToUniform: other buffers or numbers than this build takes";
  }
  KlToUniformCall call;
  const double N = args.numbers[0];
  if (!readSize(args, 0, &call.N)) return "klToUniform: N is not what its kernel takes";
  const double K = args.numbers[1];
  if (!readSize(args, 1, &call.K)) return "klToUniform: K is not what its kernel takes";
  if (!readBuffer(args, 0, N * K, &call.logits)) {
    return tooShort(args, 0, N * K, call.logits, "klToUniform", "logits", "N * K");
  }
  if (!readBuffer(args, 1, N, &call.kl)) {
    return tooShort(args, 1, N, call.kl, "klToUniform", "kl", "N");
  }
  klToUniform(call);
  return nullptr;
}

const char* klToUniformGradientOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 2) {
    return "klToUniformGradient: other buffers or numbers than this build takes";
  }
  KlToUniformGradientCall call;
  const double N = args.numbers[0];
  if (!readSize(args, 0, &call.N)) return "klToUniformGradient: N is not what its kernel takes";
  const double K = args.numbers[1];
  if (!readSize(args, 1, &call.K)) return "klToUniformGradient: K is not what its kernel takes";
  if (!readBuffer(args, 0, N * K, &call.logits)) {
    return tooShort(args, 0, N * K, call.logits, "klToUniformGradient", "logits", "N * K");
  }
  if (!readBuffer(args, 1, N, &call.dy)) {
    return tooShort(args, 1, N, call.dy, "klToUniformGradient", "dy", "N");
  }
  if (!readBuffer(args, 2, N * K, &call.dx)) {
    return tooShort(args, 2, N * K, call.dx, "klToUniformGradient", "dx", "N * K");
  }
  klToUniformGradient(call);
  return nullptr;
}

const char* layerNormOf(const Args& args) {
  if (args.bufferCount != 4 ||
      args.numberCount != 3) {
    return "layerNorm: other buffers or numbers than this build takes";
  }
  LayerNormCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "layerNorm: rows is not what its kernel takes";
  const double C = args.numbers[1];
  if (!readSize(args, 1, &call.C)) return "layerNorm: C is not what its kernel takes";
  call.eps = static_cast<float>(args.numbers[2]);
  if (!readBuffer(args, 0, rows * C, &call.x)) {
    return tooShort(args, 0, rows * C, call.x, "layerNorm", "x", "rows * C");
  }
  if (!readBuffer(args, 1, C, &call.gain)) {
    return tooShort(args, 1, C, call.gain, "layerNorm", "gain", "C");
  }
  if (!readBuffer(args, 2, C, &call.bias)) {
    return tooShort(args, 2, C, call.bias, "layerNorm", "bias", "C");
  }
  if (!readBuffer(args, 3, rows * C, &call.y)) {
    return tooShort(args, 3, rows * C, call.y, "layerNorm", "y", "rows * C");
  }
  layerNorm(call);
  return nullptr;
}

const char* layerNormGradientOf(const Args& args) {
  if (args.bufferCount != 6 ||
      args.numberCount != 3) {
    return "layerNormGradient: other buffers or numbers than this build takes";
  }
  LayerNormGradientCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "layerNormGradient: rows is not what its kernel takes";
  const double C = args.numbers[1];
  if (!readSize(args, 1, &call.C)) return "layerNormGradient: C is not what its kernel takes";
  call.eps = static_cast<float>(args.numbers[2]);
  if (!readBuffer(args, 0, rows * C, &call.x)) {
    return tooShort(args, 0, rows * C, call.x, "layerNormGradient", "x", "rows * C");
  }
  if (!readBuffer(args, 1, C, &call.gain)) {
    return tooShort(args, 1, C, call.gain, "layerNormGradient", "gain", "C");
  }
  if (!readBuffer(args, 2, rows * C, &call.dy)) {
    return tooShort(args, 2, rows * C, call.dy, "layerNormGradient", "dy", "rows * C");
  }
  if (!readBuffer(args, 3, rows * C, &call.dx)) {
    return tooShort(args, 3, rows * C, call.dx, "layerNormGradient", "dx", "rows * C");
  }
  if (!readBuffer(args, 4, C, &call.dGain)) {
    return tooShort(args, 4, C, call.dGain, "layerNormGradient", "dGain", "C");
  }
  if (!readBuffer(args, 5, C, &call.dBias)) {
    return tooShort(args, 5, C, call.dBias, "layerNormGradient", "dBias", "C");
  }
  layerNormGradient(call);
  return nullptr;
}

const char* leakySlopeOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 1) {
    return "leakySlope: other buffers or numbers than this build takes";
  }
  LeakySlopeCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "leakySlope: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.t)) {
    return tooShort(args, 0, size, call.t, "leakySlope", "t", "size");
  }
  if (!readBuffer(args, 1, size, &call.y)) {
    return tooShort(args, 1, size, call.y, "leakySlope", "y", "size");
  }
  if (!readBuffer(args, 2, size, &call.slope)) {
    return tooShort(args, 2, size, call.slope, "leakySlope", "slope", "size");
  }
  leakySlope(call);
  return nullptr;
}

const char* linearOf(const Args& args) {
  if (args.bufferCount != 6 ||
      args.numberCount != 5) {
    return "linear: other buffers or numbers than this build takes";
  }
  LinearCall call;
  const double M = args.numbers[0];
  if (!readSize(args, 0, &call.M)) return "linear: M is not what its kernel takes";
  const double N = args.numbers[1];
  if (!readSize(args, 1, &call.N)) return "linear: N is not what its kernel takes";
  const double K = args.numbers[2];
  if (!readSize(args, 2, &call.K)) return "linear: K is not what its kernel takes";
  if (!readChoice(args, 3, 5, &call.activation)) return "linear: activation is not what its kernel takes";
  if (!readChoice(args, 4, 2, &call.precision)) return "linear: precision is not what its kernel takes";
  if (!readBuffer(args, 0, M * K, &call.x)) {
    return tooShort(args, 0, M * K, call.x, "linear", "x", "M * K");
  }
  if (!readBuffer(args, 1, N * K, &call.weight)) {
    return tooShort(args, 1, N * K, call.weight, "linear", "weight", "N * K");
  }
  if (!readOptional(args, 2, N, &call.bias)) {
    return tooShort(args, 2, N, call.bias, "linear", "bias", "N");
  }
  if (!readOptional(args, 3, M * N, &call.residual)) {
    return tooShort(args, 3, M * N, call.residual, "linear", "residual", "M * N");
  }
  if (!readBuffer(args, 4, M * N, &call.y)) {
    return tooShort(args, 4, M * N, call.y, "linear", "y", "M * N");
  }
  if (!readOptional(args, 5, M * N, &call.pre)) {
    return tooShort(args, 5, M * N, call.pre, "linear", "pre", "M * N");
  }
  linear(call);
  return nullptr;
}

const char* linearCrossEntropyOf(const Args& args) {
  if (args.bufferCount != 6 ||
      args.numberCount != 7) {
    return "linearCrossEntropy: other buffers or numbers than this build takes";
  }
  LinearCrossEntropyCall call;
  const double M = args.numbers[0];
  if (!readSize(args, 0, &call.M)) return "linearCrossEntropy: M is not what its kernel takes";
  if (!readSize(args, 1, &call.counted)) return "linearCrossEntropy: counted is not what its kernel takes";
  const double V = args.numbers[2];
  if (!readSize(args, 2, &call.V)) return "linearCrossEntropy: V is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "linearCrossEntropy: C is not what its kernel takes";
  call.zLoss = static_cast<double>(args.numbers[4]);
  call.scale = static_cast<double>(args.numbers[5]);
  if (!readChoice(args, 6, 2, &call.precision)) return "linearCrossEntropy: precision is not what its kernel takes";
  if (!readBuffer(args, 0, M * C, &call.hidden)) {
    return tooShort(args, 0, M * C, call.hidden, "linearCrossEntropy", "hidden", "M * C");
  }
  if (!readBuffer(args, 1, V * C, &call.weight)) {
    return tooShort(args, 1, V * C, call.weight, "linearCrossEntropy", "weight", "V * C");
  }
  if (!readBuffer(args, 2, M, &call.targets)) {
    return tooShort(args, 2, M, call.targets, "linearCrossEntropy", "targets", "M");
  }
  if (!readBuffer(args, 3, 1, &call.loss)) {
    return tooShort(args, 3, 1, call.loss, "linearCrossEntropy", "loss", "1");
  }
  if (!readOptional(args, 4, M * C, &call.dHidden)) {
    return tooShort(args, 4, M * C, call.dHidden, "linearCrossEntropy", "dHidden", "M * C");
  }
  if (!readOptional(args, 5, V * C, &call.dWeight)) {
    return tooShort(args, 5, V * C, call.dWeight, "linearCrossEntropy", "dWeight", "V * C");
  }
  linearCrossEntropy(call);
  return nullptr;
}

const char* linearInputGradientOf(const Args& args) {
  if (args.bufferCount != 4 ||
      args.numberCount != 5) {
    return "linearInputGradient: other buffers or numbers than this build takes";
  }
  LinearInputGradientCall call;
  const double M = args.numbers[0];
  if (!readSize(args, 0, &call.M)) return "linearInputGradient: M is not what its kernel takes";
  const double N = args.numbers[1];
  if (!readSize(args, 1, &call.N)) return "linearInputGradient: N is not what its kernel takes";
  const double K = args.numbers[2];
  if (!readSize(args, 2, &call.K)) return "linearInputGradient: K is not what its kernel takes";
  if (!readChoice(args, 3, 5, &call.activation)) return "linearInputGradient: activation is not what its kernel takes";
  if (!readChoice(args, 4, 2, &call.precision)) return "linearInputGradient: precision is not what its kernel takes";
  if (!readBuffer(args, 0, M * N, &call.dy)) {
    return tooShort(args, 0, M * N, call.dy, "linearInputGradient", "dy", "M * N");
  }
  if (!readBuffer(args, 1, N * K, &call.weight)) {
    return tooShort(args, 1, N * K, call.weight, "linearInputGradient", "weight", "N * K");
  }
  if (!readOptional(args, 2, M * N, &call.pre)) {
    return tooShort(args, 2, M * N, call.pre, "linearInputGradient", "pre", "M * N");
  }
  if (!readBuffer(args, 3, M * K, &call.dx)) {
    return tooShort(args, 3, M * K, call.dx, "linearInputGradient", "dx", "M * K");
  }
  linearInputGradient(call);
  return nullptr;
}

const char* linearWeightGradientOf(const Args& args) {
  if (args.bufferCount != 5 ||
      args.numberCount != 5) {
    return "linearWeightGradient: other buffers or numbers than this build takes";
  }
  LinearWeightGradientCall call;
  const double M = args.numbers[0];
  if (!readSize(args, 0, &call.M)) return "linearWeightGradient: M is not what its kernel takes";
  const double N = args.numbers[1];
  if (!readSize(args, 1, &call.N)) return "linearWeightGradient: N is not what its kernel takes";
  const double K = args.numbers[2];
  if (!readSize(args, 2, &call.K)) return "linearWeightGradient: K is not what its kernel takes";
  if (!readChoice(args, 3, 5, &call.activation)) return "linearWeightGradient: activation is not what its kernel takes";
  if (!readChoice(args, 4, 2, &call.precision)) return "linearWeightGradient: precision is not what its kernel takes";
  if (!readBuffer(args, 0, M * N, &call.dy)) {
    return tooShort(args, 0, M * N, call.dy, "linearWeightGradient", "dy", "M * N");
  }
  if (!readBuffer(args, 1, M * K, &call.x)) {
    return tooShort(args, 1, M * K, call.x, "linearWeightGradient", "x", "M * K");
  }
  if (!readOptional(args, 2, M * N, &call.pre)) {
    return tooShort(args, 2, M * N, call.pre, "linearWeightGradient", "pre", "M * N");
  }
  if (!readBuffer(args, 3, N * K, &call.dWeight)) {
    return tooShort(args, 3, N * K, call.dWeight, "linearWeightGradient", "dWeight", "N * K");
  }
  if (!readOptional(args, 4, N, &call.dBias)) {
    return tooShort(args, 4, N, call.dBias, "linearWeightGradient", "dBias", "N");
  }
  linearWeightGradient(call);
  return nullptr;
}

const char* matmulOf(const Args& args) {
  if (args.bufferCount != 6 ||
      args.numberCount != 10) {
    return "matmul: other buffers or numbers than this build takes";
  }
  MatmulCall call;
  const double batch = args.numbers[0];
  if (!readSize(args, 0, &call.batch)) return "matmul: batch is not what its kernel takes";
  const double M = args.numbers[1];
  if (!readSize(args, 1, &call.M)) return "matmul: M is not what its kernel takes";
  const double N = args.numbers[2];
  if (!readSize(args, 2, &call.N)) return "matmul: N is not what its kernel takes";
  const double K = args.numbers[3];
  if (!readSize(args, 3, &call.K)) return "matmul: K is not what its kernel takes";
  call.transposeA = args.numbers[4] != 0;
  call.transposeB = args.numbers[5] != 0;
  const double matricesA = args.numbers[6];
  if (!readSize(args, 6, &call.matricesA)) return "matmul: matricesA is not what its kernel takes";
  const double matricesB = args.numbers[7];
  if (!readSize(args, 7, &call.matricesB)) return "matmul: matricesB is not what its kernel takes";
  if (!readChoice(args, 8, 5, &call.activation)) return "matmul: activation is not what its kernel takes";
  if (!readChoice(args, 9, 2, &call.precision)) return "matmul: precision is not what its kernel takes";
  if (!readBuffer(args, 0, matricesA * M * K, &call.a)) {
    return tooShort(args, 0, matricesA * M * K, call.a, "matmul", "a", "matricesA * M * K");
  }
  if (!readBuffer(args, 1, matricesB * K * N, &call.b)) {
    return tooShort(args, 1, matricesB * K * N, call.b, "matmul", "b", "matricesB * K * N");
  }
  if (!readBuffer(args, 2, batch * M * N, &call.c)) {
    return tooShort(args, 2, batch * M * N, call.c, "matmul", "c", "batch * M * N");
  }
  if (!readOptional(args, 3, batch, &call.indicesA)) {
    return tooShort(args, 3, batch, call.indicesA, "matmul", "indicesA", "batch");
  }
  if (!readOptional(args, 4, batch, &call.indicesB)) {
    return tooShort(args, 4, batch, call.indicesB, "matmul", "indicesB", "batch");
  }
  if (!readOptional(args, 5, N, &call.bias)) {
    return tooShort(args, 5, N, call.bias, "matmul", "bias", "N");
  }
  matmul(call);
  return nullptr;
}

const char* maxRowsOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 2) {
    return "maxRows: other buffers or numbers than this build takes";
  }
  MaxRowsCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "maxRows: rows is not what its kernel takes";
  const double C = args.numbers[1];
  if (!readSize(args, 1, &call.C)) return "maxRows: C is not what its kernel takes";
  if (!readBuffer(args, 0, rows * C, &call.x)) {
    return tooShort(args, 0, rows * C, call.x, "maxRows", "x", "rows * C");
  }
  if (!readBuffer(args, 1, rows, &call.y)) {
    return tooShort(args, 1, rows, call.y, "maxRows", "y", "rows");
  }
  maxRows(call);
  return nullptr;
}

const char* muonOf(const Args& args) {
  const int count = (args.bufferCount - 0) / 4;
  if (count < 0 || count > 8 || args.bufferCount != 0 + count * 4 ||
      args.numberCount != 4 + count * 4) {
    return "muon: other buffers or numbers than this build takes";
  }
  MuonCall call;
  if (!readChoice(args, 0, 2, &call.precision)) return "muon: precision is not what its kernel takes";
  call.beta = static_cast<float>(args.numbers[1]);
  call.clipScale = static_cast<float>(args.numbers[2]);
  call.emaDecay = static_cast<float>(args.numbers[3]);
  call.slotCount = count;
  for (int s = 0; s < count; s++) {
    const double rows = args.numbers[4 + s * 4];
    if (!readSize(args, 4 + s * 4, &call.slots[s].rows)) return "muon: rows is not what its kernel takes";
    const double columns = args.numbers[5 + s * 4];
    if (!readSize(args, 5 + s * 4, &call.slots[s].columns)) return "muon: columns is not what its kernel takes";
    call.slots[s].stepSize = static_cast<float>(args.numbers[6 + s * 4]);
    call.slots[s].keep = static_cast<float>(args.numbers[7 + s * 4]);
    if (!readBuffer(args, 0 + s * 4, rows * columns, &call.slots[s].value)) {
      return tooShort(args, 0 + s * 4, rows * columns, call.slots[s].value, "muon", "value", "rows * columns");
    }
    if (!readBuffer(args, 1 + s * 4, rows * columns, &call.slots[s].gradient)) {
      return tooShort(args, 1 + s * 4, rows * columns, call.slots[s].gradient, "muon", "gradient", "rows * columns");
    }
    if (!readBuffer(args, 2 + s * 4, rows * columns, &call.slots[s].momentum)) {
      return tooShort(args, 2 + s * 4, rows * columns, call.slots[s].momentum, "muon", "momentum", "rows * columns");
    }
    if (!readOptional(args, 3 + s * 4, rows * columns, &call.slots[s].ema)) {
      return tooShort(args, 3 + s * 4, rows * columns, call.slots[s].ema, "muon", "ema", "rows * columns");
    }
  }
  muon(call);
  return nullptr;
}

const char* patchifyOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 5) {
    return "patchify: other buffers or numbers than this build takes";
  }
  PatchifyCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "patchify: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "patchify: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "patchify: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "patchify: C is not what its kernel takes";
  if (!readSize(args, 4, &call.size)) return "patchify: size is not what its kernel takes";
  if (!readBuffer(args, 0, B * H * W * C, &call.x)) {
    return tooShort(args, 0, B * H * W * C, call.x, "patchify", "x", "B * H * W * C");
  }
  if (!readBuffer(args, 1, B * H * W * C, &call.y)) {
    return tooShort(args, 1, B * H * W * C, call.y, "patchify", "y", "B * H * W * C");
  }
  patchify(call);
  return nullptr;
}

const char* peakCopyOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 1) {
    return "peakCopy: other buffers or numbers than this build takes";
  }
  PeakCopyCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "peakCopy: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "peakCopy", "x", "size");
  }
  if (!readBuffer(args, 1, size, &call.y)) {
    return tooShort(args, 1, size, call.y, "peakCopy", "y", "size");
  }
  peakCopy(call);
  return nullptr;
}

const char* peakFlopsOf(const Args& args) {
  if (args.bufferCount != 1 ||
      args.numberCount != 2) {
    return "peakFlops: other buffers or numbers than this build takes";
  }
  PeakFlopsCall call;
  const double pieces = args.numbers[0];
  if (!readSize(args, 0, &call.pieces)) return "peakFlops: pieces is not what its kernel takes";
  if (!readChoice(args, 1, 2, &call.precision)) return "peakFlops: precision is not what its kernel takes";
  if (!readBuffer(args, 0, pieces, &call.counts)) {
    return tooShort(args, 0, pieces, call.counts, "peakFlops", "counts", "pieces");
  }
  peakFlops(call);
  return nullptr;
}

const char* peakReadOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 1) {
    return "peakRead: other buffers or numbers than this build takes";
  }
  PeakReadCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "peakRead: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "peakRead", "x", "size");
  }
  if (!readBuffer(args, 1, std::ceil(size / 262144), &call.sums)) {
    return tooShort(args, 1, std::ceil(size / 262144), call.sums, "peakRead", "sums", "ceil(size / 262144)");
  }
  peakRead(call);
  return nullptr;
}

const char* pixelLossesOf(const Args& args) {
  if (args.bufferCount != 5 ||
      args.numberCount != 4) {
    return "pixelLosses: other buffers or numbers than this build takes";
  }
  PixelLossesCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "pixelLosses: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "pixelLosses: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "pixelLosses: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "pixelLosses: C is not what its kernel takes";
  if (!readBuffer(args, 0, B * H * W * C, &call.output)) {
    return tooShort(args, 0, B * H * W * C, call.output, "pixelLosses", "output", "B * H * W * C");
  }
  if (!readBuffer(args, 1, B * H * W * C, &call.images)) {
    return tooShort(args, 1, B * H * W * C, call.images, "pixelLosses", "images", "B * H * W * C");
  }
  if (!readBuffer(args, 2, 1, &call.l1)) {
    return tooShort(args, 2, 1, call.l1, "pixelLosses", "l1", "1");
  }
  if (!readBuffer(args, 3, 1, &call.l2)) {
    return tooShort(args, 3, 1, call.l2, "pixelLosses", "l2", "1");
  }
  if (!readBuffer(args, 4, 1, &call.edges)) {
    return tooShort(args, 4, 1, call.edges, "pixelLosses", "edges", "1");
  }
  pixelLosses(call);
  return nullptr;
}

const char* pixelLossesGradientOf(const Args& args) {
  if (args.bufferCount != 6 ||
      args.numberCount != 4) {
    return "pixelLossesGradient: other buffers or numbers than this build takes";
  }
  PixelLossesGradientCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "pixelLossesGradient: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "pixelLossesGradient: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "pixelLossesGradient: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "pixelLossesGradient: C is not what its kernel takes";
  if (!readBuffer(args, 0, B * H * W * C, &call.output)) {
    return tooShort(args, 0, B * H * W * C, call.output, "pixelLossesGradient", "output", "B * H * W * C");
  }
  if (!readBuffer(args, 1, B * H * W * C, &call.images)) {
    return tooShort(args, 1, B * H * W * C, call.images, "pixelLossesGradient", "images", "B * H * W * C");
  }
  if (!readBuffer(args, 2, 1, &call.dl1)) {
    return tooShort(args, 2, 1, call.dl1, "pixelLossesGradient", "dl1", "1");
  }
  if (!readBuffer(args, 3, 1, &call.dl2)) {
    return tooShort(args, 3, 1, call.dl2, "pixelLossesGradient", "dl2", "1");
  }
  if (!readBuffer(args, 4, 1, &call.dedges)) {
    return tooShort(args, 4, 1, call.dedges, "pixelLossesGradient", "dedges", "1");
  }
  if (!readBuffer(args, 5, B * H * W * C, &call.dOutput)) {
    return tooShort(args, 5, B * H * W * C, call.dOutput, "pixelLossesGradient", "dOutput", "B * H * W * C");
  }
  pixelLossesGradient(call);
  return nullptr;
}

const char* pullOf(const Args& args) {
  const int count = (args.bufferCount - 0) / 2;
  if (count < 0 || count > 16 || args.bufferCount != 0 + count * 2 ||
      args.numberCount != 0 + count * 2) {
    return "pull: other buffers or numbers than this build takes";
  }
  PullCall call;
  call.slotCount = count;
  for (int s = 0; s < count; s++) {
    const double size = args.numbers[0 + s * 2];
    if (!readSize(args, 0 + s * 2, &call.slots[s].size)) return "pull: size is not what its kernel takes";
    call.slots[s].share = static_cast<float>(args.numbers[1 + s * 2]);
    if (!readBuffer(args, 0 + s * 2, size, &call.slots[s].value)) {
      return tooShort(args, 0 + s * 2, size, call.slots[s].value, "pull", "value", "size");
    }
    if (!readBuffer(args, 1 + s * 2, size, &call.slots[s].anchor)) {
      return tooShort(args, 1 + s * 2, size, call.slots[s].anchor, "pull", "anchor", "size");
    }
  }
  pull(call);
  return nullptr;
}

const char* rmsNormOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 3) {
    return "rmsNorm: other buffers or numbers than this build takes";
  }
  RmsNormCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "rmsNorm: rows is not what its kernel takes";
  const double C = args.numbers[1];
  if (!readSize(args, 1, &call.C)) return "rmsNorm: C is not what its kernel takes";
  call.eps = static_cast<float>(args.numbers[2]);
  if (!readBuffer(args, 0, rows * C, &call.x)) {
    return tooShort(args, 0, rows * C, call.x, "rmsNorm", "x", "rows * C");
  }
  if (!readBuffer(args, 1, C, &call.gain)) {
    return tooShort(args, 1, C, call.gain, "rmsNorm", "gain", "C");
  }
  if (!readBuffer(args, 2, rows * C, &call.y)) {
    return tooShort(args, 2, rows * C, call.y, "rmsNorm", "y", "rows * C");
  }
  rmsNorm(call);
  return nullptr;
}

const char* rmsNormGradientOf(const Args& args) {
  if (args.bufferCount != 5 ||
      args.numberCount != 3) {
    return "rmsNormGradient: other buffers or numbers than this build takes";
  }
  RmsNormGradientCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "rmsNormGradient: rows is not what its kernel takes";
  const double C = args.numbers[1];
  if (!readSize(args, 1, &call.C)) return "rmsNormGradient: C is not what its kernel takes";
  call.eps = static_cast<float>(args.numbers[2]);
  if (!readBuffer(args, 0, rows * C, &call.x)) {
    return tooShort(args, 0, rows * C, call.x, "rmsNormGradient", "x", "rows * C");
  }
  if (!readBuffer(args, 1, C, &call.gain)) {
    return tooShort(args, 1, C, call.gain, "rmsNormGradient", "gain", "C");
  }
  if (!readBuffer(args, 2, rows * C, &call.dy)) {
    return tooShort(args, 2, rows * C, call.dy, "rmsNormGradient", "dy", "rows * C");
  }
  if (!readBuffer(args, 3, rows * C, &call.dx)) {
    return tooShort(args, 3, rows * C, call.dx, "rmsNormGradient", "dx", "rows * C");
  }
  if (!readBuffer(args, 4, C, &call.dGain)) {
    return tooShort(args, 4, C, call.dGain, "rmsNormGradient", "dGain", "C");
  }
  rmsNormGradient(call);
  return nullptr;
}

const char* scaleOf(const Args& args) {
  if (args.bufferCount != 1 ||
      args.numberCount != 2) {
    return "scale: other buffers or numbers than this build takes";
  }
  ScaleCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "scale: size is not what its kernel takes";
  call.factor = static_cast<float>(args.numbers[1]);
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "scale", "x", "size");
  }
  scale(call);
  return nullptr;
}

const char* shiftImagesOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 4) {
    return "shiftImages: other buffers or numbers than this build takes";
  }
  ShiftImagesCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "shiftImages: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "shiftImages: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "shiftImages: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "shiftImages: C is not what its kernel takes";
  if (!readBuffer(args, 0, B * H * W * C, &call.x)) {
    return tooShort(args, 0, B * H * W * C, call.x, "shiftImages", "x", "B * H * W * C");
  }
  if (!readBuffer(args, 1, 2 * B, &call.shifts)) {
    return tooShort(args, 1, 2 * B, call.shifts, "shiftImages", "shifts", "2 * B");
  }
  if (!readBuffer(args, 2, B * H * W * C, &call.y)) {
    return tooShort(args, 2, B * H * W * C, call.y, "shiftImages", "y", "B * H * W * C");
  }
  shiftImages(call);
  return nullptr;
}

const char* siluOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 1) {
    return "silu: other buffers or numbers than this build takes";
  }
  SiluCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "silu: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "silu", "x", "size");
  }
  if (!readBuffer(args, 1, size, &call.y)) {
    return tooShort(args, 1, size, call.y, "silu", "y", "size");
  }
  silu(call);
  return nullptr;
}

const char* siluGradientOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 1) {
    return "siluGradient: other buffers or numbers than this build takes";
  }
  SiluGradientCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "siluGradient: size is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "siluGradient", "x", "size");
  }
  if (!readBuffer(args, 1, size, &call.dy)) {
    return tooShort(args, 1, size, call.dy, "siluGradient", "dy", "size");
  }
  if (!readBuffer(args, 2, size, &call.dx)) {
    return tooShort(args, 2, size, call.dx, "siluGradient", "dx", "size");
  }
  siluGradient(call);
  return nullptr;
}

const char* smoothDoubleOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 5) {
    return "smoothDouble: other buffers or numbers than this build takes";
  }
  SmoothDoubleCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "smoothDouble: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "smoothDouble: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "smoothDouble: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "smoothDouble: C is not what its kernel takes";
  call.scale = static_cast<float>(args.numbers[4]);
  if (!readBuffer(args, 0, B * H * W * C, &call.x)) {
    return tooShort(args, 0, B * H * W * C, call.x, "smoothDouble", "x", "B * H * W * C");
  }
  if (!readBuffer(args, 1, 4 * B * H * W * C, &call.y)) {
    return tooShort(args, 1, 4 * B * H * W * C, call.y, "smoothDouble", "y", "4 * B * H * W * C");
  }
  smoothDouble(call);
  return nullptr;
}

const char* smoothFoldOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 5) {
    return "smoothFold: other buffers or numbers than this build takes";
  }
  SmoothFoldCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "smoothFold: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "smoothFold: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "smoothFold: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "smoothFold: C is not what its kernel takes";
  call.scale = static_cast<float>(args.numbers[4]);
  if (!readBuffer(args, 0, 4 * B * H * W * C, &call.x)) {
    return tooShort(args, 0, 4 * B * H * W * C, call.x, "smoothFold", "x", "4 * B * H * W * C");
  }
  if (!readBuffer(args, 1, B * H * W * C, &call.y)) {
    return tooShort(args, 1, B * H * W * C, call.y, "smoothFold", "y", "B * H * W * C");
  }
  smoothFold(call);
  return nullptr;
}

const char* softmaxRowsOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 2) {
    return "softmaxRows: other buffers or numbers than this build takes";
  }
  SoftmaxRowsCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "softmaxRows: rows is not what its kernel takes";
  const double C = args.numbers[1];
  if (!readSize(args, 1, &call.C)) return "softmaxRows: C is not what its kernel takes";
  if (!readBuffer(args, 0, rows * C, &call.x)) {
    return tooShort(args, 0, rows * C, call.x, "softmaxRows", "x", "rows * C");
  }
  if (!readBuffer(args, 1, rows * C, &call.y)) {
    return tooShort(args, 1, rows * C, call.y, "softmaxRows", "y", "rows * C");
  }
  softmaxRows(call);
  return nullptr;
}

const char* splitHeadsOf(const Args& args) {
  if (args.bufferCount != 8 ||
      args.numberCount != 7) {
    return "splitHeads: other buffers or numbers than this build takes";
  }
  SplitHeadsCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "splitHeads: B is not what its kernel takes";
  const double T = args.numbers[1];
  if (!readSize(args, 1, &call.T)) return "splitHeads: T is not what its kernel takes";
  const double H = args.numbers[2];
  if (!readSize(args, 2, &call.H)) return "splitHeads: H is not what its kernel takes";
  const double D = args.numbers[3];
  if (!readSize(args, 3, &call.D)) return "splitHeads: D is not what its kernel takes";
  const double offset = args.numbers[4];
  if (!readSize(args, 4, &call.offset)) return "splitHeads: offset is not what its kernel takes";
  const double shift = args.numbers[5];
  if (!readSize(args, 5, &call.shift)) return "splitHeads: shift is not what its kernel takes";
  call.eps = static_cast<float>(args.numbers[6]);
  if (!readBuffer(args, 0, B * T * 3 * H * D, &call.qkv)) {
    return tooShort(args, 0, B * T * 3 * H * D, call.qkv, "splitHeads", "qkv", "B * T * 3 * H * D");
  }
  if (!readOptional(args, 1, D, &call.qGain)) {
    return tooShort(args, 1, D, call.qGain, "splitHeads", "qGain", "D");
  }
  if (!readOptional(args, 2, D, &call.kGain)) {
    return tooShort(args, 2, D, call.kGain, "splitHeads", "kGain", "D");
  }
  if (!readOptional(args, 3, (offset + shift + T) * D / 2, &call.cos)) {
    return tooShort(args, 3, (offset + shift + T) * D / 2, call.cos, "splitHeads", "cos", "(offset + shift + T) * D / 2");
  }
  if (!readOptional(args, 4, (offset + shift + T) * D / 2, &call.sin)) {
    return tooShort(args, 4, (offset + shift + T) * D / 2, call.sin, "splitHeads", "sin", "(offset + shift + T) * D / 2");
  }
  if (!readBuffer(args, 5, B * H * T * D, &call.q)) {
    return tooShort(args, 5, B * H * T * D, call.q, "splitHeads", "q", "B * H * T * D");
  }
  if (!readBuffer(args, 6, B * H * T * D, &call.k)) {
    return tooShort(args, 6, B * H * T * D, call.k, "splitHeads", "k", "B * H * T * D");
  }
  if (!readBuffer(args, 7, B * H * T * D, &call.v)) {
    return tooShort(args, 7, B * H * T * D, call.v, "splitHeads", "v", "B * H * T * D");
  }
  splitHeads(call);
  return nullptr;
}

const char* splitHeadsGradientOf(const Args& args) {
  if (args.bufferCount != 11 ||
      args.numberCount != 7) {
    return "splitHeadsGradient: other buffers or numbers than this build takes";
  }
  SplitHeadsGradientCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "splitHeadsGradient: B is not what its kernel takes";
  const double T = args.numbers[1];
  if (!readSize(args, 1, &call.T)) return "splitHeadsGradient: T is not what its kernel takes";
  const double H = args.numbers[2];
  if (!readSize(args, 2, &call.H)) return "splitHeadsGradient: H is not what its kernel takes";
  const double D = args.numbers[3];
  if (!readSize(args, 3, &call.D)) return "splitHeadsGradient: D is not what its kernel takes";
  const double offset = args.numbers[4];
  if (!readSize(args, 4, &call.offset)) return "splitHeadsGradient: offset is not what its kernel takes";
  const double shift = args.numbers[5];
  if (!readSize(args, 5, &call.shift)) return "splitHeadsGradient: shift is not what its kernel takes";
  call.eps = static_cast<float>(args.numbers[6]);
  if (!readBuffer(args, 0, B * T * 3 * H * D, &call.qkv)) {
    return tooShort(args, 0, B * T * 3 * H * D, call.qkv, "splitHeadsGradient", "qkv", "B * T * 3 * H * D");
  }
  if (!readOptional(args, 1, D, &call.qGain)) {
    return tooShort(args, 1, D, call.qGain, "splitHeadsGradient", "qGain", "D");
  }
  if (!readOptional(args, 2, D, &call.kGain)) {
    return tooShort(args, 2, D, call.kGain, "splitHeadsGradient", "kGain", "D");
  }
  if (!readOptional(args, 3, (offset + shift + T) * D / 2, &call.cos)) {
    return tooShort(args, 3, (offset + shift + T) * D / 2, call.cos, "splitHeadsGradient", "cos", "(offset + shift + T) * D / 2");
  }
  if (!readOptional(args, 4, (offset + shift + T) * D / 2, &call.sin)) {
    return tooShort(args, 4, (offset + shift + T) * D / 2, call.sin, "splitHeadsGradient", "sin", "(offset + shift + T) * D / 2");
  }
  if (!readBuffer(args, 5, B * H * T * D, &call.dq)) {
    return tooShort(args, 5, B * H * T * D, call.dq, "splitHeadsGradient", "dq", "B * H * T * D");
  }
  if (!readBuffer(args, 6, B * H * T * D, &call.dk)) {
    return tooShort(args, 6, B * H * T * D, call.dk, "splitHeadsGradient", "dk", "B * H * T * D");
  }
  if (!readBuffer(args, 7, B * H * T * D, &call.dv)) {
    return tooShort(args, 7, B * H * T * D, call.dv, "splitHeadsGradient", "dv", "B * H * T * D");
  }
  if (!readBuffer(args, 8, B * T * 3 * H * D, &call.dQkv)) {
    return tooShort(args, 8, B * T * 3 * H * D, call.dQkv, "splitHeadsGradient", "dQkv", "B * T * 3 * H * D");
  }
  if (!readOptional(args, 9, D, &call.dQGain)) {
    return tooShort(args, 9, D, call.dQGain, "splitHeadsGradient", "dQGain", "D");
  }
  if (!readOptional(args, 10, D, &call.dKGain)) {
    return tooShort(args, 10, D, call.dKGain, "splitHeadsGradient", "dKGain", "D");
  }
  splitHeadsGradient(call);
  return nullptr;
}

const char* squaredNormOf(const Args& args) {
  const int count = (args.bufferCount - 1) / 1;
  if (count < 0 || count > 31 || args.bufferCount != 1 + count * 1 ||
      args.numberCount != 0 + count * 1) {
    return "squaredNorm: other buffers or numbers than this build takes";
  }
  SquaredNormCall call;
  if (!readBuffer(args, 0, 1, &call.sum)) {
    return tooShort(args, 0, 1, call.sum, "squaredNorm", "sum", "1");
  }
  call.slotCount = count;
  for (int s = 0; s < count; s++) {
    const double size = args.numbers[0 + s * 1];
    if (!readSize(args, 0 + s * 1, &call.slots[s].size)) return "squaredNorm: size is not what its kernel takes";
    if (!readBuffer(args, 1 + s * 1, size, &call.slots[s].x)) {
      return tooShort(args, 1 + s * 1, size, call.slots[s].x, "squaredNorm", "x", "size");
    }
  }
  squaredNorm(call);
  return nullptr;
}

const char* sumAxisOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 4) {
    return "sumAxis: other buffers or numbers than this build takes";
  }
  SumAxisCall call;
  const double outer = args.numbers[0];
  if (!readSize(args, 0, &call.outer)) return "sumAxis: outer is not what its kernel takes";
  const double reduced = args.numbers[1];
  if (!readSize(args, 1, &call.reduced)) return "sumAxis: reduced is not what its kernel takes";
  const double inner = args.numbers[2];
  if (!readSize(args, 2, &call.inner)) return "sumAxis: inner is not what its kernel takes";
  call.factor = static_cast<double>(args.numbers[3]);
  if (!readBuffer(args, 0, outer * reduced * inner, &call.x)) {
    return tooShort(args, 0, outer * reduced * inner, call.x, "sumAxis", "x", "outer * reduced * inner");
  }
  if (!readBuffer(args, 1, outer * inner, &call.y)) {
    return tooShort(args, 1, outer * inner, call.y, "sumAxis", "y", "outer * inner");
  }
  sumAxis(call);
  return nullptr;
}

const char* swigluOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 2) {
    return "swiglu: other buffers or numbers than this build takes";
  }
  SwigluCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "swiglu: rows is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "swiglu: H is not what its kernel takes";
  if (!readBuffer(args, 0, rows * 2 * H, &call.x)) {
    return tooShort(args, 0, rows * 2 * H, call.x, "swiglu", "x", "rows * 2 * H");
  }
  if (!readBuffer(args, 1, rows * H, &call.y)) {
    return tooShort(args, 1, rows * H, call.y, "swiglu", "y", "rows * H");
  }
  swiglu(call);
  return nullptr;
}

const char* swigluGradientOf(const Args& args) {
  if (args.bufferCount != 3 ||
      args.numberCount != 2) {
    return "swigluGradient: other buffers or numbers than this build takes";
  }
  SwigluGradientCall call;
  const double rows = args.numbers[0];
  if (!readSize(args, 0, &call.rows)) return "swigluGradient: rows is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "swigluGradient: H is not what its kernel takes";
  if (!readBuffer(args, 0, rows * 2 * H, &call.x)) {
    return tooShort(args, 0, rows * 2 * H, call.x, "swigluGradient", "x", "rows * 2 * H");
  }
  if (!readBuffer(args, 1, rows * H, &call.dy)) {
    return tooShort(args, 1, rows * H, call.dy, "swigluGradient", "dy", "rows * H");
  }
  if (!readBuffer(args, 2, rows * 2 * H, &call.dx)) {
    return tooShort(args, 2, rows * 2 * H, call.dx, "swigluGradient", "dx", "rows * 2 * H");
  }
  swigluGradient(call);
  return nullptr;
}

const char* transposeAxesOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 10) {
    return "transposeAxes: other buffers or numbers than this build takes";
  }
  TransposeAxesCall call;
  const double* sizes = args.numbers + 0;
  if (!readSizes(args, 0, 5, call.sizes)) return "transposeAxes: sizes is not what its kernel takes";
  const double* steps = args.numbers + 5;
  if (!readSizes(args, 5, 5, call.steps)) return "transposeAxes: steps is not what its kernel takes";
  if (!readBuffer(args, 0, 1 + (sizes[0] - 1) * steps[0] + (sizes[1] - 1) * steps[1] + (sizes[2] - 1) * steps[2] + (sizes[3] - 1) * steps[3] + (sizes[4] - 1) * steps[4], &call.x)) {
    return tooShort(args, 0, 1 + (sizes[0] - 1) * steps[0] + (sizes[1] - 1) * steps[1] + (sizes[2] - 1) * steps[2] + (sizes[3] - 1) * steps[3] + (sizes[4] - 1) * steps[4], call.x, "transposeAxes", "x", "1 + (sizes[0] - 1) * steps[0] + (sizes[1] - 1) * steps[1] + (sizes[2] - 1) * steps[2] + (sizes[3] - 1) * steps[3] + (sizes[4] - 1) * steps[4]");
  }
  if (!readBuffer(args, 1, sizes[0] * sizes[1] * sizes[2] * sizes[3] * sizes[4], &call.y)) {
    return tooShort(args, 1, sizes[0] * sizes[1] * sizes[2] * sizes[3] * sizes[4], call.y, "transposeAxes", "y", "sizes[0] * sizes[1] * sizes[2] * sizes[3] * sizes[4]");
  }
  transposeAxes(call);
  return nullptr;
}

const char* unaryOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 2) {
    return "unary: other buffers or numbers than this build takes";
  }
  UnaryCall call;
  const double size = args.numbers[0];
  if (!readSize(args, 0, &call.size)) return "unary: size is not what its kernel takes";
  if (!readChoice(args, 1, 12, &call.which)) return "unary: which is not what its kernel takes";
  if (!readBuffer(args, 0, size, &call.x)) {
    return tooShort(args, 0, size, call.x, "unary", "x", "size");
  }
  if (!readBuffer(args, 1, size, &call.y)) {
    return tooShort(args, 1, size, call.y, "unary", "y", "size");
  }
  unary(call);
  return nullptr;
}

const char* unpatchifyOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 5) {
    return "unpatchify: other buffers or numbers than this build takes";
  }
  UnpatchifyCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "unpatchify: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "unpatchify: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "unpatchify: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "unpatchify: C is not what its kernel takes";
  if (!readSize(args, 4, &call.size)) return "unpatchify: size is not what its kernel takes";
  if (!readBuffer(args, 0, B * H * W * C, &call.x)) {
    return tooShort(args, 0, B * H * W * C, call.x, "unpatchify", "x", "B * H * W * C");
  }
  if (!readBuffer(args, 1, B * H * W * C, &call.y)) {
    return tooShort(args, 1, B * H * W * C, call.y, "unpatchify", "y", "B * H * W * C");
  }
  unpatchify(call);
  return nullptr;
}

const char* upsample2xOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 4) {
    return "upsample2x: other buffers or numbers than this build takes";
  }
  Upsample2xCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "upsample2x: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "upsample2x: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "upsample2x: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "upsample2x: C is not what its kernel takes";
  if (!readBuffer(args, 0, B * H * W * C, &call.x)) {
    return tooShort(args, 0, B * H * W * C, call.x, "upsample2x", "x", "B * H * W * C");
  }
  if (!readBuffer(args, 1, 4 * B * H * W * C, &call.y)) {
    return tooShort(args, 1, 4 * B * H * W * C, call.y, "upsample2x", "y", "4 * B * H * W * C");
  }
  upsample2x(call);
  return nullptr;
}

const char* upsample2xGradientOf(const Args& args) {
  if (args.bufferCount != 2 ||
      args.numberCount != 4) {
    return "upsample2xGradient: other buffers or numbers than this build takes";
  }
  Upsample2xGradientCall call;
  const double B = args.numbers[0];
  if (!readSize(args, 0, &call.B)) return "upsample2xGradient: B is not what its kernel takes";
  const double H = args.numbers[1];
  if (!readSize(args, 1, &call.H)) return "upsample2xGradient: H is not what its kernel takes";
  const double W = args.numbers[2];
  if (!readSize(args, 2, &call.W)) return "upsample2xGradient: W is not what its kernel takes";
  const double C = args.numbers[3];
  if (!readSize(args, 3, &call.C)) return "upsample2xGradient: C is not what its kernel takes";
  if (!readBuffer(args, 0, 4 * B * H * W * C, &call.dy)) {
    return tooShort(args, 0, 4 * B * H * W * C, call.dy, "upsample2xGradient", "dy", "4 * B * H * W * C");
  }
  if (!readBuffer(args, 1, B * H * W * C, &call.dx)) {
    return tooShort(args, 1, B * H * W * C, call.dx, "upsample2xGradient", "dx", "B * H * W * C");
  }
  upsample2xGradient(call);
  return nullptr;
}

}  // namespace calls

const Kernel* kernelTable(int* count) {
  static const Kernel table[] = {
      {"adamw", calls::adamwOf},
      {"addAll", calls::addAllOf},
      {"argMaxRows", calls::argMaxRowsOf},
      {"attention", calls::attentionOf},
      {"attentionGradient", calls::attentionGradientOf},
      {"binary", calls::binaryOf},
      {"conv2d", calls::conv2dOf},
      {"conv2dInputGradient", calls::conv2dInputGradientOf},
      {"conv2dWeightGradient", calls::conv2dWeightGradientOf},
      {"copyRows", calls::copyRowsOf},
      {"decoderPackEnds", calls::decoderPackEndsOf},
      {"decoderPackLayer", calls::decoderPackLayerOf},
      {"decoderSizes", calls::decoderSizesOf},
      {"decoderStep", calls::decoderStepOf},
      {"drawCodes", calls::drawCodesOf},
      {"dropout", calls::dropoutOf},
      {"embedding", calls::embeddingOf},
      {"embeddingGradient", calls::embeddingGradientOf},
      {"gelu", calls::geluOf},
      {"geluGradient", calls::geluGradientOf},
      {"groupNorm", calls::groupNormOf},
      {"groupNormGradient", calls::groupNormGradientOf},
      {"gumbelSoftmax", calls::gumbelSoftmaxOf},
      {"gumbelSoftmaxGradient", calls::gumbelSoftmaxGradientOf},
      {"klToUniform", calls::klToUniformOf},
      {"klToUniformGradient", calls::klToUniformGradientOf},
      {"layerNorm", calls::layerNormOf},
      {"layerNormGradient", calls::layerNormGradientOf},
      {"leakySlope", calls::leakySlopeOf},
      {"linear", calls::linearOf},
      {"linearCrossEntropy", calls::linearCrossEntropyOf},
      {"linearInputGradient", calls::linearInputGradientOf},
      {"linearWeightGradient", calls::linearWeightGradientOf},
      {"matmul", calls::matmulOf},
      {"maxRows", calls::maxRowsOf},
      {"muon", calls::muonOf},
      {"patchify", calls::patchifyOf},
      {"peakCopy", calls::peakCopyOf},
      {"peakFlops", calls::peakFlopsOf},
      {"peakRead", calls::peakReadOf},
      {"pixelLosses", calls::pixelLossesOf},
      {"pixelLossesGradient", calls::pixelLossesGradientOf},
      {"pull", calls::pullOf},
      {"rmsNorm", calls::rmsNormOf},
      {"rmsNormGradient", calls::rmsNormGradientOf},
      {"scale", calls::scaleOf},
      {"shiftImages", calls::shiftImagesOf},
      {"silu", calls::siluOf},
      {"siluGradient", calls::siluGradientOf},
      {"smoothDouble", calls::smoothDoubleOf},
      {"smoothFold", calls::smoothFoldOf},
      {"softmaxRows", calls::softmaxRowsOf},
      {"splitHeads", calls::splitHeadsOf},
      {"splitHeadsGradient", calls::splitHeadsGradientOf},
      {"squaredNorm", calls::squaredNormOf},
      {"sumAxis", calls::sumAxisOf},
      {"swiglu", calls::swigluOf},
      {"swigluGradient", calls::swigluGradientOf},
      {"transposeAxes", calls::transposeAxesOf},
      {"unary", calls::unaryOf},
      {"unpatchify", calls::unpatchifyOf},
      {"upsample2x", calls::upsample2xOf},
      {"upsample2xGradient", calls::upsample2xGradientOf},
  };
  *count = sizeof(table) / sizeof(table[0]);
  return table;
}

}  // namespace tessera
