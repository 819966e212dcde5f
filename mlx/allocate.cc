//go:build cgo && !nomlx

#include "allocate.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "mlx/device.h"
#include "mlx/ops.h"
#include "mlx/transforms.h"
#include "mlx/utils.h"

namespace mx = mlx::core;

namespace troupe {

// MLX does not notice when the CPU's malloc fails, and crashes on the null
// pointer. So what a program asks for by size, a KV pool above all, is tried first.
void check_memory(size_t bytes) {
  if (mx::default_device() != mx::Device::cpu || bytes < (size_t(64) << 20)) return;
  void* trial = std::malloc(bytes);
  if (!trial) throw std::runtime_error("out of memory: cannot allocate " + std::to_string(bytes) + " bytes");
  std::free(trial);
}

static constexpr size_t PAGE = size_t(2) << 20; // of x86-64, and of aarch64 with small pages of 4 KiB
static constexpr size_t LINE = 64; // of the cache
static constexpr size_t WORD = 8;  // in which an arena counts, because MLX does in 32 bits

static uintptr_t rounded(uintptr_t n, size_t to) { return (n + to - 1) / to * to; }

void large_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  const uintptr_t from = rounded(uintptr_t(memory), PAGE), to = (uintptr_t(memory) + bytes) / PAGE * PAGE;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

mx::allocator::Data allocate(size_t bytes) {
  check_memory(bytes);
  auto buffer = mx::allocator::malloc(bytes);
  if (mx::default_device() == mx::Device::cpu) large_pages(buffer.buffer().raw_ptr(), bytes);
  return buffer;
}

void Arena::reserve(size_t bytes, size_t arrays) {
  constexpr size_t MOST = size_t(8) << 30; // half of what MLX can count; the weights of a larger model are large by themselves
  open(std::min(bytes + arrays * LINE, MOST));
}

void Arena::open(size_t bytes) {
  constexpr size_t LARGE = 16 * PAGE; // where to begin at a large page is worth the space before it
  const size_t align = bytes < LARGE ? LINE : PAGE, words = (bytes + align) / WORD + 1;
  chunk_.reset();
  chunk_.emplace(allocate(words * WORD), mx::Shape{mx::safe_cast(words)}, mx::uint64);
  const auto start = reinterpret_cast<uintptr_t>(chunk_->data<char>());
  next_ = rounded(start, align) - start;
}

mx::array Arena::take(size_t bytes) {
  if (!chunk_ || next_ + bytes > chunk_->nbytes()) open(bytes);
  const size_t from = next_ / WORD, to = (next_ + bytes + WORD - 1) / WORD;
  auto a = mx::slice(*chunk_, {mx::safe_cast(from)}, {mx::safe_cast(to)}, mx::Device::cpu); // shares the chunk's memory
  mx::eval(a);
  next_ += rounded(bytes, LINE);
  return a;
}

} // namespace troupe
