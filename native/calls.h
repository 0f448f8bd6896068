// Written by scripts/native-calls.ts from the declarations in src/kernels: not to be changed by hand.
#pragma once
#include <cstdint>

namespace tessera {

// Of the declarations that this was written from; TypeScript loads no build of others.
constexpr char kSignature[] = "1c3b90d97cfa3e8c";

enum class Activation { none, gelu, silu, relu, lrelu };
enum class Binary { add, sub, mul, div, maximum, minimum, squaredDifference };
enum class MaskKind { none, causal, table };
enum class Precision { fp32, bf16 };
enum class Unary { square, sqrt, rsqrt, exp, log, relu, sigmoid, tanh, softplus, negate, abs, reciprocal };
enum class Wanted { none, last, all };

struct AdamwCall {
  struct Slot {
    float* value;  // [size]
    const float* gradient;  // [size]
    float* m;  // [size]
    float* v;  // [size]
    float* ema;  // [size], or null
    int64_t size;
    double weightDecay;
  };
  double beta1;
  double beta2;
  float eps;
  double step;
  float clipScale;
  float emaDecay;
  double lr;
  int slotCount;
  Slot slots[6];
};
void adamw(const AdamwCall& call);

struct AddAllCall {
  struct Slot {
    const float* x;  // [size]
  };
  float* y;  // [size]
  int64_t size;
  int slotCount;
  Slot slots[31];
};
void addAll(const AddAllCall& call);

struct ArgMaxRowsCall {
  const float* x;  // [rows * C]
  int32_t* y;  // [rows]
  int64_t rows;
  int64_t C;
};
void argMaxRows(const ArgMaxRowsCall& call);

struct AttentionCall {
  const float* q;  // [B * H * Tq * D]
  const float* k;  // [B * H * Tk * D]
  const float* v;  // [B * H * Tk * D]
  const uint8_t* table;  // [Tk * stride], or null
  float* y;  // [B * H * Tq * D]
  float* logsumexp;  // [B * H * Tq]
  int64_t B;
  int64_t H;
  int64_t Tq;
  int64_t Tk;
  int64_t D;
  MaskKind mask;
  int64_t stride;
  Precision precision;
};
void attention(const AttentionCall& call);

struct AttentionGradientCall {
  const float* q;  // [B * H * Tq * D]
  const float* k;  // [B * H * Tk * D]
  const float* v;  // [B * H * Tk * D]
  const uint8_t* table;  // [Tk * stride], or null
  const float* y;  // [B * H * Tq * D]
  const float* logsumexp;  // [B * H * Tq]
  const float* dy;  // [B * H * Tq * D]
  float* dq;  // [B * H * Tq * D]
  float* dk;  // [B * H * Tk * D]
  float* dv;  // [B * H * Tk * D]
  int64_t B;
  int64_t H;
  int64_t Tq;
  int64_t Tk;
  int64_t D;
  MaskKind mask;
  int64_t stride;
  Precision precision;
};
void attentionGradient(const AttentionGradientCall& call);

struct BinaryCall {
  const float* a;  // [1 + (sizes[0] - 1) * aSteps[0] + (sizes[1] - 1) * aSteps[1] + (sizes[2] - 1) * aSteps[2] + (sizes[3] - 1) * aSteps[3]]
  const float* b;  // [1 + (sizes[0] - 1) * bSteps[0] + (sizes[1] - 1) * bSteps[1] + (sizes[2] - 1) * bSteps[2] + (sizes[3] - 1) * bSteps[3]]
  float* y;  // [sizes[0] * sizes[1] * sizes[2] * sizes[3]]
  Binary which;
  int64_t sizes[4];
  int64_t aSteps[4];
  int64_t bSteps[4];
};
void binary(const BinaryCall& call);

struct Conv2dCall {
  const float* x;  // [B * H * W * C]
  const float* weight;  // [O * KH * KW * C]
  const float* bias;  // [O], or null
  const float* residual;  // [B * ceil(H / stride) * ceil(W / stride) * O], or null
  float* y;  // [B * ceil(H / stride) * ceil(W / stride) * O]
  float* pre;  // [B * ceil(H / stride) * ceil(W / stride) * O], or null
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
  int64_t O;
  int64_t KH;
  int64_t KW;
  int64_t stride;
  Activation activation;
  Precision precision;
};
void conv2d(const Conv2dCall& call);

struct Conv2dInputGradientCall {
  const float* dy;  // [B * ceil(H / stride) * ceil(W / stride) * O]
  const float* weight;  // [O * KH * KW * C]
  const float* pre;  // [B * ceil(H / stride) * ceil(W / stride) * O], or null
  float* dx;  // [B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
  int64_t O;
  int64_t KH;
  int64_t KW;
  int64_t stride;
  Activation activation;
  Precision precision;
};
void conv2dInputGradient(const Conv2dInputGradientCall& call);

struct Conv2dWeightGradientCall {
  const float* dy;  // [B * ceil(H / stride) * ceil(W / stride) * O]
  const float* x;  // [B * H * W * C]
  const float* pre;  // [B * ceil(H / stride) * ceil(W / stride) * O], or null
  float* dWeight;  // [O * KH * KW * C]
  float* dBias;  // [O], or null
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
  int64_t O;
  int64_t KH;
  int64_t KW;
  int64_t stride;
  Activation activation;
  Precision precision;
};
void conv2dWeightGradient(const Conv2dWeightGradientCall& call);

struct CopyRowsCall {
  const float* x;  // [xStart + (rows - 1) * xStep + width]
  float* y;  // [yStart + (rows - 1) * yStep + width]
  int64_t rows;
  int64_t width;
  int64_t xStep;
  int64_t yStep;
  int64_t xStart;
  int64_t yStart;
};
void copyRows(const CopyRowsCall& call);

struct DecoderPackEndsCall {
  const float* norm;  // [C]
  const float* bias;  // [C], or null
  const float* head;  // [vocabulary * C]
  float* weights;  // [weightsLength]
  int64_t weightsLength;
  int64_t rows;
  int64_t layers;
  int64_t C;
  int64_t H;
  int64_t inner;
  int64_t vocabulary;
  int64_t positions;
  int64_t prefix;
  bool gated;
  bool centered;
  bool qkNorm;
  float normEps;
  float qkEps;
  Precision precision;
};
void decoderPackEnds(const DecoderPackEndsCall& call);

struct DecoderPackLayerCall {
  const float* norm1;  // [C]
  const float* bias1;  // [C], or null
  const float* qkv;  // [3 * C * C]
  const float* qGain;  // [C / H], or null
  const float* kGain;  // [C / H], or null
  const float* output;  // [C * C]
  const float* norm2;  // [C]
  const float* bias2;  // [C], or null
  const float* up;  // [(1 + gated) * inner * C]
  const float* down;  // [C * inner]
  float* weights;  // [weightsLength]
  int64_t weightsLength;
  int64_t rows;
  int64_t layers;
  int64_t C;
  int64_t H;
  int64_t inner;
  int64_t vocabulary;
  int64_t positions;
  int64_t prefix;
  bool gated;
  bool centered;
  bool qkNorm;
  float normEps;
  float qkEps;
  Precision precision;
  int64_t layer;
};
void decoderPackLayer(const DecoderPackLayerCall& call);

struct DecoderSizesCall {
  double* floats;  // [2]
  int64_t rows;
  int64_t layers;
  int64_t C;
  int64_t H;
  int64_t inner;
  int64_t vocabulary;
  int64_t positions;
  int64_t prefix;
  bool gated;
  bool centered;
  bool qkNorm;
  float normEps;
  float qkEps;
  Precision precision;
};
void decoderSizes(const DecoderSizesCall& call);

struct DecoderStepCall {
  const float* weights;  // [weightsLength]
  int64_t weightsLength;
  float* cache;  // [cacheLength]
  int64_t cacheLength;
  const float* sharedCache;  // [sharedCacheLength], or null
  int64_t sharedCacheLength;
  const int32_t* sharedRow;  // [rows], or null
  const float* x;  // [rows * n * C]
  const int32_t* maskOf;  // [layers]
  const uint8_t* tables;  // [tablesLength]
  int64_t tablesLength;
  const float* cos;  // [(positions + shift) * C / H / 2], or null
  const float* sin;  // [(positions + shift) * C / H / 2], or null
  float* logits;  // [rows * vocabulary * max(1, (wanted - 1) * n)], or null
  int64_t rows;
  int64_t layers;
  int64_t C;
  int64_t H;
  int64_t inner;
  int64_t vocabulary;
  int64_t positions;
  int64_t prefix;
  bool gated;
  bool centered;
  bool qkNorm;
  float normEps;
  float qkEps;
  Precision precision;
  int64_t shift;
  int64_t start;
  int64_t n;
  Wanted wanted;
};
void decoderStep(const DecoderStepCall& call);

struct DrawCodesCall {
  const float* logits;  // [rows * K]
  const double* u;  // [images]
  int32_t* codes;  // [images]
  double* logProbabilities;  // [images]
  int64_t images;
  int64_t rows;
  int64_t K;
  float guidance;
  double temperature;
  int64_t most;
  double share;
};
void drawCodes(const DrawCodesCall& call);

struct DropoutCall {
  const float* x;  // [size]
  const float* residual;  // [size], or null
  float* y;  // [size]
  int64_t size;
  double rate;
  uint32_t seed;
  uint32_t stream;
};
void dropout(const DropoutCall& call);

struct EmbeddingCall {
  const float* table;  // [V * C]
  const int32_t* ids;  // [N]
  float* rows;  // [N * C]
  int64_t N;
  int64_t V;
  int64_t C;
};
void embedding(const EmbeddingCall& call);

struct EmbeddingGradientCall {
  const int32_t* ids;  // [N]
  const float* rows;  // [N * C]
  float* sums;  // [V * C]
  int64_t N;
  int64_t V;
  int64_t C;
};
void embeddingGradient(const EmbeddingGradientCall& call);

struct GeluCall {
  const float* x;  // [size]
  float* y;  // [size]
  int64_t size;
};
void gelu(const GeluCall& call);

struct GeluGradientCall {
  const float* x;  // [size]
  const float* dy;  // [size]
  float* dx;  // [size]
  int64_t size;
};
void geluGradient(const GeluGradientCall& call);

struct GroupNormCall {
  const float* x;  // [B * P * C]
  const float* gain;  // [(B - 1) * gainStep + C]
  const float* bias;  // [(B - 1) * gainStep + C]
  float* y;  // [B * P * C]
  float* moments;  // [2 * B * G]
  int64_t B;
  int64_t P;
  int64_t C;
  int64_t G;
  int64_t gainStep;
  Activation activation;
  double eps;
};
void groupNorm(const GroupNormCall& call);

struct GroupNormGradientCall {
  const float* x;  // [B * P * C]
  const float* gain;  // [(B - 1) * gainStep + C]
  const float* bias;  // [(B - 1) * gainStep + C]
  const float* moments;  // [2 * B * G]
  const float* dy;  // [B * P * C]
  float* dx;  // [B * P * C]
  float* dGain;  // [(B - 1) * gainStep + C]
  float* dBias;  // [(B - 1) * gainStep + C]
  int64_t B;
  int64_t P;
  int64_t C;
  int64_t G;
  int64_t gainStep;
  Activation activation;
};
void groupNormGradient(const GroupNormGradientCall& call);

struct GumbelSoftmaxCall {
  const float* logits;  // [N * K]
  float* y;  // [N * K]
  int64_t N;
  int64_t K;
  double temperature;
  uint32_t seed;
  uint32_t stream;
};
void gumbelSoftmax(const GumbelSoftmaxCall& call);

struct GumbelSoftmaxGradientCall {
  const float* y;  // [N * K]
  const float* dy;  // [N * K]
  float* dx;  // [N * K]
  int64_t N;
  int64_t K;
  double temperature;
};
void gumbelSoftmaxGradient(const GumbelSoftmaxGradientCall& call);

struct KlToUniformCall {
  const float* logits;  // [N * K]
  float* kl;  // [N]
  int64_t N;
  int64_t K;
};
void klToUniform(const KlToUniformCall& call);

struct KlToUniformGradientCall {
  const float* logits;  // [N * K]
  const float* dy;  // [N]
  float* dx;  // [N * K]
  int64_t N;
  int64_t K;
};
void klToUniformGradient(const KlToUniformGradientCall& call);

struct LayerNormCall {
  const float* x;  // [rows * C]
  const float* gain;  // [C]
  const float* bias;  // [C]
  float* y;  // [rows * C]
  int64_t rows;
  int64_t C;
  float eps;
};
void layerNorm(const LayerNormCall& call);

struct LayerNormGradientCall {
  const float* x;  // [rows * C]
  const float* gain;  // [C]
  const float* dy;  // [rows * C]
  float* dx;  // [rows * C]
  float* dGain;  // [C]
  float* dBias;  // [C]
  int64_t rows;
  int64_t C;
  float eps;
};
void layerNormGradient(const LayerNormGradientCall& call);

struct LeakySlopeCall {
  const float* t;  // [size]
  const float* y;  // [size]
  float* slope;  // [size]
  int64_t size;
};
void leakySlope(const LeakySlopeCall& call);

struct LinearCall {
  const float* x;  // [M * K]
  const float* weight;  // [N * K]
  const float* bias;  // [N], or null
  const float* residual;  // [M * N], or null
  float* y;  // [M * N]
  float* pre;  // [M * N], or null
  int64_t M;
  int64_t N;
  int64_t K;
  Activation activation;
  Precision precision;
};
void linear(const LinearCall& call);

struct LinearCrossEntropyCall {
  const float* hidden;  // [M * C]
  const float* weight;  // [V * C]
  const int32_t* targets;  // [M]
  float* loss;  // [1]
  float* dHidden;  // [M * C], or null
  float* dWeight;  // [V * C], or null
  int64_t M;
  int64_t counted;
  int64_t V;
  int64_t C;
  double zLoss;
  double scale;
  Precision precision;
};
void linearCrossEntropy(const LinearCrossEntropyCall& call);

struct LinearInputGradientCall {
  const float* dy;  // [M * N]
  const float* weight;  // [N * K]
  const float* pre;  // [M * N], or null
  float* dx;  // [M * K]
  int64_t M;
  int64_t N;
  int64_t K;
  Activation activation;
  Precision precision;
};
void linearInputGradient(const LinearInputGradientCall& call);

struct LinearWeightGradientCall {
  const float* dy;  // [M * N]
  const float* x;  // [M * K]
  const float* pre;  // [M * N], or null
  float* dWeight;  // [N * K]
  float* dBias;  // [N], or null
  int64_t M;
  int64_t N;
  int64_t K;
  Activation activation;
  Precision precision;
};
void linearWeightGradient(const LinearWeightGradientCall& call);

struct MatmulCall {
  const float* a;  // [matricesA * M * K]
  const float* b;  // [matricesB * K * N]
  float* c;  // [batch * M * N]
  const int32_t* indicesA;  // [batch], or null
  const int32_t* indicesB;  // [batch], or null
  const float* bias;  // [N], or null
  int64_t batch;
  int64_t M;
  int64_t N;
  int64_t K;
  bool transposeA;
  bool transposeB;
  int64_t matricesA;
  int64_t matricesB;
  Activation activation;
  Precision precision;
};
void matmul(const MatmulCall& call);

struct MaxRowsCall {
  const float* x;  // [rows * C]
  float* y;  // [rows]
  int64_t rows;
  int64_t C;
};
void maxRows(const MaxRowsCall& call);

struct MuonCall {
  struct Slot {
    float* value;  // [rows * columns]
    const float* gradient;  // [rows * columns]
    float* momentum;  // [rows * columns]
    float* ema;  // [rows * columns], or null
    int64_t rows;
    int64_t columns;
    float stepSize;
    float keep;
  };
  Precision precision;
  float beta;
  float clipScale;
  float emaDecay;
  int slotCount;
  Slot slots[8];
};
void muon(const MuonCall& call);

struct PatchifyCall {
  const float* x;  // [B * H * W * C]
  float* y;  // [B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
  int64_t size;
};
void patchify(const PatchifyCall& call);

struct PeakCopyCall {
  const float* x;  // [size]
  float* y;  // [size]
  int64_t size;
};
void peakCopy(const PeakCopyCall& call);

struct PeakFlopsCall {
  double* counts;  // [pieces]
  int64_t pieces;
  Precision precision;
};
void peakFlops(const PeakFlopsCall& call);

struct PeakReadCall {
  const float* x;  // [size]
  float* sums;  // [ceil(size / 262144)]
  int64_t size;
};
void peakRead(const PeakReadCall& call);

struct PixelLossesCall {
  const float* output;  // [B * H * W * C]
  const float* images;  // [B * H * W * C]
  float* l1;  // [1]
  float* l2;  // [1]
  float* edges;  // [1]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
};
void pixelLosses(const PixelLossesCall& call);

struct PixelLossesGradientCall {
  const float* output;  // [B * H * W * C]
  const float* images;  // [B * H * W * C]
  const float* dl1;  // [1]
  const float* dl2;  // [1]
  const float* dedges;  // [1]
  float* dOutput;  // [B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
};
void pixelLossesGradient(const PixelLossesGradientCall& call);

struct PullCall {
  struct Slot {
    float* value;  // [size]
    const float* anchor;  // [size]
    int64_t size;
    float share;
  };
  int slotCount;
  Slot slots[16];
};
void pull(const PullCall& call);

struct RmsNormCall {
  const float* x;  // [rows * C]
  const float* gain;  // [C]
  float* y;  // [rows * C]
  int64_t rows;
  int64_t C;
  float eps;
};
void rmsNorm(const RmsNormCall& call);

struct RmsNormGradientCall {
  const float* x;  // [rows * C]
  const float* gain;  // [C]
  const float* dy;  // [rows * C]
  float* dx;  // [rows * C]
  float* dGain;  // [C]
  int64_t rows;
  int64_t C;
  float eps;
};
void rmsNormGradient(const RmsNormGradientCall& call);

struct ScaleCall {
  float* x;  // [size]
  int64_t size;
  float factor;
};
void scale(const ScaleCall& call);

struct ShiftImagesCall {
  const float* x;  // [B * H * W * C]
  const int32_t* shifts;  // [2 * B]
  float* y;  // [B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
};
void shiftImages(const ShiftImagesCall& call);

struct SiluCall {
  const float* x;  // [size]
  float* y;  // [size]
  int64_t size;
};
void silu(const SiluCall& call);

struct SiluGradientCall {
  const float* x;  // [size]
  const float* dy;  // [size]
  float* dx;  // [size]
  int64_t size;
};
void siluGradient(const SiluGradientCall& call);

struct SmoothDoubleCall {
  const float* x;  // [B * H * W * C]
  float* y;  // [4 * B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
  float scale;
};
void smoothDouble(const SmoothDoubleCall& call);

struct SmoothFoldCall {
  const float* x;  // [4 * B * H * W * C]
  float* y;  // [B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
  float scale;
};
void smoothFold(const SmoothFoldCall& call);

struct SoftmaxRowsCall {
  const float* x;  // [rows * C]
  float* y;  // [rows * C]
  int64_t rows;
  int64_t C;
};
void softmaxRows(const SoftmaxRowsCall& call);

struct SplitHeadsCall {
  const float* qkv;  // [B * T * 3 * H * D]
  const float* qGain;  // [D], or null
  const float* kGain;  // [D], or null
  const float* cos;  // [(offset + shift + T) * D / 2], or null
  const float* sin;  // [(offset + shift + T) * D / 2], or null
  float* q;  // [B * H * T * D]
  float* k;  // [B * H * T * D]
  float* v;  // [B * H * T * D]
  int64_t B;
  int64_t T;
  int64_t H;
  int64_t D;
  int64_t offset;
  int64_t shift;
  float eps;
};
void splitHeads(const SplitHeadsCall& call);

struct SplitHeadsGradientCall {
  const float* qkv;  // [B * T * 3 * H * D]
  const float* qGain;  // [D], or null
  const float* kGain;  // [D], or null
  const float* cos;  // [(offset + shift + T) * D / 2], or null
  const float* sin;  // [(offset + shift + T) * D / 2], or null
  const float* dq;  // [B * H * T * D]
  const float* dk;  // [B * H * T * D]
  const float* dv;  // [B * H * T * D]
  float* dQkv;  // [B * T * 3 * H * D]
  float* dQGain;  // [D], or null
  float* dKGain;  // [D], or null
  int64_t B;
  int64_t T;
  int64_t H;
  int64_t D;
  int64_t offset;
  int64_t shift;
  float eps;
};
void splitHeadsGradient(const SplitHeadsGradientCall& call);

struct SquaredNormCall {
  struct Slot {
    const float* x;  // [size]
    int64_t size;
  };
  double* sum;  // [1]
  int slotCount;
  Slot slots[31];
};
void squaredNorm(const SquaredNormCall& call);

struct SumAxisCall {
  const float* x;  // [outer * reduced * inner]
  float* y;  // [outer * inner]
  int64_t outer;
  int64_t reduced;
  int64_t inner;
  double factor;
};
void sumAxis(const SumAxisCall& call);

struct SwigluCall {
  const float* x;  // [rows * 2 * H]
  float* y;  // [rows * H]
  int64_t rows;
  int64_t H;
};
void swiglu(const SwigluCall& call);

struct SwigluGradientCall {
  const float* x;  // [rows * 2 * H]
  const float* dy;  // [rows * H]
  float* dx;  // [rows * 2 * H]
  int64_t rows;
  int64_t H;
};
void swigluGradient(const SwigluGradientCall& call);

struct TransposeAxesCall {
  const float* x;  // [1 + (sizes[0] - 1) * steps[0] + (sizes[1] - 1) * steps[1] + (sizes[2] - 1) * steps[2] + (sizes[3] - 1) * steps[3] + (sizes[4] - 1) * steps[4]]
  float* y;  // [sizes[0] * sizes[1] * sizes[2] * sizes[3] * sizes[4]]
  int64_t sizes[5];
  int64_t steps[5];
};
void transposeAxes(const TransposeAxesCall& call);

struct UnaryCall {
  const float* x;  // [size]
  float* y;  // [size]
  int64_t size;
  Unary which;
};
void unary(const UnaryCall& call);

struct UnpatchifyCall {
  const float* x;  // [B * H * W * C]
  float* y;  // [B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
  int64_t size;
};
void unpatchify(const UnpatchifyCall& call);

struct Upsample2xCall {
  const float* x;  // [B * H * W * C]
  float* y;  // [4 * B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
};
void upsample2x(const Upsample2xCall& call);

struct Upsample2xGradientCall {
  const float* dy;  // [4 * B * H * W * C]
  float* dx;  // [B * H * W * C]
  int64_t B;
  int64_t H;
  int64_t W;
  int64_t C;
};
void upsample2xGradient(const Upsample2xGradientCall& call);

}  // namespace tessera
