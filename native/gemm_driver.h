// The micro-kernel, blocking and the split over threads, as templates over where the operands come from (a matrix, the
// patches of an image) and where C goes.
#pragma once
#include <algorithm>
#include <utility>

#include "gemm.h"
#include "tiles.h"

namespace tessera {

constexpr int kColumnVectors = kColumns / kLanes;
template <class Op>
struct PanelOf {
  static constexpr int kRows = Op::kTiles ? 32 : tessera::kRows;  // of A
};
constexpr int kScratchA = 6;
constexpr int kScratchB = 7;
constexpr int kScratchSums = 5;  // sums of gradients over rows, for biases

template <class Op>
inline Vector multiplyAdd(Vector a, Vector b, Vector c) {
#if defined(__AVX512BF16__)
  if constexpr (Op::kPerUnit == 2) return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
#endif
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

#define TESSERA_INLINE __attribute__((always_inline)) inline

// R rows of V vectors of sums, which stay in registers while units of k are added.
template <class Op, int R, int V>
struct RegisterTile {
  Vector sum[R][V];

  TESSERA_INLINE void begin() {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 8
      for (int j = 0; j < V; j++) sum[i][j] = Vector{};
    }
  }
  TESSERA_INLINE void begin(const float* c, int64_t ldc) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 8
      for (int j = 0; j < V; j++) sum[i][j] = load(c + i * ldc + j * kLanes);
    }
  }
  // One unit of k: left(i) is row i's, right(j) column vector j's.
  template <class Left, class Right>
  TESSERA_INLINE void add(const Left& left, const Right& right) {
    Vector columns[V];
#pragma GCC unroll 8
    for (int j = 0; j < V; j++) columns[j] = load(right(j));
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const Vector row = splat(left(i));
#pragma GCC unroll 8
      for (int j = 0; j < V; j++) sum[i][j] = multiplyAdd<Op>(row, columns[j], sum[i][j]);
    }
  }
  TESSERA_INLINE void end(float* c, int64_t ldc) const {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 8
      for (int j = 0; j < V; j++) store(c + i * ldc + j * kLanes, sum[i][j]);
    }
  }
};

// c[R, kColumns] = or += a panel of A times a panel of B.
template <class Op, int R, bool accumulate>
void microKernel(int64_t units, const float* __restrict a, const float* __restrict b, float* __restrict c,
                 int64_t ldc) {
  RegisterTile<Op, R, kColumnVectors> tile;
  accumulate ? tile.begin(c, ldc) : tile.begin();
  for (int64_t u = 0; u < units; u++, a += kRows, b += kColumns) {
    tile.add([&](int i) { return a[i]; }, [&](int j) { return b + j * kLanes; });
  }
  tile.end(c, ldc);
}

using MicroKernel = void (*)(int64_t, const float*, const float*, float*, int64_t);

template <class Op, bool accumulate, int... R>
inline const MicroKernel* microKernels(std::integer_sequence<int, R...>) {
  static const MicroKernel table[] = {microKernel<Op, R + 1, accumulate>...};
  return table;
}

// The kernel for `rows` <= kRows rows.
template <class Op, bool accumulate>
inline MicroKernel microKernelFor(int rows) {
  return microKernels<Op, accumulate>(std::make_integer_sequence<int, kRows>{})[rows - 1];
}

