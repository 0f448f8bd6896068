// What wasm_threads.cc has beside what every build has, for wasm_addon.cc.
#pragma once
#include <cstdint>

namespace tessera {

void releaseMemory(void* data);
void allowWaiting(bool allowed);
uint32_t timesJoined();
uint32_t generation();
void workerLoop(int worker, uint32_t generation);
void breakOff(int reason);
void abandon();

}  // namespace tessera
