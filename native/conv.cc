// The kernels behind src/kernels/conv.ts: convolutions as matrix products whose operands are gathered from the image
// while they are packed (implicit im2col), or not packed at all, so that no matrix of patches is ever in memory. NHWC
// images, weights [O, KH, KW, C], padding (K - 1) / 2 before.
#include "conv.h"

#include "gemm_driver.h"

namespace tessera {
namespace {

constexpr int kMostTaps = 64;
constexpr int64_t kMostBlock = 512;  // kBlockOf never exceeds it
alignas(64) const float kZeros[kMostBlock] = {};

// One operand's rows are pixels of a grid over an image; a row holds the channels of `taps` pixels around
// (i * step, j * step), one after another; pixels outside the image are zero.
struct Patches {
  const float* image;
  int64_t height, width, channels;
  int64_t gridHeight, gridWidth, step;
  int taps;
  int offsetY[kMostTaps], offsetX[kMostTaps];

  // Where grid positions lie in the image.
  struct Position {
    int64_t image, y, x;
  };
  Position position(int64_t row) const {
    const int64_t line = row / gridWidth;
    return {line / gridHeight * height * width, line % gridHeight * step, row % gridWidth * step};
  }
  void advance(Position& p) const {
    p.x += step;
    if (p.x < gridWidth * step) return;
    p.x = 0;
    p.y += step;
    if (p.y < gridHeight * step) return;
    p.y = 0;
    p.image += height * width;
  }
  // Index of a tap's first channel, or -1 outside.
  int64_t at(const Position& p, int tap) const {
    const int64_t y = p.y + offsetY[tap], x = p.x + offsetX[tap];
    if (y < 0 || y >= height || x < 0 || x >= width) return -1;
    return (p.image + y * width + x) * channels;
  }
  // Copies columns [first, first + count) of a row.
  void copyRow(const Position& p, int64_t first, int64_t count, float* out) const {
    int tap = static_cast<int>(first / channels);
    int64_t channel = first % channels;
    while (count > 0) {
      const int64_t n = std::min(count, channels - channel);
      const int64_t from = at(p, tap);
      if (from < 0) {
        std::memset(out, 0, sizeof(float) * n);
      } else {
        std::memcpy(out, image + from + channel, sizeof(float) * n);
      }
      out += n;
      count -= n;
      channel = 0;
      tap++;
    }
  }
};

// Patches as the left operand: a row of C for each grid position.
struct LeftPatches {
  const Patches& patches;

  template <class Op>
  void pack(int64_t first, int64_t count, int64_t k0, int64_t k, int64_t, float* out) const {
    const int64_t panelSize = unitsOf<Op>(k) * kRows;
    for (int64_t i = 0; i < count; i += kRows, out += panelSize) {
      const int rows = static_cast<int>(std::min<int64_t>(kRows, count - i));
      Patches::Position positions[kRows];
      positions[0] = patches.position(first + i);
      for (int r = 1; r < rows; r++) {
        positions[r] = positions[r - 1];
        patches.advance(positions[r]);
      }
      const bool whole = patches.channels % Op::kPerUnit == 0 && patches.channels >= kLanes;
      whole ? packByTap<Op>(positions, rows, k0, k, out) : packByCopy<Op>(positions, rows, k0, k, out);
    }
  }

  // Transposes straight from the image, tap by tap.
  template <class Op>
  void packByTap(const Patches::Position* positions, int rows, int64_t k0, int64_t k, float* out) const {
    const int64_t channels = patches.channels;
    for (int64_t kk = k0; kk < k0 + k;) {
      const int tap = static_cast<int>(kk / channels);
      const int64_t n = std::min(k0 + k, (tap + 1) * channels) - kk;
      const float* from[kRows];
      for (int r = 0; r < rows; r++) {
        const int64_t at = patches.at(positions[r], tap);
        from[r] = at < 0 ? kZeros : patches.image + at + kk - tap * channels;
      }
      packTransposed<Op, kRows>(
          [&](int row, int64_t at, int lanes) {
            return lanes == kLanes ? load(from[row] + at) : loadPartial(from[row] + at, lanes);
          },
          rows, n, out + (kk - k0) / Op::kPerUnit * kRows);
      kk += n;
    }
  }