// Writes a register tile to c: row i starts at out.c + offsets[i] + column. `accumulate` adds what is there; the last
// block of k goes through the epilogue.
inline void finishTile(float* tile, int rows, int columns, int64_t column, const Output& out, const int64_t* offsets,
                       bool accumulate, bool last) {
  const Epilogue& e = out.epilogue;
  const auto eachVector = [&](auto&& body) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j += kLanes) {
        body(tile + i * kColumns + j, offsets[i] + column + j, column + j, std::min(columns - j, kLanes));
      }
    }
  };
  if (last && e.activation != Activation::none) {
    eachVector([&](float* v, int64_t at, int64_t bias, int n) {
      Vector x = load(v);
      if (accumulate) x += loadPartial(out.c + at, n);
      if (e.bias != nullptr) x += loadPartial(e.bias + bias, n);
      if (e.pre != nullptr) storeForLater(e.pre + at, x, n);
      store(v, x);
    });
    activateRun(e.activation, tile, rows * kColumns);
    eachVector([&](float* v, int64_t at, int64_t, int n) {
      storePartial(out.c + at, e.residual == nullptr ? load(v) : load(v) + loadPartial(e.residual + at, n), n);
    });
    return;
  }
  eachVector([&](float* v, int64_t at, int64_t bias, int n) {
    Vector x = load(v);
    if (accumulate) x += loadPartial(out.c + at, n);
    if (last && e.bias != nullptr) x += loadPartial(e.bias + bias, n);
    if (last && e.pre != nullptr) storeForLater(e.pre + at, x, n);
    if (last && e.residual != nullptr) x += loadPartial(e.residual + at, n);
    storePartial(out.c + at, x, n);
  });
}

// c[rows, columns], at most a panel each, = or += a panel of A times a panel of B. On tiles whole groups of 16 rows and
// columns of c are written.
template <class Op, bool accumulate>
inline void multiplyPanels(int64_t units, const float* a, const float* b, int rows, int columns, float* c, int64_t ldc) {
  if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
    multiplySomeTiles(rows > kTileRows ? 2 : 1, columns > kLanes ? 2 : 1, units,
                      {a, kTileUnits, kTileStep, kTileFloats}, {b, kColumns}, c, ldc, accumulate);
#endif
  } else {
    (void)columns;
    microKernelFor<Op, accumulate>(rows)(units, a, b, c, ldc);
  }
}

// A block of packed rows times a block of packed columns. `offsets[i]` is where row i of the block starts in c; rows
// within a register tile are ldc apart if `regular`.
template <class Op>
void multiplyBlock(const float* a, const float* b, int64_t rows, int64_t columns, int64_t k, const Output& out,
                   const int64_t* offsets, bool regular, int64_t column0, bool first, bool last) {
  constexpr int kHeight = PanelOf<Op>::kRows;
  const int64_t units = unitsOf<Op>(k);
  const bool accumulate = !first || out.epilogue.accumulate;
  const bool direct = regular && (!last || out.epilogue.plain());
  alignas(64) float tile[kHeight * kColumns];
  for (int64_t j = 0; j < columns; j += kColumns, b += units * kColumns) {
    const int n = static_cast<int>(std::min<int64_t>(kColumns, columns - j));
    const float* panel = a;
    for (int64_t i = 0; i < rows; i += kHeight, panel += units * kHeight) {
      const int m = static_cast<int>(std::min<int64_t>(kHeight, rows - i));
      if (direct && n == kColumns && (!Op::kTiles || m % 16 == 0)) {
        float* c = out.c + offsets[i] + column0 + j;
        accumulate ? multiplyPanels<Op, true>(units, panel, b, m, n, c, out.ldc)
                   : multiplyPanels<Op, false>(units, panel, b, m, n, c, out.ldc);
      } else {
        multiplyPanels<Op, false>(units, panel, b, m, n, tile, kColumns);
        finishTile(tile, m, n, column0 + j, out, offsets + i, accumulate, last);
      }
    }
  }
}

// What a thread holds while it multiplies.
struct NoScope {};
template <class Op>
using Scope = std::conditional_t<Op::kTiles, TileScope, NoScope>;

// How a product is cut. K is cut into blocks whose panels stay in the first-level cache; a stage packs several blocks.
struct Cuts {
  int64_t kBlock;       // of k, a multiple of 2
  int64_t kStage;       // blocks of k packed at once
  int64_t nStage;       // columns packed at once
  int64_t tileRows;     // rows of C that one task computes
  int64_t tileColumns;  // columns of C that one task computes at a time
  bool sharedA;         // A is packed once for all threads, not by each task for itself
};

