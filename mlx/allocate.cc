//go:build cgo && !nomlx

#include "allocate.h"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "mlx/device.h"

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

void large_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t PAGE = uintptr_t(2) << 20; // of x86-64, and of aarch64 with small pages of 4 KiB
  const uintptr_t from = (uintptr_t(memory) + PAGE - 1) / PAGE * PAGE, to = (uintptr_t(memory) + bytes) / PAGE * PAGE;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

mx::allocator::Data allocate(size_t bytes) {
  check_memory(bytes);
  auto buffer = mx::allocator::malloc(bytes);
  if (mx::default_device() == mx::Device::cpu) large_pages(buffer.buffer().raw_ptr(), bytes);
  return buffer;
}

} // namespace troupe
