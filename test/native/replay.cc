// Makes recorded calls of native kernels again (record.ts says how they were made), without Node: under sanitizers, for
// every instruction set, on other processors. Every buffer has exactly its size; calls run on 1, 2 and 3 threads.
//
//   replay [--complete] [--most N] FOLDER...
//
// Prints a line for each kernel: calls, and the largest difference from the record relative to the largest number. Exit
// code 1 if a difference is too large, something was written where the record has nothing, a record has a
// kernel that this build lacks, or, with --complete, a kernel has no record. --most takes N files of each kernel alone.
#include "kernels.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESSERA_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__SANITIZE_THREAD__)
// Threads claim work by relaxed additions (kernels.h, decode.cc), and a short call is over before a second thread is
// there: after each claim the others get a turn, so that there are races to be seen. Linked with --wrap.
extern "C" int64_t __real___tsan_atomic64_fetch_add(volatile int64_t* at, int64_t more, int order);
extern "C" int64_t __wrap___tsan_atomic64_fetch_add(volatile int64_t* at, int64_t more, int order) {
  const int64_t value = __real___tsan_atomic64_fetch_add(at, more, order);
  if (order == __ATOMIC_RELAXED) usleep(20);
  return value;
}
#endif

namespace {

using namespace tessera;

// Sums in another order differ by this much of the largest number of their buffer. Where operands are rounded to bf16,
// of the largest number of the call: a gradient may be what rounding left of a difference of equal numbers. Builds that
// have bf16 round the same numbers, but for intermediate ones that lie between two; the others do not round at all.
constexpr double kFp32 = 1e-5;
#if defined(__AVX512BF16__)
constexpr double kBf16 = 2e-2;
#else
constexpr double kBf16 = 1e-1;
#endif

constexpr int kMostThreads = 3;
constexpr int kMostMessages = 10;

enum class Kind : uint32_t { none = 0, float32 = 1, float64 = 2, exact = 3, layout = 4, packed = 5 };
enum Before : uint32_t { unwritten = 0, given = 1, same = 2 };  // same + i: the memory of buffer i of the chain

struct Header {
  uint32_t kind, before, after, which;
  uint64_t bytes;
};

using Bytes = std::vector<uint8_t>;

struct Buffer {
  Kind kind = Kind::none;
  int64_t sameAs = -1;
  size_t which = 0, bytes = 0;
  std::shared_ptr<const Bytes> before, after;  // null if nobody can know, or where it is absent

  // Packed memory is as large as this build wants it: it is compared with nothing.
  bool compared() const { return after != nullptr; }
};

struct Call {
  std::string file, kernel;
  bool bf16 = false;
  std::vector<double> numbers;
  std::vector<Buffer> buffers;
};

using Chain = std::vector<Call>;

// ---- Reading (format.ts) ----

class Reader {
 public:
  explicit Reader(const std::vector<char>& bytes) : bytes_(bytes) {}
  void read(void* to, size_t size) {
    if (size > bytes_.size() - at_) throw std::runtime_error("ends early");
    if (size > 0) std::memcpy(to, bytes_.data() + at_, size);
    at_ += size;
  }
  std::shared_ptr<const Bytes> content(size_t size) {
    Bytes content(size);
    read(content.data(), size);
    return std::make_shared<const Bytes>(std::move(content));
  }
  bool atEnd() const { return at_ == bytes_.size(); }

