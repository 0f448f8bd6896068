// What every kernel is written against: a thread pool and scratch memory, and how a call arrives. Kernels know nothing of
// JavaScript. TypeScript has checked every shape before a kernel is called; kernels.cc checks that buffers are as long as
// the numbers say.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tessera {

// The arguments of one call as they arrive: buffers (null where an optional one is missing) and numbers, in the order of
// the kernel's declaration. kernels.cc makes the struct of calls.h of them, which the kernel takes.
struct Args {
  void* const* buffers;
  const size_t* bytes;
  int bufferCount;
  const double* numbers;
  int numberCount;

  const float* in(int i) const { return static_cast<const float*>(buffers[i]); }
  float* out(int i) const { return static_cast<float*>(buffers[i]); }
  template <class T>
  T* as(int i) const { return static_cast<T*>(buffers[i]); }
  bool has(int i) const { return i < bufferCount && buffers[i] != nullptr; }
  int64_t integer(int i) const { return static_cast<int64_t>(numbers[i]); }
  float number(int i) const { return static_cast<float>(numbers[i]); }
};

// Says why a kernel does not do what it is asked for: a number or an id that would leave an array, which only a mistake of
// TypeScript's can bring here. The call throws it in JavaScript; of several the first counts. Any thread of a call may.
void refuse(const char* problem);
// What has been refused since it was last asked for, or null.
const char* takeRefusal();

struct Kernel {
  const char* name;
  // Returns what is wrong with the arguments, or null.
  const char* (*run)(const Args&);
};

// kernels.cc: every kernel of this build.
const Kernel* kernelTable(int* count);

// threads.cc: runs body(worker, workers) on the threads of the pool, the caller's included, and waits for them. Threads
// that come too late to find the call going on are left out: what is to be done must be claimed, not dealt out. Nested
// calls run on the calling thread alone. Throws std::bad_alloc, after all have ended, if one of them found no memory.
int threadCount();
// Returns how many there are then: fewer where the system refuses threads, at least the caller's.
int setThreadCount(int count);
// How many more threads the system would give this process, up to those that others of it may need at once.
int spareThreads();
constexpr int kSpareThreads = 8;
void runOnThreads(void (*body)(void* context, int worker, int workers), void* context);

template <class Body>
void onThreads(Body&& body) {
  runOnThreads([](void* context, int worker, int workers) { (*static_cast<Body*>(context))(worker, workers); }, &body);
}

// Splits [0, count) into runs of `grain` that threads take one after another, so that uneven work stays balanced:
// body(begin, end, worker).
template <class Body>
void parallelFor(int64_t count, int64_t grain, Body&& body) {
  if (grain < 1) grain = 1;
  if (count <= grain || threadCount() == 1) {
    if (count > 0) body(int64_t{0}, count, 0);
    return;
  }
  int64_t next = 0;
  onThreads([&](int worker, int) {
    for (;;) {
      const int64_t begin = __atomic_fetch_add(&next, grain, __ATOMIC_RELAXED);
      if (begin >= count) return;
      body(begin, begin + grain < count ? begin + grain : count, worker);
    }
  });
}

// threads.cc: uninitialised memory to be freed with std::free, 64-byte aligned; where large, 2 MiB aligned and on huge
// pages. Null where there is none left.
void* alignedMemory(size_t bytes);

// Scratch memory of at least `bytes`, 64-byte aligned, kept between calls: one block per (worker, slot).
// Its content does not survive another call with the same worker and slot. Throws std::bad_alloc where there is no memory.
void* scratch(int worker, int slot, size_t bytes);
constexpr int kMaxThreads = 64;
constexpr int kScratchSlots = 8;

}  // namespace tessera
