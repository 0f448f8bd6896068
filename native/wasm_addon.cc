// addon.cc for WebAssembly: what wasm-addon.ts calls. A call's arguments are written into one place of the memory; texts
// end with a zero.
#include "calls.h"
#include "kernels.h"
#include "wasm.h"

using namespace tessera;

#define EXPORT(name) extern "C" __attribute__((export_name(#name), visibility("default")))

namespace {

constexpr int kMaxBuffers = 32;
constexpr int kMaxNumbers = 64;

struct {
  double numbers[kMaxNumbers];
  void* buffers[kMaxBuffers];
  size_t bytes[kMaxBuffers];
} arguments;

}  // namespace

EXPORT(argumentsAt) void* argumentsAt() { return &arguments; }

// Returns what is wrong with the call, or null.
EXPORT(call) const char* call(int kernel, int buffers, int numbers) {
  int kernels = 0;
  const Kernel* table = kernelTable(&kernels);
  if (kernel < 0 || kernel >= kernels) return "native: no such kernel";
  const Args args{arguments.buffers, arguments.bytes, buffers, arguments.numbers, numbers};
  const char* problem = table[kernel].run(args);
  const char* refused = takeRefusal();
  return problem == nullptr ? refused : problem;
}

EXPORT(kernelCount) int kernelCount() {
  int count = 0;
  kernelTable(&count);
  return count;
}

EXPORT(kernelName) const char* kernelName(int kernel) {
  int count = 0;
  return kernelTable(&count)[kernel].name;
}

// Of the declarations that this build was made from.
EXPORT(signature) const char* signature() { return kSignature; }

// Null where there is no memory left.
EXPORT(take) void* take(size_t bytes) { return alignedMemory(bytes); }
EXPORT(give) void give(void* data) { releaseMemory(data); }

EXPORT(setThreads) int setThreads(int count) { return setThreadCount(count); }
EXPORT(generationNow) uint32_t generationNow() { return generation(); }
EXPORT(helped) uint32_t helped() { return timesJoined(); }
EXPORT(mayWait) void mayWait(int allowed) { allowWaiting(allowed != 0); }
EXPORT(work) void work(int worker, uint32_t generation) { workerLoop(worker, generation); }
EXPORT(broke) void broke(int reason) { breakOff(reason); }
EXPORT(abandonCall) void abandonCall() { abandon(); }