 private:
  const std::vector<char>& bytes_;
  size_t at_ = 0;
};

// `held` is what each buffer of the chain holds after its last call.
Call readCall(Reader& reader, std::vector<std::shared_ptr<const Bytes>>& held) {
  uint32_t head[4];
  reader.read(head, sizeof head);
  Call call;
  call.bf16 = head[0] != 0;
  call.kernel.resize(head[1]);
  reader.read(call.kernel.data(), head[1]);
  call.numbers.resize(head[2]);
  reader.read(call.numbers.data(), head[2] * sizeof(double));
  std::vector<Header> headers(head[3]);
  reader.read(headers.data(), head[3] * sizeof(Header));
  for (const Header& header : headers) {
    Buffer buffer;
    buffer.kind = static_cast<Kind>(header.kind);
    buffer.which = header.which;
    buffer.bytes = header.bytes;
    if (header.before >= same) buffer.sameAs = header.before - same;
    if (buffer.kind != Kind::none && buffer.kind != Kind::packed) {
      buffer.before = header.before >= same    ? held.at(buffer.sameAs)
                      : header.before == given ? reader.content(header.bytes)
                                               : std::make_shared<const Bytes>(header.bytes, 0xff);
      if (buffer.kind != Kind::layout) buffer.after = header.after != 0 ? reader.content(header.bytes) : buffer.before;
    }
    held.push_back(buffer.after);
    if (buffer.sameAs >= 0) held[buffer.sameAs] = buffer.after;
    call.buffers.push_back(std::move(buffer));
  }
  return call;
}

Chain readChain(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  Reader reader(bytes);
  char magic[8];
  reader.read(magic, sizeof magic);
  if (std::memcmp(magic, "TESSERA1", sizeof magic) != 0) throw std::runtime_error("not a record");
  std::vector<std::shared_ptr<const Bytes>> held;
  Chain chain;
  while (!reader.atEnd()) {
    chain.push_back(readCall(reader, held));
    chain.back().file = path;
  }
  return chain;
}

// ---- Memory ----

// Memory of exactly so many bytes; copies are the same memory. Under a sanitizer it comes from the heap and is aligned
// as the addon aligns it; else it ends where a page begins that nobody may touch, and is aligned like its size.
class Memory {
 public:
  Memory() = default;  // none: a null pointer
  explicit Memory(const Bytes& content) : bytes_(content.size()) {
#if defined(TESSERA_SANITIZED)
    void* block = nullptr;
    if (posix_memalign(&block, 64, bytes_) != 0) throw std::bad_alloc();
    data_ = std::shared_ptr<void>(block, std::free);
#else
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t used = (bytes_ + page - 1) / page * page;
    void* mapping = mmap(nullptr, used + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    mprotect(static_cast<char*>(mapping) + used, page, PROT_NONE);
    const std::shared_ptr<void> owner(mapping, [used, page](void* start) { munmap(start, used + page); });
    data_ = std::shared_ptr<void>(owner, static_cast<char*>(mapping) + used - bytes_);
#endif
    if (bytes_ > 0) std::memcpy(data(), content.data(), bytes_);
  }
  void* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<void> data_;
  size_t bytes_ = 0;
};

// ---- Comparing ----

template <class Float>
double largestOf(const Bytes& bytes) {
  double largest = 0;
  for (size_t at = 0; at < bytes.size(); at += sizeof(Float)) {
    Float x;
    std::memcpy(&x, bytes.data() + at, sizeof x);
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(static_cast<double>(x)));
  }
  return largest;
}

// The largest number of a buffer of floats after the call; 0 of others.
double largestOf(const Buffer& buffer) {
  if (buffer.kind == Kind::float32) return largestOf<float>(*buffer.after);
  return buffer.kind == Kind::float64 ? largestOf<double>(*buffer.after) : 0;
}

// The distance of two numbers relative to `scale`; infinite where one is special and the other is not the same.
template <class Float>
double distance(const uint8_t* actual, const uint8_t* expected, double scale) {
  if (std::memcmp(actual, expected, sizeof(Float)) == 0) return 0;
  Float a, b;
  std::memcpy(&a, actual, sizeof a);
  std::memcpy(&b, expected, sizeof b);
  const bool unwritten = std::all_of(expected, expected + sizeof(Float), [](uint8_t byte) { return byte == 0xff; });
  if (std::isnan(a) && std::isnan(b) && !unwritten) return 0;
  const double apart = std::fabs(static_cast<double>(a) - static_cast<double>(b));
  return std::isfinite(apart) ? (apart == 0 ? 0 : apart / scale) : INFINITY;
}

struct Difference {
  double largest = 0;
  size_t element = 0;
};

template <class Float>
Difference compareFloats(const uint8_t* actual, const Bytes& expected, double scale) {
  Difference worst;
  for (size_t at = 0; at < expected.size(); at += sizeof(Float)) {
    const double apart = distance<Float>(actual + at, expected.data() + at, scale);
    if (apart > worst.largest) worst = {apart, at / sizeof(Float)};
  }
  return worst;
}

Difference compare(const uint8_t* actual, const Buffer& buffer, double scale) {
  const Bytes& expected = *buffer.after;
  if (buffer.kind == Kind::float32) return compareFloats<float>(actual, expected, scale);
  if (buffer.kind == Kind::float64) return compareFloats<double>(actual, expected, scale);
  const auto [theirs, mine] = std::mismatch(expected.begin(), expected.end(), actual);
  if (theirs == expected.end()) return {};
  return {INFINITY, static_cast<size_t>(theirs - expected.begin())};
}

// ---- Replaying ----

// What to name if the process dies.
const char* currentFile = "nothing";
int currentThreads = 0;

void nameCurrent() {
  char line[512];
  const int n = std::snprintf(line, sizeof line, "replay: died in %s on %d threads\n", currentFile, currentThreads);
  if (write(STDERR_FILENO, line, static_cast<size_t>(n)) < 0) _exit(2);
}

void watchForDeath() {
#if defined(TESSERA_SANITIZED)
  __sanitizer_set_death_callback(nameCurrent);
#else
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    signal(number, [](int received) {
      nameCurrent();
      signal(received, SIG_DFL);
      raise(received);
    });
  }
#endif
}

struct Tally {
  int calls = 0;
  double largest = 0;
};

class Replay {
 public:
  Replay() {
    int count = 0;
    const Kernel* table = kernelTable(&count);
    for (int i = 0; i < count; i++) kernels_[table[i].name] = table[i].run;
  }

