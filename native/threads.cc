// The thread pool: made once, its workers spin briefly for the next call before they sleep, because a training step
// makes hundreds of short calls in a row.
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels.h"

namespace tessera {
namespace {

struct Pool {
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> threads;
  std::atomic<uint64_t> generation{0};
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
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

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr int kSpins = 4000;

void workerLoop(int worker, uint64_t seen) {
  insidePool = true;
  Pool& p = pool();
  for (;;) {
    int spins = 0;
    while (p.generation.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        pause();
        continue;
      }
      std::unique_lock<std::mutex> lock(p.mutex);
      p.wake.wait(lock, [&] { return p.generation.load(std::memory_order_acquire) != seen; });
    }
    seen = p.generation.load(std::memory_order_acquire);
    if (p.stop.load(std::memory_order_acquire)) return;
    p.body(p.context, worker, p.workers);
    p.running.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void launch(Pool& p) {
  {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.generation.fetch_add(1, std::memory_order_acq_rel);
  }
  p.wake.notify_all();
}

struct Block {
  void* data = nullptr;
  size_t bytes = 0;
};
Block blocks[kMaxThreads][kScratchSlots];

}  // namespace

int threadCount() { return insidePool ? 1 : pool().workers; }

void setThreadCount(int count) {
  Pool& p = pool();
  if (count < 1) count = 1;
  if (count > kMaxThreads) count = kMaxThreads;
  if (count == p.workers) return;
  if (!p.threads.empty()) {
    p.stop.store(true);
    launch(p);
    for (auto& thread : p.threads) thread.join();
    p.threads.clear();
    p.stop.store(false);
  }
  p.workers = count;
  const uint64_t seen = p.generation.load();
  for (int worker = 1; worker < count; worker++) p.threads.emplace_back(workerLoop, worker, seen);
}

void runOnThreads(void (*body)(void*, int, int), void* context) {
  Pool& p = pool();
  if (insidePool || p.workers == 1) {
    body(context, 0, 1);
    return;
  }
  p.body = body;
  p.context = context;
  p.running.store(p.workers - 1, std::memory_order_release);
  launch(p);
  insidePool = true;
  body(context, 0, p.workers);
  insidePool = false;
  int spins = 0;
  while (p.running.load(std::memory_order_acquire) != 0) {
    if (++spins < kSpins) {
      pause();
    } else {
      sched_yield();
    }
  }
}

void* scratch(int worker, int slot, size_t bytes) {
  Block& block = blocks[worker][slot];
  if (block.bytes < bytes) {
    std::free(block.data);
    const size_t rounded = (bytes + bytes / 4 + 4095) & ~size_t{4095};
    block.data = std::aligned_alloc(64, rounded);
    block.bytes = rounded;
  }
  return block.data;
}

}  // namespace tessera
