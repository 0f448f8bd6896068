// What this processor can run, asked before a build for a larger instruction set is loaded.
#include "node_api.h"
#include "tile_permission.h"

namespace {

const char* bestInstructionSet() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  if (bf16 && tessera::allowTiles()) return "amx";
  if (bf16) return "avx512bf16";
  if (avx512) return "avx512";
  if (avx2) return "avx2";
#endif
  return "portable";
}

// Intel's processors multiply pairs of bf16 in vectors at half the rate of fp32: there only tiles make them worth rounding.
bool pairsAreSlow() {
#if defined(__x86_64__)
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value slow;
  napi_get_boolean(env, pairsAreSlow(), &slow);
  napi_set_named_property(env, exports, "pairsAreSlow", slow);
  napi_value name;
  napi_create_string_utf8(env, bestInstructionSet(), NAPI_AUTO_LENGTH, &name);
  napi_set_named_property(env, exports, "instructionSet", name);
  return exports;
}