  template <class Op>
  void packByCopy(const Patches::Position* positions, int rows, int64_t k0, int64_t k, float* out) const {
    alignas(64) float copy[kRows * kMostBlock];
    for (int r = 0; r < rows; r++) patches.copyRow(positions[r], k0, k, copy + r * kMostBlock);
    packTransposed<Op, kRows>(
        [&](int row, int64_t at, int lanes) { return loadPartial(copy + row * kMostBlock + at, lanes); }, rows, k,
        out);
  }
};

// Patches as the right operand of the weight gradient: k runs over grid positions, columns over taps and channels.
struct RightPatches {
  const Patches& patches;

  static constexpr int64_t kAtOnce = 16;
  static constexpr int64_t kMostColumns = 8 * kColumns;

  template <class Op>
  void pack(int64_t first, int64_t count, int64_t k0, int64_t k, int64_t, float* out) const {
    const bool whole = patches.channels % kLanes == 0 && patches.channels <= kMostBlock;
    const int64_t panelSize = unitsOf<Op>(k) * kColumns;
    Patches::Position position = patches.position(k0);
    for (int64_t kk = 0; kk < k; kk += kAtOnce) {
      const int64_t n = std::min(kAtOnce, k - kk);
      float* to = out + kk / Op::kPerUnit * kColumns;
      whole ? packByTap<Op>(position, first, count, n, panelSize, to)
            : packByCopy<Op>(position, first, count, n, panelSize, to);
    }
  }

  // Straight from the image: a vector of columns never leaves its tap. Moves the position n on.
  template <class Op>
  void packByTap(Patches::Position& position, int64_t first, int64_t count, int64_t n, int64_t panelSize,
                 float* out) const {
    constexpr int kSlots = kMostColumns / kLanes;
    const int64_t channels = patches.channels;
    const int tap0 = static_cast<int>(first / channels);
    const int taps = static_cast<int>((first + count - 1) / channels) - tap0 + 1;
    int tapOf[kSlots];
    int64_t channelOf[kSlots];
    for (int64_t column = 0; column < count; column += kLanes) {
      tapOf[column / kLanes] = static_cast<int>((first + column) / channels) - tap0;
      channelOf[column / kLanes] = (first + column) % channels;
    }
    const float* from[kAtOnce][kSlots];
    for (int64_t i = 0; i < n; i++) {
      for (int t = 0; t < taps; t++) {
        const int64_t at = patches.at(position, tap0 + t);
        from[i][t] = at < 0 ? kZeros : patches.image + at;
      }
      patches.advance(position);
    }
    packStraight<Op, kColumns>(
        [&](int64_t at, int64_t column, int) {
          const int64_t slot = column / kLanes;
          return load(from[at][tapOf[slot]] + channelOf[slot]);
        },
        count, n, panelSize, out, nullptr);
  }

  template <class Op>
  void packByCopy(Patches::Position& position, int64_t first, int64_t count, int64_t n, int64_t panelSize,
                  float* out) const {
    alignas(64) float copy[kAtOnce * kMostColumns];
    for (int64_t i = 0; i < n; i++) {
      patches.copyRow(position, first, count, copy + i * kMostColumns);
      patches.advance(position);
    }
    packStraight<Op, kColumns>(
        [&](int64_t at, int64_t column, int lanes) { return loadPartial(copy + at * kMostColumns + column, lanes); },
        count, n, panelSize, out, nullptr);
  }
};

// The weights as the right operand of the input gradient: k runs over (tap, output channel), columns over channels.
struct RightWeights {
  const float* weight;
  int64_t outputs, allTaps, channels;
  int taps[kMostTaps];

