// One translation unit for all kernels, so that each instruction set is one compiler call.
#include "kernels.h"

#include "gemm.cc"
#include "gemm_linear.cc"

namespace tessera {

const Kernel* kernelTable(int* count) {
  static const Kernel table[] = {
      {"linear", linear},
      {"linearInputGradient", linearInputGradient},
      {"linearWeightGradient", linearWeightGradient},
  };
  *count = sizeof(table) / sizeof(table[0]);
  return table;
}

}  // namespace tessera
