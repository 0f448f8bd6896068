// The gradient of a convolution's weights.
#pragma once
#include "conv_products.h"

namespace tessera {
namespace {

// ---- The weight gradient straight from the images ----

// dW[o][tap, c] = the sum over pixels of dy[pixel, o] x[pixel + tap, c]. A tile's rows are channels of x at one tap, its
// columns outputs, and k runs along the lines of the image, so both operands lie as they are, k by k: in bf16 a unit is
// two neighbouring pixels, and x is kept twice, in pairs that begin at even and at odd pixels, for taps an odd distance
// away. Lines are divided into parts with sums of their own, added in order.
constexpr int kMostParts = 8;
constexpr int64_t kMostPartBytes = int64_t{1} << 19;  // sums of a part: they stay in the second-level cache
constexpr int64_t kFewestOutputs = 8;  // fewer leave most of a vector empty: packed, they are rows of a tile
constexpr int64_t kBlockBytes = int64_t{192} << 10;   // operands of a block of lines

// c[R, V vectors] = or += a b over `lines` lines of `units`; unit u of row i is at a[u * aUnit + i].
template <class Op, int R, int V>
void lineTile(int64_t lines, int64_t units, const float* a, int64_t aLine, int64_t aUnit, const float* b, int64_t bLine,
              int64_t bUnit, float* __restrict c, int64_t ldc, bool accumulate) {
  RegisterTile<Op, R, V> tile;
  accumulate ? tile.begin(c, ldc) : tile.begin();
  for (int64_t line = 0; line < lines; line++, a += aLine, b += bLine) {
    const float* left = a;
    const float* right = b;
    for (int64_t u = 0; u < units; u++, left += aUnit, right += bUnit) {
      tile.add([&](int i) { return left[i]; }, [&](int j) { return right + j * kLanes; });
    }
  }
  tile.end(c, ldc);
}

using LineTile = void (*)(int64_t, int64_t, const float*, int64_t, int64_t, const float*, int64_t, int64_t, float*,
                          int64_t, bool);

template <class Op, int... R>
const LineTile* lineTiles(bool narrow, std::integer_sequence<int, R...>) {
  static const LineTile all[] = {lineTile<Op, R + 1, kColumnVectors>...};
  static const LineTile first[] = {lineTile<Op, R + 1, 1>...};
  return narrow ? first : all;
}

template <class Op>
class WeightGradient {
 public:
  WeightGradient(const Convolution& c, const Patches& p, const float* dy, const float* pre)
      : c_(c), p_(p), dy_(dy), pre_(pre), columns_(roundUp(c.outputs, kColumns)), channels_(roundUp(c.channels, kLanes)) {
    const auto [lowY, highY] = std::minmax_element(p.offsetY, p.offsetY + p.taps);
    const auto [lowX, highX] = std::minmax_element(p.offsetX, p.offsetX + p.taps);
    top_ = -*lowY;
    around_ = *highY - *lowY;
    left_ = -*lowX;
    units_ = unitsOf<Op>(c.width);
    xUnits_ = unitsOf<Op>(c.width + *highX - *lowX) + 1;
    const int64_t lineBytes = (kVersions * xUnits_ * channels_ + units_ * columns_) * sizeof(float);
    block_ = std::max<int64_t>(1, std::min<int64_t>(c.height, kBlockBytes / lineBytes));
    const int64_t lines = c.batch * c.height;
    parts_ = std::min<int64_t>(kMostParts, divideUp(lines, block_));
  }

  bool fits() const {
    const bool small = partSize() * static_cast<int64_t>(sizeof(float)) <= kMostPartBytes;
    return parts_ > 0 && c_.outputs >= kFewestOutputs && small;
  }

