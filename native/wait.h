// Waiting for other threads.
#pragma once
#if !defined(__wasm__)
#include <sched.h>
#endif

namespace tessera {

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks at a condition this often before it lets others run: tens of microseconds.
#if defined(__wasm__)
constexpr int kSpins = 40000;  // there is no instruction to pause
void letOthersRun();           // wasm_threads.cc
#else
constexpr int kSpins = 4000;
inline void letOthersRun() { sched_yield(); }
#endif

// Spins briefly, then lets others run between two looks.
template <class Done>
void waitUntil(Done&& done) {
  for (int spins = 0; !done(); spins++) {
    if (spins < kSpins) {
      pause();
    } else {
      letOthersRun();
    }
  }
}

}  // namespace tessera
