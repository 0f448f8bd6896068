// threads.cc for WebAssembly: the same pool, whose threads are workers that JavaScript starts (wasm-threads.ts) over one
// shared memory. They come when they come: a call takes those that are there, as anywhere. Memory is malloc's behind a
// lock, because the C library of this target knows no threads; where there is none left JavaScript throws, since C++ is
// built without exceptions here.
#include <atomic>
#include <cstdlib>
#include <new>

#include "kernels.h"
#include "wait.h"
#include "wasm.h"

// JavaScript throws through the call: 1, no memory is left; 2, a thread of the call broke down.
extern "C" __attribute__((import_module("env"), import_name("raise"))) [[noreturn]] void raise(int reason);

namespace tessera {
namespace {

constexpr int kNoMemory = 1;
constexpr int64_t kNap = 50000;  // nanoseconds

struct Pool {
  // As in threads.cc: which call it is in the upper half; whether workers may still join it; how many are at it.
  std::atomic<uint64_t> state{0};
  // Counted up when the number of threads changes: workers of earlier ones end.
  std::atomic<uint32_t> generation{0};
  std::atomic<int> asleep{0};
  // How often a worker has joined a call, for tests.
  std::atomic<uint32_t> joined{0};
  // Why a thread of the call broke off, or 0.
  std::atomic<int> broken{0};
  void (*body)(void*, int, int) = nullptr;
  void* context = nullptr;
  int workers = 1;
  bool mayWait = false;
};
Pool pool;

thread_local bool insidePool = false;

std::atomic<const char*> refusal{nullptr};

constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kJoined = kOpen - 1;

inline uint32_t callOf(uint64_t state) { return static_cast<uint32_t>(state >> 32); }

// The half of the state that says which call it is, which a sleeping worker looks at.
int* callWord() { return reinterpret_cast<int*>(&pool.state) + 1; }

bool join(uint32_t call) {
  uint64_t state = pool.state.load();
  while (callOf(state) == call && (state & kOpen) != 0) {
    if (!pool.state.compare_exchange_weak(state, state + 1)) continue;
    pool.joined.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

void launch(uint64_t open) {
  const uint64_t call = callOf(pool.state.load()) + uint32_t{1};
  pool.state.store(call << 32 | open);
  if (pool.asleep.load() > 0) __builtin_wasm_memory_atomic_notify(callWord(), ~0u);
}

// Lets nobody join the call any more, and waits for those who have.
void finish() {
  pool.state.fetch_and(~kOpen);
  waitUntil([] { return (pool.state.load() & kJoined) == 0; });
}

void awaitCall(uint32_t seen) {
  const auto called = [&] { return callOf(pool.state.load(std::memory_order_acquire)) != seen; };
  for (int spins = 0; !called() && spins < kSpins; spins++) pause();
  while (!called()) {
    pool.asleep.fetch_add(1);
    __builtin_wasm_memory_atomic_wait32(callWord(), static_cast<int>(seen), -1);
    pool.asleep.fetch_sub(1);
  }
}

struct Block {
  void* data = nullptr;
  size_t bytes = 0;
};
Block blocks[kMaxThreads][kScratchSlots];

std::atomic<bool> allocating{false};

// Held for as long as it takes to find a block.
class Allocating {
 public:
  Allocating() {
    waitUntil([] { return !allocating.exchange(true, std::memory_order_acquire); });
  }
  ~Allocating() { allocating.store(false, std::memory_order_release); }
};

void* memoryOrNull(size_t bytes) {
  Allocating lock;
  return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
}

}  // namespace

void letOthersRun() {
  static int never = 0;
  if (pool.mayWait) __builtin_wasm_memory_atomic_wait32(&never, 0, kNap);
}

void refuse(const char* problem) {
  const char* none = nullptr;
  refusal.compare_exchange_strong(none, problem);
}

const char* takeRefusal() { return refusal.exchange(nullptr); }

int threadCount() { return insidePool ? 1 : pool.workers; }

int setThreadCount(int count) {
  count = count < 1 ? 1 : count > kMaxThreads ? kMaxThreads : count;
  if (count == pool.workers) return count;
  pool.workers = count;
  pool.generation.fetch_add(1);
  launch(0);  // whoever sleeps finds that its generation is over
  return count;
}

int spareThreads() { return kSpareThreads; }

void runOnThreads(void (*body)(void*, int, int), void* context) {
  if (insidePool || pool.workers == 1) {
    body(context, 0, 1);
    return;
  }
  pool.body = body;
  pool.context = context;
  launch(kOpen);
  insidePool = true;
  body(context, 0, pool.workers);
  insidePool = false;
  finish();
  const int broken = pool.broken.exchange(0);
  if (broken != 0) raise(broken);
}

void* alignedMemory(size_t bytes) { return memoryOrNull(bytes); }

void* scratch(int worker, int slot, size_t bytes) {
  Block& block = blocks[worker][slot];
  if (block.bytes < bytes) {
    releaseMemory(block.data);
    block = {};
    const size_t rounded = (bytes + bytes / 4 + 4095) & ~size_t{4095};
    block.data = memoryOrNull(rounded);
    if (block.data == nullptr) raise(kNoMemory);
    block.bytes = rounded;
  }
  return block.data;
}

void releaseMemory(void* data) {
  Allocating lock;
  std::free(data);
}

// Whether the calling thread may sleep: a page's own may not.
void allowWaiting(bool allowed) { pool.mayWait = allowed; }

uint32_t timesJoined() { return pool.joined.load(); }

uint32_t generation() { return pool.generation.load(); }

// A worker's life: takes part in calls until its generation is over.
void workerLoop(int worker, uint32_t generation) {
  insidePool = true;
  for (uint32_t seen = callOf(pool.state.load()); pool.generation.load() == generation;) {
    awaitCall(seen);
    seen = callOf(pool.state.load());
    if (pool.generation.load() != generation) return;
    if (!join(seen)) continue;
    pool.body(pool.context, worker, pool.workers);
    pool.state.fetch_sub(1);
  }
}

// After JavaScript has thrown through a worker's part of a call, which ends by that.
void breakOff(int reason) {
  pool.broken.store(reason);
  pool.state.fetch_sub(1);
}

// After it has thrown through the caller's: waits for the others, who work on what lies on its stack.
void abandon() {
  insidePool = false;
  finish();
  pool.broken.store(0);
  refusal.store(nullptr);
}

}  // namespace tessera

void* operator new(size_t bytes) {
  void* data = tessera::alignedMemory(bytes == 0 ? 1 : bytes);
  if (data == nullptr) raise(tessera::kNoMemory);
  return data;
}
void* operator new[](size_t bytes) { return operator new(bytes); }
void operator delete(void* data) noexcept { tessera::releaseMemory(data); }
void operator delete[](void* data) noexcept { tessera::releaseMemory(data); }
void operator delete(void* data, size_t) noexcept { tessera::releaseMemory(data); }
void operator delete[](void* data, size_t) noexcept { tessera::releaseMemory(data); }