  template <class Op>
  void pack(int64_t first, int64_t count, int64_t k0, int64_t k, int64_t, float* out) const {
    const float* rows[kMostBlock];
    for (int64_t i = 0; i < k; i++) {
      const int64_t tap = (k0 + i) / outputs, output = (k0 + i) % outputs;
      rows[i] = weight + (output * allTaps + taps[tap]) * channels + first;
    }
    packStraight<Op, kColumns>([&](int64_t at, int64_t column, int lanes) { return loadPartial(rows[at] + column, lanes); }, count,
                               k, unitsOf<Op>(k) * kColumns, out, nullptr);
  }
};

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
  float* image = static_cast<float*>(scratch(0, kScratchA, (images * bordered.imageSize() + kLanes) * sizeof(float)));
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
  const int64_t groups = divideUp(p.width, kRows);
  parallelFor(images * p.height, 1, [&](int64_t begin, int64_t end, int) {
    alignas(64) float tile[kRows * kColumns];
    for (int64_t line = begin; line < end; line++) {
      const float* first = image + line / p.height * bordered.imageSize() +
                           (line % p.height + bordered.top) * bordered.lineSize() + bordered.left * stride;
      for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t column = panel * kColumns;
        const int width = static_cast<int>(std::min<int64_t>(kColumns, columns - column));
        const PatchTile* tiles = patchTiles<Op, stride>(width <= kLanes, std::make_integer_sequence<int, kRows>{});
        for (int64_t g = 0; g < groups; g++) {
          const int64_t x0 = g * p.width / groups;
          const int rows = static_cast<int>((g + 1) * p.width / groups - x0);
          tiles[rows - 1](first + x0 * stride, taps, p.taps, units, packed + panel * panelSize, tile);
          int64_t offsets[kRows];
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
  if (everyPixel && p.channels % Op::kPerUnit == 0) {
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

// numbers B, H, W, C, O, KH, KW, stride, activation, precision
struct Convolution {
  int64_t batch, height, width, channels, outputs, kernelHeight, kernelWidth, stride;
  int64_t outHeight, outWidth;
  Activation activation;
  Precision precision;

  explicit Convolution(const Args& args)
      : batch(args.integer(0)), height(args.integer(1)), width(args.integer(2)), channels(args.integer(3)),
        outputs(args.integer(4)), kernelHeight(args.integer(5)), kernelWidth(args.integer(6)), stride(args.integer(7)),
        outHeight(divideUp(height, stride)), outWidth(divideUp(width, stride)),
        activation(static_cast<Activation>(args.integer(8))), precision(static_cast<Precision>(args.integer(9))) {}

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

// buffers x, weight, bias?, residual?, y, pre?
void conv2d(const Args& args) {
  const Convolution c(args);
  const float* x = args.in(0);
  const Matrix weight{args.in(1), c.patch(), 1};
  Output out{args.out(4), c.outputs};
  out.epilogue.bias = args.in(2);
  out.epilogue.residual = args.in(3);
  out.epilogue.activation = c.activation;
  out.epilogue.pre = args.out(5);
  if (c.pointwise()) return gemm(c.precision, Matrix{x, c.channels, 1}, weight, c.rows(), c.outputs, c.channels, out);
  const Patches patches = c.patchesOf(x);
  withPrecision(c.precision, [&](auto op) {
    productOfPatches<decltype(op)>(patches, RightMatrix{weight}, c.batch, c.outputs, out, RowsOfMatrix{c.outputs});
  });
}

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

// buffers dy, weight, pre?, dx. For each phase of the stride (one, or stride^2) a product over the taps that reach it.
void conv2dInputGradient(const Args& args) {
  const Convolution c(args);
  const Output out{args.out(3), c.channels};
  if (c.pointwise()) {
    return gemm(c.precision, Matrix{args.in(0), c.outputs, 1, args.in(2), c.activation},
                Matrix{args.in(1), 1, c.channels}, c.rows(), c.channels, c.outputs, out);
  }
  const float* g = throughActivation(c, args.in(0), args.in(2));
  for (int64_t y = 0; y < std::min(c.stride, c.height); y++) {
    for (int64_t x = 0; x < std::min(c.stride, c.width); x++) {
      const int64_t gridHeight = divideUp(c.height - y, c.stride), gridWidth = divideUp(c.width - x, c.stride);
      Patches dy = {g, c.outHeight, c.outWidth, c.outputs, gridHeight, gridWidth, 1, 0, {}, {}};
      RightWeights weight = {args.in(1), c.outputs, c.kernelHeight * c.kernelWidth, c.channels, {}};
      for (int64_t i = 0; i < c.kernelHeight; i++) {
        for (int64_t j = 0; j < c.kernelWidth; j++) {
          const int64_t fromY = y + (c.kernelHeight - 1) / 2 - i, fromX = x + (c.kernelWidth - 1) / 2 - j;
          if (fromY % c.stride != 0 || fromX % c.stride != 0) continue;
          dy.offsetY[dy.taps] = static_cast<int>(fromY / c.stride);
          dy.offsetX[dy.taps] = static_cast<int>(fromX / c.stride);
          weight.taps[dy.taps++] = static_cast<int>(i * c.kernelWidth + j);
        }
      }
      withPrecision(c.precision, [&](auto op) {
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

// buffers dy, x, pre?, dW, db?
void conv2dWeightGradient(const Args& args) {
  const Convolution c(args);
  const Patches patches = c.patchesOf(args.in(1));
  withPrecision(c.precision, [&](auto op) {
    using Op = decltype(op);
    if (c.stride == 1 && !c.pointwise()) {
      WeightGradient<Op> gradient(c, patches, args.in(0), args.in(2));
      if (gradient.fits()) return gradient.run(args.out(3), args.out(4));
    }
    const BiasGradient bias = biasGradient<Op>(args.out(4), c.rows(), c.outputs);
    const Matrix dy{args.in(0), 1, c.outputs, args.in(2), c.activation, bias.sums, c.outputs};
    const Output out{args.out(3), c.patch()};
    if (c.pointwise()) {
      product<Op>(LeftMatrix{dy}, RightMatrix{Matrix{args.in(1), 1, c.channels}}, c.outputs, c.patch(), c.rows(), out,
                  RowsOfMatrix{c.patch()}, -1);
    } else {
      product<Op>(LeftMatrix{dy}, RightPatches{patches}, c.outputs, c.patch(), c.rows(), out, RowsOfMatrix{c.patch()},
                  -1);
    }
    bias.finish();
  });
}

namespace {

// Copies between an image [B, H, W, C] and its patches [B, H/p, W/p, p p C]. buffers from, to; numbers B, H, W, C, p
template <bool toPatches>
void movePatches(const Args& args) {
  const int64_t h = args.integer(1), w = args.integer(2), c = args.integer(3), p = args.integer(4);
  const float* from = args.in(0);
  float* to = args.out(1);
  const int64_t run = p * c;  // contiguous in both
  parallelFor(args.integer(0) * h, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, w * c)),
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

void patchify(const Args& args) { movePatches<true>(args); }
void unpatchify(const Args& args) { movePatches<false>(args); }

// Nearest-neighbour doubling. buffers x, y; numbers B, H, W, C of x
void upsample2x(const Args& args) {
  const int64_t h = args.integer(1), w = args.integer(2), c = args.integer(3);
  const float* x = args.in(0);
  float* y = args.out(1);
  parallelFor(args.integer(0) * h, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, w * c)),
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

// The sum over each 2x2. buffers dy, dx; numbers B, H, W, C of dx
void upsample2xGradient(const Args& args) {
  const int64_t h = args.integer(1), w = args.integer(2), c = args.integer(3);
  const float* dy = args.in(0);
  float* dx = args.out(1);
  parallelFor(args.integer(0) * h, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, w * c)),
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
