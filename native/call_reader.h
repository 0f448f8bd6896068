// How kernels.cc fills a call's struct from its arguments. Sizes are compared as doubles, which do not wrap around, and
// every comparison is false for NaN.
#pragma once
#include <cstdio>

#include "kernels.h"

namespace tessera {
namespace calls {

inline bool readSize(const Args& args, int i, int64_t* out) {
  *out = static_cast<int64_t>(args.numbers[i]);
  return args.numbers[i] >= 0 && args.numbers[i] <= 9007199254740992.0;  // 2^53: exact
}

inline bool readSizes(const Args& args, int first, int count, int64_t* out) {
  for (int i = 0; i < count; i++) {
    if (!readSize(args, first + i, out + i)) return false;
  }
  return true;
}

template <class Choice>
bool readChoice(const Args& args, int i, int count, Choice* out) {
  if (!(args.numbers[i] >= 0 && args.numbers[i] < count)) return false;
  *out = static_cast<Choice>(static_cast<int>(args.numbers[i]));
  return true;
}

// Arrays without elements may have no address.
template <class T>
bool readBuffer(const Args& args, int i, double elements, T** out) {
  *out = static_cast<T*>(args.buffers[i]);
  return elements <= 0 || (args.buffers[i] != nullptr && args.bytes[i] >= elements * sizeof(T));
}

template <class T>
bool readOptional(const Args& args, int i, double elements, T** out) {
  *out = static_cast<T*>(args.buffers[i]);
  return args.buffers[i] == nullptr || args.bytes[i] >= elements * sizeof(T);
}

// What to say of a buffer that readBuffer does not take; the text is the thread's, until its next one.
template <class T>
const char* tooShort(const Args& args, int i, double elements, const T*, const char* kernel, const char* name,
                     const char* formula) {
  static thread_local char text[256];
  const size_t bytes = args.buffers[i] == nullptr ? 0 : args.bytes[i];
  std::snprintf(text, sizeof text, "%s: expected %s of %s elements, %.0f, got %.0f", kernel, name, formula, elements,
                static_cast<double>(bytes / sizeof(T)));
  return text;
}

// The kernel checks the length itself.
template <class T>
void readAny(const Args& args, int i, T** out, int64_t* length) {
  *out = static_cast<T*>(args.buffers[i]);
  *length = static_cast<int64_t>(args.bytes[i] / sizeof(T));
}

}  // namespace calls
}  // namespace tessera