// Depends on K alone, so that sums are the same for every number of threads.
template <class Op>
int64_t kBlockOf(int64_t k) {
  constexpr int64_t most = 256 * Op::kPerUnit;
  constexpr int64_t step = std::max(2, Op::kUnitStep * Op::kPerUnit);
  return std::max<int64_t>(step, roundUp(divideUp(k, std::max<int64_t>(1, divideUp(k, most))), step));
}

template <class Op>
Cuts cutProduct(int64_t m, int64_t n, int64_t k, int threads) {
  constexpr int kHeight = PanelOf<Op>::kRows;
  constexpr int64_t kMostRows = roundUp(112, kHeight);
  constexpr int64_t kTileColumns = 512 / kColumns * kColumns;
  constexpr int64_t kBytesOfB = int64_t{12} << 20;
  Cuts cuts;
  cuts.kBlock = kBlockOf<Op>(k);
  cuts.kStage = std::max<int64_t>(1, std::min(divideUp(k, cuts.kBlock), 1024 * Op::kPerUnit / cuts.kBlock));
  const int64_t columnBytes = cuts.kStage * cuts.kBlock * 4 / Op::kPerUnit;
  cuts.nStage = std::min(roundUp(n, kColumns), std::max<int64_t>(kColumns, kBytesOfB / columnBytes / kColumns * kColumns));
  cuts.tileRows = std::min(roundUp(m, kHeight), kMostRows);
  cuts.tileColumns = std::min(cuts.nStage, kTileColumns);
  cuts.sharedA = threads > 1 && divideUp(m, cuts.tileRows) < 6 * threads;
  const auto tasks = [&] { return divideUp(m, cuts.tileRows) * divideUp(cuts.nStage, cuts.tileColumns); };
  while (cuts.sharedA && tasks() < 4 * threads && (cuts.tileRows > kHeight || cuts.tileColumns > kColumns)) {
    if (cuts.tileColumns > 2 * cuts.tileRows || cuts.tileRows == kHeight) {
      cuts.tileColumns = roundUp(cuts.tileColumns / 2, kColumns);
    } else {
      cuts.tileRows = roundUp(cuts.tileRows / 2, kHeight);
    }
  }
  return cuts;
}

struct RowsOfMatrix {
  int64_t ldc;
  static constexpr bool kRegular = true;
  int64_t operator()(int64_t row) const { return row * ldc; }
};

// Runs tasks on the pool, or on worker `worker` alone if that is not negative.
template <class Body>
void runTasks(int64_t count, int worker, Body&& body) {
  if (worker >= 0) {
    for (int64_t i = 0; i < count; i++) body(i, worker);
  } else {
    parallelFor(count, 1, [&](int64_t begin, int64_t end, int w) {
      for (int64_t i = begin; i < end; i++) body(i, w);
    });
  }
}

// A right operand that is packed already, as packWhole below leaves it.
struct PackedRight {
  const float* panels;
  int64_t columns;  // with padding
};

