// The operands of convolutions: gathered from the image while they are packed (implicit im2col), so that no matrix of
// patches is ever in memory.
#pragma once
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
    if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
      return packForTiles(first, count, k0, k, out);
#endif
    }
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

#if defined(__AMX_TILE__)
  void packForTiles(int64_t first, int64_t count, int64_t k0, int64_t k, float* out) const {
    const int64_t panelSize = unitsOf<Amx>(k) * kTilePanel;
    const bool whole = patches.channels % (2 * kLanes) == 0 && k0 % (2 * kLanes) == 0;
    alignas(64) float copy[kMostBlock];
    Patches::Position position = patches.position(first);
    for (int64_t i = 0; i < roundUp(count, kTilePanel); i++) {
      float* to = out + i / kTilePanel * panelSize + i % kTilePanel * kTileUnits;
      if (i >= count) {
        packTileRow([](int64_t, int) { return Vector{}; }, k, to);
        continue;
      }
      if (whole) {
        for (int64_t kk = k0; kk < k0 + k;) {
          const int tap = static_cast<int>(kk / patches.channels);
          const int64_t n = std::min(k0 + k, (tap + 1) * patches.channels) - kk;
          const int64_t at = patches.at(position, tap);
          const float* from = at < 0 ? kZeros : patches.image + at + kk - tap * patches.channels;
          packTileRow([&](int64_t at, int) { return load(from + at); }, n, to);
          to += n / (2 * kLanes) * kTileStep;
          kk += n;
        }
      } else {
        patches.copyRow(position, k0, k, copy);
        packTileRow([&](int64_t at, int lanes) { return loadPartial(copy + at, lanes); }, k, to);
      }
      patches.advance(position);
    }
  }
#endif

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
    padPanels<Op, kColumns>(out, count, k);
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
    padPanels<Op, kColumns>(out, count, k);
  }
};

}  // namespace
}  // namespace tessera
