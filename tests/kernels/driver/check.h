// What the checks of the kernels share: random cases, memory whose ends are guarded, and
// a comparison with numbers computed in double.
#ifndef TROUPE_TESTS_CHECK_H
#define TROUPE_TESTS_CHECK_H

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"
#include "pool.h"
#include "program.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

namespace check {

using namespace troupe;

class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}
  uint64_t bits() { return bits_(); }
  int in(int low, int high) { return low + int(bits_() % uint64_t(high - low + 1)); } // both included
  bool one_in(int n) { return in(1, n) == 1; }
  float normal() { return normal_(bits_); }
  template <typename T>
  T pick(std::initializer_list<T> from) { return from.begin()[in(0, int(from.size()) - 1)]; }
  template <typename T>
  void shuffle(std::vector<T>& v) { std::shuffle(v.begin(), v.end(), bits_); }

 private:
  std::mt19937_64 bits_;
  std::normal_distribution<float> normal_;
};

// Memory that ends where a page begins that nobody may touch, so that vector loads and
// stores are caught too that AddressSanitizer does not see. It begins as NaNs.
template <typename T>
class Buffer {
 public:
  explicit Buffer(size_t n) : n_(n) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE)), used = (n * sizeof(T) + page - 1) / page * page;
    mapped_ = used + page;
    base_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + used, page, PROT_NONE) != 0) throw std::bad_alloc();
    slack_ = used - n * sizeof(T);
    std::memset(base_, 0xff, used);
    ASAN_POISON_MEMORY_REGION(base_, slack_);
  }
  Buffer(Buffer&& b) noexcept : n_(b.n_), mapped_(b.mapped_), slack_(b.slack_), base_(b.base_) { b.base_ = nullptr; }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (base_ == nullptr) return;
    ASAN_UNPOISON_MEMORY_REGION(base_, slack_);
    munmap(base_, mapped_);
  }

  size_t size() const { return n_; }
  T* data() { return reinterpret_cast<T*>(base_ + slack_); }
  const T* data() const { return reinterpret_cast<const T*>(base_ + slack_); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }

 private:
  size_t n_, mapped_, slack_;
  char* base_;
};

inline Buffer<float> normals(Random& random, size_t n, float scale = 1) {
  Buffer<float> b(n);
  for (size_t i = 0; i < n; i++) b[i] = scale * random.normal();
  return b;
}

template <typename T>
Buffer<T> copy(const std::vector<T>& v) {
  Buffer<T> b(v.size());
  std::copy(v.begin(), v.end(), b.data());
  return b;
}

// One case: the kernels that it is for, the threads, and its random choices.
struct Case {
  Machine& machine;
  Random& random;
  const Kernels& k;

  // Runs f(first, last) on threads, for random pieces of n; all but the last are multiples of unit.
  template <typename F>
  void pieces(int n, int unit, F&& f) {
    std::vector<int> cuts{0};
    while (cuts.back() < n) cuts.push_back(std::min(n, cuts.back() + unit * random.in(1, 5)));
    machine.pool.run(int(cuts.size()) - 1, [&](int i) { f(cuts[size_t(i)], cuts[size_t(i) + 1]); });
  }
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect(bool holds, const std::string& what) {
  if (!holds) throw Failure(what);
}

// Wants an error of type E whose text has these words.
template <typename E, typename F>
void fails(F&& f, const std::string& with) {
  try {
    f();
  } catch (const E& e) {
    return expect(std::string(e.what()).find(with) != std::string::npos, std::string("the error is: ") + e.what());
  }
  throw Failure("no error: " + with);
}

inline void near(double got, double want, double tolerance, const char* what, size_t at) {
  if (got == want || std::abs(got - want) <= tolerance || (std::isnan(got) && std::isnan(want))) return;
  throw Failure(std::string(what) + " " + std::to_string(at) + " is " + std::to_string(got) + ", want " + std::to_string(want) + " within " +
                std::to_string(tolerance));
}

inline void same(const Buffer<float>& a, const Buffer<float>& b, const char* what) {
  for (size_t i = 0; i < a.size(); i++) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) == 0) continue;
    throw Failure(std::string(what) + " " + std::to_string(i) + " is " + std::to_string(a[i]) + " or " + std::to_string(b[i]));
  }
}

// What the bits of a number mean.
inline double half(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double sign = h & 0x8000 ? -1 : 1;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}
inline double brain(uint16_t h) {
  const uint32_t bits = uint32_t(h) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}
inline uint16_t narrow(float x) { // cut off, and 0 if it is small
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int exponent = int(bits >> 23 & 255) - 112;
  return uint16_t(bits >> 31 << 15 | (exponent <= 0 ? 0 : unsigned(std::min(exponent, 30)) << 10 | (bits >> 13 & 1023)));
}
inline uint16_t random_half(Random& random, int low, int high) { // about 2^low to 2^high
  return uint16_t(random.in(0, 1) << 15 | random.in(low + 15, high + 14) << 10 | random.in(0, 1023));
}

// The checks. Each builds one random case, and throws Failure.
void arrange(Case);
void linear(Case);
void lookup(Case);
void rope_write(Case);
void attend(Case);
void reduce(Case);
void program(Case);
void pool(Random&);
void choice();

} // namespace check

#endif