// C = A B. A::pack and B::pack(first, count, k0, k, block, out) write the panels of rows (columns) first.. for a range of
// k, which is block number `block`, unless B is packed already; rowOffset(row) is where a row of C starts.
template <class Op, class A, class B, class RowOffset>
void product(const A& a, const B& b, int64_t m, int64_t n, int64_t k, const Output& out, const RowOffset& rowOffset,
             int worker) {
  constexpr bool packed = std::is_same_v<B, PackedRight>;
  constexpr int kHeight = PanelOf<Op>::kRows;
  if (m <= 0 || n <= 0) return;
  if (worker < 0 && m * n * k < (int64_t{1} << 17)) worker = 0;  // not worth waking a thread
  Cuts cuts = cutProduct<Op>(m, n, k, worker >= 0 ? 1 : threadCount());
  if constexpr (packed) cuts.nStage = roundUp(n, kColumns);
  const int64_t kBlocks = std::max<int64_t>(1, divideUp(k, cuts.kBlock));
  const int64_t stageUnits = unitsOf<Op>(cuts.kBlock) * cuts.kStage;
  const int64_t rows = roundUp(m, kHeight);
  const int home = worker >= 0 ? worker : 0;
  float* packedB =
      packed ? nullptr : static_cast<float*>(scratch(home, kScratchB, sizeof(float) * stageUnits * cuts.nStage));
  float* packedA = cuts.sharedA ? static_cast<float*>(scratch(home, kScratchA, sizeof(float) * stageUnits * rows)) : nullptr;

  for (int64_t n0 = 0; n0 < n; n0 += cuts.nStage) {
    const int64_t columns = std::min(cuts.nStage, n - n0);
    const int64_t columnsPadded = roundUp(columns, kColumns);
    for (int64_t block0 = 0; block0 < kBlocks; block0 += cuts.kStage) {
      const int64_t blocks = std::min(cuts.kStage, kBlocks - block0);
      const auto start = [&](int64_t block) { return (block0 + block) * cuts.kBlock; };
      const auto size = [&](int64_t block) { return std::min(cuts.kBlock, k - start(block)); };
      // Packed blocks of k follow one another; all but the last have the full size.
      const int64_t blockUnits = unitsOf<Op>(cuts.kBlock);

      constexpr int64_t kPackColumns = 8 * kColumns;
      constexpr int64_t kPackRows = 8 * kHeight;
      const int64_t packB = packed ? 0 : divideUp(columns, kPackColumns);
      const int64_t packA = cuts.sharedA ? divideUp(m, kPackRows) : 0;
      runTasks((packB + packA) * blocks, worker, [&](int64_t task, int) {
        const int64_t block = task / (packB + packA);
        const int64_t part = task % (packB + packA);
        const int64_t units = unitsOf<Op>(size(block));
        if (part >= packB) {
          const int64_t first = (part - packB) * kPackRows;
          a.template pack<Op>(first, std::min(kPackRows, m - first), start(block), size(block), block0 + block,
                              packedA + block * blockUnits * rows + first * units);
        } else if constexpr (!packed) {
          const int64_t first = part * kPackColumns;
          b.template pack<Op>(n0 + first, std::min(kPackColumns, columns - first), start(block), size(block),
                              block0 + block, packedB + block * blockUnits * columnsPadded + first * units);
        }
      });

      const int64_t tilesDown = divideUp(m, cuts.tileRows);
      const int64_t tilesAcross = cuts.sharedA ? divideUp(columns, cuts.tileColumns) : 1;
      runTasks(tilesDown * tilesAcross, worker, [&](int64_t task, int w) {
        [[maybe_unused]] const Scope<Op> tiles;
        const int64_t row0 = task / tilesAcross * cuts.tileRows;
        const int64_t tileRows = std::min(cuts.tileRows, m - row0);
        const int64_t from = cuts.sharedA ? task % tilesAcross * cuts.tileColumns : 0;
        const int64_t to = cuts.sharedA ? std::min(from + cuts.tileColumns, columns) : columns;
        const int64_t ownRows = roundUp(tileRows, kHeight);
        const float* left = packedA;
        if (!cuts.sharedA) {
          float* own = static_cast<float*>(scratch(w, kScratchA, sizeof(float) * stageUnits * cuts.tileRows));
          for (int64_t block = 0; block < blocks; block++) {
            a.template pack<Op>(row0, tileRows, start(block), size(block), block0 + block,
                                own + block * blockUnits * ownRows);
          }
          left = own;
        }
        int64_t offsets[256];
        for (int64_t i = 0; i < tileRows; i++) offsets[i] = rowOffset(row0 + i);
        for (int64_t j = from; j < to; j += cuts.tileColumns) {
          for (int64_t block = 0; block < blocks; block++) {
            const int64_t units = unitsOf<Op>(size(block));
            const float* panelsA = cuts.sharedA ? left + block * blockUnits * rows + row0 * units
                                                : left + block * blockUnits * ownRows;
            const float* panelsB;
            if constexpr (packed) {
              panelsB = b.panels + (block0 + block) * blockUnits * b.columns + j * units;
            } else {
              panelsB = packedB + block * blockUnits * columnsPadded + j * units;
            }
            multiplyBlock<Op>(panelsA, panelsB, tileRows, std::min(cuts.tileColumns, to - j), size(block), out, offsets,
                              RowOffset::kRegular, n0 + j, block0 + block == 0, block0 + block + 1 == kBlocks);
          }
        }
      });
    }
  }
}

