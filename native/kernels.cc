// One translation unit for all kernels but convolutions: those take a compiler as long as all others together, and are
// compiled at the same time.
#include "kernels.h"

#include "activation.cc"
#include "adamw.cc"
#include "attention.cc"
#include "attention_backward.cc"
#include "categorical.cc"
#include "conv.h"
#include "decode.cc"
#include "draw.cc"
#include "elementwise.cc"
#include "embedding.cc"
#include "gemm.cc"
#include "gemm_linear.cc"
#include "head_loss.cc"
#include "matmul.cc"
#include "muon.cc"
#include "norm.cc"
#include "peak.cc"
#include "pixelloss.cc"
#include "resample.cc"
#include "rope.cc"

namespace tessera {

const Kernel* kernelTable(int* count) {
  static const Kernel table[] = {
      {"adamw", adamw},
      {"muon", muon},
      {"squaredNorm", squaredNorm},
      {"linearCrossEntropy", linearCrossEntropy},
      {"scale", scale},
      {"rmsNorm", rmsNorm},
      {"rmsNormGradient", rmsNormGradient},
      {"layerNorm", layerNorm},
      {"layerNormGradient", layerNormGradient},
      {"groupNorm", groupNorm},
      {"groupNormGradient", groupNormGradient},
      {"splitHeads", splitHeads},
      {"splitHeadsGradient", splitHeadsGradient},
      {"gelu", gelu},
      {"geluGradient", geluGradient},
      {"silu", silu},
      {"siluGradient", siluGradient},
      {"leakySlope", leakySlope},
      {"swiglu", swiglu},
      {"swigluGradient", swigluGradient},
      {"dropout", dropout},
      {"embedding", embedding},
      {"embeddingGradient", embeddingGradient},
      {"binary", binary},
      {"unary", unary},
      {"addAll", addAll},
      {"sumAxis", sumAxis},
      {"maxRows", maxRows},
      {"argMaxRows", argMaxRows},
      {"softmaxRows", softmaxRows},
      {"transposeAxes", transposeAxes},
      {"copyRows", copyRows},
      {"attention", attention},
      {"attentionGradient", attentionGradient},
      {"decoderSizes", decoderSizes},
      {"decoderPackLayer", decoderPackLayer},
      {"decoderPackEnds", decoderPackEnds},
      {"decoderStep", decoderStep},
      {"drawCodes", drawCodes},
      {"conv2d", conv2d},
      {"conv2dInputGradient", conv2dInputGradient},
      {"conv2dWeightGradient", conv2dWeightGradient},
      {"patchify", patchify},
      {"unpatchify", unpatchify},
      {"upsample2x", upsample2x},
      {"upsample2xGradient", upsample2xGradient},
      {"smoothDouble", smoothDouble},
      {"smoothFold", smoothFold},
      {"shiftImages", shiftImages},
      {"linear", linear},
      {"linearInputGradient", linearInputGradient},
      {"linearWeightGradient", linearWeightGradient},
      {"matmul", matmul},
      {"peakFlops", peakFlops},
      {"peakRead", peakRead},
      {"peakCopy", peakCopy},
      {"pixelLosses", pixelLosses},
      {"pixelLossesGradient", pixelLossesGradient},
      {"gumbelSoftmax", gumbelSoftmax},
      {"gumbelSoftmaxGradient", gumbelSoftmaxGradient},
      {"klToUniform", klToUniform},
      {"klToUniformGradient", klToUniformGradient},
  };
  *count = sizeof(table) / sizeof(table[0]);
  return table;
}

}  // namespace tessera
