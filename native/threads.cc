// The thread pool: made once, its workers spin briefly for the next call before they sleep, because a training step
// makes hundreds of short calls in a row. A worker that is not there when the others have done all the work is not waited
// for: on a busy machine that would be a whole slice of the scheduler's.
#include <sys/mman.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "kernels.h"
#include "wait.h"

namespace tessera {
namespace {

struct Pool {
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> threads;
  // Which call it is in the upper half; whether workers may still join it; how many have and are at it.
  std::atomic<uint64_t> state{0};
  std::atomic<bool> stop{false};
  // Whether a thread of the call found no memory.
  std::atomic<bool> exhausted{false};
  void (*body)(void*, int, int) = nullptr;
  void* context = nullptr;
  int workers = 1;
};

// Never destroyed: worker threads may outlive static destruction when the process exits in a hurry.
Pool& pool() {
  static Pool* instance = new Pool();
  return *instance;
}

thread_local bool insidePool = false;

// Of the call that goes on: calls take turns.
std::atomic<const char*> refusal{nullptr};

constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kJoined = kOpen - 1;

inline uint32_t callOf(uint64_t state) { return static_cast<uint32_t>(state >> 32); }

// True if the call could be joined before it closed.
bool join(Pool& p, uint32_t call) {
  uint64_t state = p.state.load(std::memory_order_acquire);
  while (callOf(state) == call && (state & kOpen) != 0) {
    if (p.state.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire)) return true;
  }
  return false;
}

// One thread's part of a call. What it throws would end the process where it left a worker, and leave the others working
// on what is gone where it left the caller.
void work(Pool& p, int worker) {
  try {
    p.body(p.context, worker, p.workers);
  } catch (const std::bad_alloc&) {
    p.exhausted.store(true, std::memory_order_relaxed);
  }
}

void workerLoop(int worker, uint32_t seen) {
  insidePool = true;
  Pool& p = pool();
  const auto called = [&] { return callOf(p.state.load(std::memory_order_acquire)) != seen; };
  for (;;) {
    for (int spins = 0; !called() && spins < kSpins; spins++) pause();
    if (!called()) {
      std::unique_lock<std::mutex> lock(p.mutex);
      p.wake.wait(lock, called);
    }
    seen = callOf(p.state.load(std::memory_order_acquire));
    if (p.stop.load(std::memory_order_acquire)) return;
    if (!join(p, seen)) continue;
    work(p, worker);
    p.state.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void launch(Pool& p) {
  {
    std::lock_guard<std::mutex> lock(p.mutex);
    const uint64_t call = callOf(p.state.load(std::memory_order_relaxed)) + uint32_t{1};
    p.state.store(call << 32 | kOpen, std::memory_order_release);
  }
  p.wake.notify_all();
}

// Lets nobody join the call any more, and waits for those who have.
void finish(Pool& p) {
  p.state.fetch_and(~kOpen, std::memory_order_acq_rel);
  waitUntil([&] { return (p.state.load(std::memory_order_acquire) & kJoined) == 0; });
}

struct Block {
  void* data = nullptr;
  size_t bytes = 0;
};
Block blocks[kMaxThreads][kScratchSlots];

void endThreads(Pool& p) {
  p.workers = 1;
  if (p.threads.empty()) return;
  p.stop.store(true);
  launch(p);
  for (auto& thread : p.threads) thread.join();
  finish(p);
  p.threads.clear();
  p.stop.store(false);
}

// Starts threads beside the caller's, as far as the system gives them. Returns how many there are with it.
int startThreads(Pool& p, int count) {
  const uint32_t seen = callOf(p.state.load());
  try {
    p.threads.reserve(static_cast<size_t>(count));
    for (int worker = 1; worker < count; worker++) p.threads.emplace_back(workerLoop, worker, seen);
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
  p.workers = static_cast<int>(p.threads.size()) + 1;
  return p.workers;
}

}  // namespace

void refuse(const char* problem) {
  const char* none = nullptr;
  refusal.compare_exchange_strong(none, problem, std::memory_order_relaxed);
}

const char* takeRefusal() { return refusal.exchange(nullptr, std::memory_order_relaxed); }

int threadCount() { return insidePool ? 1 : pool().workers; }

int setThreadCount(int count) {
  Pool& p = pool();
  if (count < 1) count = 1;
  if (count > kMaxThreads) count = kMaxThreads;
  if (count == p.workers) return count;
  endThreads(p);
  const int got = startThreads(p, count);
  if (got == count) return count;
  // The system gives no more: some are left to the others of this process, who decode pictures and end it where they get none.
  endThreads(p);
  return startThreads(p, got > kSpareThreads ? got - kSpareThreads : 1);
}

int spareThreads() {
  std::mutex held;
  std::vector<std::thread> threads;
  std::unique_lock<std::mutex> lock(held);
  try {
    threads.reserve(kSpareThreads);
    while (threads.size() < kSpareThreads) threads.emplace_back([&held] { std::lock_guard<std::mutex> wait(held); });
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
  lock.unlock();
  for (auto& thread : threads) thread.join();
  return static_cast<int>(threads.size());
}

void runOnThreads(void (*body)(void*, int, int), void* context) {
  Pool& p = pool();
  if (insidePool || p.workers == 1) {
    body(context, 0, 1);
    return;
  }
  p.body = body;
  p.context = context;
  launch(p);
  insidePool = true;
  work(p, 0);
  insidePool = false;
  finish(p);
  if (p.exhausted.exchange(false)) throw std::bad_alloc();
}

#if defined(__SANITIZE_ADDRESS__)
// Exactly what was asked for and never the same block, so that the sanitizer sees an access past the end, and one to
// memory of an earlier call.
void* scratch(int worker, int slot, size_t bytes) {
  Block& block = blocks[worker][slot];
  std::free(block.data);
  block.data = nullptr;
  if (posix_memalign(&block.data, 64, bytes) != 0) throw std::bad_alloc();
  return block.data;
}
#else
void* scratch(int worker, int slot, size_t bytes) {
  Block& block = blocks[worker][slot];
  if (block.bytes < bytes) {
    std::free(block.data);
    block = {};
    const size_t rounded = (bytes + bytes / 4 + 4095) & ~size_t{4095};
    block.data = alignedMemory(rounded);
    if (block.data == nullptr) throw std::bad_alloc();
    block.bytes = rounded;
  }
  return block.data;
}
#endif

void* alignedMemory(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const bool large = bytes >= kHugePage;
  const size_t alignment = large ? kHugePage : 64;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
  // A page that is only partly used would be wholly in memory.
  if (large && data != nullptr) madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace tessera
