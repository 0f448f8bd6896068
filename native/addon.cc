// The only file that knows JavaScript: exports the kernel table, calls a kernel with typed arrays and numbers, and
// allocates aligned memory. Built once per instruction set; TypeScript loads the best one that the processor runs.
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include "calls.h"
#include "kernels.h"
#include "node_api.h"

using namespace tessera;

namespace {

constexpr int kMaxBuffers = 32;
constexpr int kMaxNumbers = 64;

// The thread pool and its scratch memory belong to the process: JavaScript threads take turns.
std::mutex turn;

napi_value fail(napi_env env, const char* message) {
  napi_throw_error(env, nullptr, message);
  return nullptr;
}

// call(kernel index, [typed array | null, ...], Float64Array of numbers, how many of them)
napi_value call(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value argv[4];
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  int32_t index = -1;
  napi_get_value_int32(env, argv[0], &index);
  int kernels = 0;
  const Kernel* table = kernelTable(&kernels);
  if (index < 0 || index >= kernels) return fail(env, "native: no such kernel");

  uint32_t length = 0;
  napi_get_array_length(env, argv[1], &length);
  if (length > kMaxBuffers) return fail(env, "native: too many buffers in one call");
  void* buffers[kMaxBuffers];
  size_t bytes[kMaxBuffers];
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    napi_get_element(env, argv[1], i, &element);
    napi_typedarray_type type;
    size_t elements = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env, element, &type, &elements, &data, nullptr, nullptr) != napi_ok) {
      buffers[i] = nullptr;
      bytes[i] = 0;
      continue;
    }
    size_t size = 4;
    if (type == napi_int8_array || type == napi_uint8_array || type == napi_uint8_clamped_array) size = 1;
    if (type == napi_int16_array || type == napi_uint16_array) size = 2;
    if (type == napi_float64_array || type == napi_bigint64_array || type == napi_biguint64_array) size = 8;
    buffers[i] = data;
    bytes[i] = elements * size;
  }

  napi_typedarray_type type;
  size_t available = 0;
  void* numbers = nullptr;
  if (napi_get_typedarray_info(env, argv[2], &type, &available, &numbers, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    return fail(env, "native: numbers must be a Float64Array");
  }
  int32_t numberCount = 0;
  napi_get_value_int32(env, argv[3], &numberCount);
  if (numberCount < 0 || numberCount > kMaxNumbers || static_cast<size_t>(numberCount) > available) {
    return fail(env, "native: too many numbers in one call");
  }
  std::lock_guard<std::mutex> lock(turn);
  const char* problem = nullptr;
  try {
    problem = table[index].run(
        Args{buffers, bytes, static_cast<int>(length), static_cast<const double*>(numbers), numberCount});
  } catch (const std::bad_alloc&) {
    problem = "native: out of memory";
  }
  const char* refused = takeRefusal();
  if (problem == nullptr) problem = refused;
  return problem == nullptr ? nullptr : fail(env, problem);
}

napi_value kernelNames(napi_env env, napi_callback_info) {
  int count = 0;
  const Kernel* table = kernelTable(&count);
  napi_value names;
  napi_create_array_with_length(env, count, &names);
  for (int i = 0; i < count; i++) {
    napi_value name;
    napi_create_string_utf8(env, table[i].name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, i, name);
  }
  return names;
}

// signature(): of the declarations that this build was made from.
napi_value signature(napi_env env, napi_callback_info) {
  napi_value text;
  napi_create_string_utf8(env, kSignature, NAPI_AUTO_LENGTH, &text);
  return text;
}

// allocate(bytes): an ArrayBuffer of alignedMemory, not zeroed.
napi_value allocate(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  double requested = 0;
  napi_get_value_double(env, argv[0], &requested);
  void* data = alignedMemory(static_cast<size_t>(requested));
  if (data == nullptr) return fail(env, "native: out of memory");
  napi_value buffer;
  const napi_status status = napi_create_external_arraybuffer(
      env, data, static_cast<size_t>(requested), [](napi_env, void* memory, void*) { std::free(memory); }, nullptr,
      &buffer);
  if (status != napi_ok) {
    std::free(data);
    return fail(env, "native: could not make an ArrayBuffer");
  }
  return buffer;
}

// setThreads(count): how many there are then.
napi_value setThreads(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  int32_t threads = 1;
  napi_get_value_int32(env, argv[0], &threads);
  std::lock_guard<std::mutex> lock(turn);
  napi_value got;
  napi_create_int32(env, setThreadCount(threads), &got);
  return got;
}

napi_value countSpareThreads(napi_env env, napi_callback_info) {
  napi_value count;
  napi_create_int32(env, spareThreads(), &count);
  return count;
}

void exportFunction(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}

}  // namespace

NAPI_MODULE_INIT() {
  exportFunction(env, exports, "call", call);
  exportFunction(env, exports, "kernelNames", kernelNames);
  exportFunction(env, exports, "signature", signature);
  exportFunction(env, exports, "allocate", allocate);
  exportFunction(env, exports, "setThreads", setThreads);
  exportFunction(env, exports, "spareThreads", countSpareThreads);
  return exports;
}