  void run(const Chain& chain, int threads) {
    std::vector<Memory> memory;  // of the chain's buffers in order
    std::vector<double> layout;
    for (const Call& call : chain) {
      currentFile = call.file.c_str();
      currentThreads = threads;
      const auto kernel = kernels_.find(call.kernel);
      if (kernel == kernels_.end()) return fail(call, "this build has no kernel " + call.kernel);
      std::vector<void*> buffers;
      std::vector<size_t> bytes;
      for (const Buffer& buffer : call.buffers) {
        if (buffer.sameAs >= 0) {
          memory.push_back(Memory(memory.at(buffer.sameAs)));
        } else if (buffer.kind == Kind::none) {
          memory.emplace_back();
        } else if (buffer.kind == Kind::packed) {
          memory.emplace_back(Bytes(static_cast<size_t>(layout.at(buffer.which)) * buffer.bytes * sizeof(float), 0xff));
        } else {
          memory.emplace_back(*buffer.before);
        }
        buffers.push_back(memory.back().data());
        bytes.push_back(memory.back().bytes());
      }
      const char* problem = kernel->second(Args{buffers.data(), bytes.data(), static_cast<int>(buffers.size()),
                                                call.numbers.data(), static_cast<int>(call.numbers.size())});
      if (problem != nullptr) return fail(call, problem);
      for (size_t i = 0; i < buffers.size(); i++) {
        if (call.buffers[i].kind != Kind::layout) continue;
        const double* sizes = static_cast<const double*>(buffers[i]);
        layout.assign(sizes, sizes + bytes[i] / sizeof(double));
      }
      judge(call, buffers, threads);
    }
  }

  void demandAll() {
    for (const auto& [name, kernel] : kernels_) {
      if (tallies_.count(name) + tallies_.count(name + " bf16") > 0) continue;
      failures_++;
      std::printf("%s: no call is recorded\n", name.c_str());
    }
  }

  // Whether all went well.
  bool report() const {
    for (const auto& [name, tally] : tallies_) {
      std::printf("%-28s %4d calls, largest difference %.1e\n", name.c_str(), tally.calls, tally.largest);
    }
    std::printf("%d failures\n", failures_);
    return failures_ == 0 && !tallies_.empty();
  }

 private:
  std::map<std::string, const char* (*)(const Args&)> kernels_;
  std::map<std::string, Tally> tallies_;
  int failures_ = 0;

  void judge(const Call& call, const std::vector<void*>& buffers, int threads) {
    Tally& tally = tallies_[call.kernel + (call.bf16 ? " bf16" : "")];
    tally.calls += threads == 1;
    constexpr double kLeast = 1e-30;
    double most = kLeast;
    for (const Buffer& buffer : call.buffers) most = std::max(most, largestOf(buffer));
    for (size_t i = 0; i < buffers.size(); i++) {
      const Buffer& buffer = call.buffers[i];
      if (!buffer.compared()) continue;
      const double scale = call.bf16 ? most : std::max(kLeast, largestOf(buffer));
      const Difference difference = compare(static_cast<const uint8_t*>(buffers[i]), buffer, scale);
      tally.largest = std::max(tally.largest, difference.largest);
      if (difference.largest <= (call.bf16 ? kBf16 : kFp32)) continue;
      fail(call, call.kernel + " on " + std::to_string(threads) + " threads: buffer " + std::to_string(i) +
                     ", element " + std::to_string(difference.element) + " is off by " +
                     std::to_string(difference.largest));
    }
  }

  void fail(const Call& call, const std::string& message) {
    if (failures_++ < kMostMessages) std::printf("%s: %s\n", call.file.c_str(), message.c_str());
  }
};

// At most so many whose names have the same beginning: KERNEL.PRECISION.HASH.
std::vector<std::string> filesIn(const std::string& folder, int most) {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) all.push_back(entry.path().string());
  std::sort(all.begin(), all.end());
  std::map<std::string, int> counts;
  std::vector<std::string> files;
  for (const std::string& file : all) {
    if (counts[file.substr(0, file.rfind('.'))]++ < most) files.push_back(file);
  }
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  bool complete = false;
  int most = std::numeric_limits<int>::max();
  std::vector<Chain> chains;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    if (argument == "--complete") {
      complete = true;
      continue;
    }
    if (argument == "--most" && i + 1 < argc) {
      most = std::atoi(argv[++i]);
      continue;
    }
    for (const std::string& file : filesIn(argument, most)) {
      try {
        chains.push_back(readChain(file));
      } catch (const std::exception& error) {
        std::printf("%s: %s\n", file.c_str(), error.what());
        return 1;
      }
    }
  }
  watchForDeath();
  Replay replay;
  for (int threads = 1; threads <= kMostThreads; threads++) {
    setThreadCount(threads);
    for (const Chain& chain : chains) replay.run(chain, threads);
  }
  setThreadCount(1);
  if (complete) replay.demandAll();
  return replay.report() ? 0 : 1;
}