  void run(float* dW, float* db) {
    const int64_t lines = c_.batch * c_.height;
    const int64_t stride = partSize() + columns_;
    float* sums = static_cast<float*>(scratch(0, kScratchSums, parts_ * stride * sizeof(float)));
    parallelFor(parts_, 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t part = begin; part < end; part++) {
        sumPart(part * lines / parts_, (part + 1) * lines / parts_, sums + part * stride, worker);
      }
    });
    const int64_t rows = p_.taps * c_.channels;
    parallelFor(rows, 32, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; row++) {
        alignas(64) float total[kLanes];
        for (int64_t o = 0; o < c_.outputs; o += kLanes) {
          store(total, sumParts(sums + row * columns_ + o, stride));
          for (int64_t i = 0; i < std::min<int64_t>(kLanes, c_.outputs - o); i++) dW[(o + i) * rows + row] = total[i];
        }
      }
    });
    if (db == nullptr) return;
    for (int64_t o = 0; o < c_.outputs; o += kLanes) {
      storePartial(db + o, sumParts(sums + partSize() + o, stride),
                   static_cast<int>(std::min<int64_t>(kLanes, c_.outputs - o)));
    }
  }

 private:
  static constexpr int kVersions = Op::kPerUnit;

  int64_t partSize() const { return p_.taps * c_.channels * columns_; }
  int64_t xLine() const { return xUnits_ * channels_; }

  Vector sumParts(const float* at, int64_t stride) const {
    Vector total = load(at);
    for (int64_t part = 1; part < parts_; part++) total += load(at + part * stride);
    return total;
  }

  // Lines [first, end) of the batch; a block never spans two images.
  void sumPart(int64_t first, int64_t end, float* sums, int worker) const {
    const int64_t xLines = block_ + around_;
    const int64_t size = kVersions * xLines * xLine() + block_ * units_ * columns_ + c_.width * c_.outputs + kLanes;
    float* x = static_cast<float*>(scratch(worker, kScratchA, size * sizeof(float)));
    float* dy = x + kVersions * xLines * xLine();
    float* slopes = dy + block_ * units_ * columns_;
    float* bias = sums + partSize();
    std::fill_n(bias, columns_, 0.0f);
    bool accumulate = false;
    for (int64_t line = first; line < end;) {
      const int64_t image = line / c_.height;
      const int64_t lines = std::min({block_, end - line, (image + 1) * c_.height - line});
      for (int64_t i = 0; i < lines; i++) packGradient(line + i, slopes, dy + i * units_ * columns_, bias);
      for (int version = 0; version < kVersions; version++) {
        for (int64_t i = 0; i < lines + around_; i++) {
          packImage(image, line - image * c_.height + i - top_, version, x + (version * xLines + i) * xLine());
        }
      }
      multiplyLines(x, xLines, dy, lines, sums, accumulate);
      accumulate = true;
      line += lines;
    }
  }

  void packGradient(int64_t line, float* slopes, float* out, float* bias) const {
    const int64_t size = c_.width * c_.outputs;
    const float* from = dy_ + line * size;
    if (pre_ != nullptr) {
      slopeRun(c_.activation, from, pre_ + line * size, size, slopes);
      from = slopes;
    }
    for (int64_t o = 0; o < columns_; o += kLanes) {
      const int lanes = static_cast<int>(std::min<int64_t>(kLanes, c_.outputs - o));
      Vector total = load(bias + o);
      for (int64_t u = 0; u < units_; u++) {
        Vector v[2] = {};
        for (int i = 0; i < Op::kPerUnit; i++) {
          const int64_t pixel = u * Op::kPerUnit + i;
          if (lanes > 0 && pixel < c_.width) v[i] = loadSome(from + pixel * c_.outputs + o, lanes);
          total += v[i];
        }
        store(out + u * columns_ + o, unitOf(v));
      }
      store(bias + o, total);
    }
  }

  // Pairs of pixels from pixel `version` on, the first `left_` and all outside the image being zero.
  void packImage(int64_t image, int64_t y, int version, float* out) const {
    if (y < 0 || y >= c_.height) {
      std::fill_n(out, xLine(), 0.0f);
      return;
    }
    const float* from = p_.image + (image * c_.height + y) * c_.width * c_.channels;
    for (int64_t u = 0; u < xUnits_; u++) {
      for (int64_t c = 0; c < channels_; c += kLanes) {
        const int lanes = static_cast<int>(std::min<int64_t>(kLanes, c_.channels - c));
        Vector v[2] = {};
        for (int i = 0; i < Op::kPerUnit; i++) {
          const int64_t pixel = u * Op::kPerUnit + i + version - left_;
          if (pixel >= 0 && pixel < c_.width) v[i] = loadSome(from + pixel * c_.channels + c, lanes);
        }
        store(out + u * channels_ + c, unitOf(v));
      }
    }
  }

  static Vector unitOf(const Vector* v) {
#if defined(__AVX512BF16__)
    if constexpr (Op::kPerUnit == 2) return interleave(v[1], v[0]);
#endif
    return v[0];
  }

  void multiplyLines(const float* x, int64_t xLines, const float* dy, int64_t lines, float* sums, bool accumulate) const {
    const int64_t groups = divideUp(c_.channels, kRows);
    for (int64_t column = 0; column < c_.outputs; column += kColumns) {
      const LineTile* tiles =
          lineTiles<Op>(c_.outputs - column <= kLanes, std::make_integer_sequence<int, kRows>{});
      for (int tap = 0; tap < p_.taps; tap++) {
        const int64_t shift = p_.offsetX[tap] + left_;
        const int64_t version = shift % kVersions;
        const float* a = x + (version * xLines + p_.offsetY[tap] + top_) * xLine() + shift / kVersions * channels_;
        for (int64_t g = 0; g < groups; g++) {
          const int64_t c0 = g * c_.channels / groups;
          const int rows = static_cast<int>((g + 1) * c_.channels / groups - c0);
          tiles[rows - 1](lines, units_, a + c0, xLine(), channels_, dy + column, units_ * columns_, columns_,
                          sums + (tap * c_.channels + c0) * columns_ + column, columns_, accumulate);
        }
      }
    }
  }

  const Convolution& c_;
  const Patches& p_;
  const float* dy_;
  const float* pre_;
  int64_t columns_, channels_;  // of dy and x, in whole panels and vectors
  int64_t top_, around_, left_, units_, xUnits_, block_, parts_;
};

}  // namespace
}  // namespace tessera
