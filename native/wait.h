// Waiting for other threads.
#pragma once
#include <sched.h>

namespace tessera {

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks at a condition this often before it lets others run: tens of microseconds.
constexpr int kSpins = 4000;

// Spins briefly, then lets others run between two looks.
template <class Done>
void waitUntil(Done&& done) {
  for (int spins = 0; !done(); spins++) {
    if (spins < kSpins) {
      pause();
    } else {
      sched_yield();
    }
  }
}

}  // namespace tessera