// A matrix as either operand of `product`.
struct LeftMatrix {
  Matrix matrix;
  template <class Op>
  void pack(int64_t first, int64_t count, int64_t k0, int64_t k, int64_t block, float* out) const {
    if constexpr (Op::kTiles) {
#if defined(__AMX_TILE__)
      packTiles(matrix, first, count, k0, k, block, out);
#endif
    } else {
      packMatrix<Op, kRows>(matrix, first, count, k0, k, block, out);
    }
  }
};
struct RightMatrix {
  Matrix matrix;
  template <class Op>
  void pack(int64_t first, int64_t count, int64_t k0, int64_t k, int64_t block, float* out) const {
    packMatrix<Op, kColumns>(matrix, first, count, k0, k, block, out);
  }
};

// Floats that packWhole writes.
template <class Op>
int64_t packedWholeSize(int64_t columns, int64_t k) {
  const int64_t kBlock = kBlockOf<Op>(k);
  const int64_t last = std::max<int64_t>(0, divideUp(k, kBlock) - 1) * kBlock;
  return roundUp(columns, kColumns) * (unitsOf<Op>(last) + unitsOf<Op>(k - last));
}

// Packs the right operand of several products once, on all threads: blocks of k follow one another, each with all of its
// columns.
template <class Op>
PackedRight packWhole(const Matrix& matrix, int64_t columns, int64_t k, float* out) {
  const int64_t kBlock = kBlockOf<Op>(k);
  const int64_t padded = roundUp(columns, kColumns);
  constexpr int64_t kPackColumns = 8 * kColumns;
  const int64_t parts = divideUp(columns, kPackColumns);
  parallelFor(parts * divideUp(k, kBlock), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t block = task / parts;
      const int64_t first = task % parts * kPackColumns;
      const int64_t size = std::min(kBlock, k - block * kBlock);
      packMatrix<Op, kColumns>(matrix, first, std::min(kPackColumns, columns - first), block * kBlock, size, block,
                               out + block * unitsOf<Op>(kBlock) * padded + first * unitsOf<Op>(size));
    }
  });
  return {out, padded};
}

// The bias gradient, a by-product of the weight gradient: while dy [m, n] is packed, each block of k leaves its sums in
// scratch memory; they are added here in order.
struct BiasGradient {
  float* db;
  float* sums;
  int64_t blocks;
  int64_t n;

  void finish() const {
    if (db == nullptr) return;
    std::copy(sums, sums + n, db);
    for (int64_t block = 1; block < blocks; block++) {
      for (int64_t j = 0; j < n; j++) db[j] += sums[block * n + j];
    }
  }
};

template <class Op>
BiasGradient biasGradient(float* db, int64_t m, int64_t n) {
  const int64_t blocks = std::max<int64_t>(1, divideUp(m, kBlockOf<Op>(m)));
  float* sums = db == nullptr ? nullptr : static_cast<float*>(scratch(0, kScratchSums, sizeof(float) * blocks * n));
  if (sums != nullptr && m == 0) std::fill_n(sums, n, 0.0f);  // nothing will be packed
  return {db, sums, blocks, n};
}

// Calls body(Fp32{}) or body(Bf16{}), for products of vectors and of few rows; builds without bf16 instructions know fp32
// only.
template <class Body>
auto withPrecision(Precision precision, Body&& body) {
#if defined(__AVX512BF16__)
  if (precision == Precision::bf16) return body(Bf16{});
#else
  (void)precision;
#endif
  return body(Fp32{});
}

// The same for products of matrices: on tiles where the build has them.
template <class Body>
auto withProducts(Precision precision, Body&& body) {
#if defined(__AMX_TILE__) && defined(__AMX_BF16__)
  if (precision == Precision::bf16) return body(Amx{});
#endif
  return withPrecision(precision, body);
}

}  // namespace tessera
