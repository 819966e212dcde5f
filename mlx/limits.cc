//go:build cgo && !nomlx

// What a machine can do at best.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

#include "allocate.h"
#include "program.h"

namespace troupe {

// The shortest time of some runs of f, in seconds.
template <typename F>
static double best(int runs, F&& f) {
  double least = 1e300;
  for (int i = 0; i < runs; i++) {
    const auto began = std::chrono::steady_clock::now();
    f();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  }
  return least;
}

Limits measure(Machine& m) {
  constexpr size_t BYTES = size_t(256) << 20, PIECE = size_t(1) << 20;
  constexpr int PIECES = BYTES / PIECE, ROUNDS = 64, TIMES = 1 << 16;
  std::unique_ptr<uint8_t[]> memory(new uint8_t[BYTES + 4096]);
  large_pages(memory.get(), BYTES + 4096);
  std::memset(memory.get(), 1, BYTES + 4096);
  std::atomic<int64_t> sink{0}, operations{0};

  Limits l;
  l.read = BYTES / best(10, [&] {
    m.pool.run(PIECES, [&](int i) { sink += m.kernels.probe_read(memory.get() + size_t(i) * PIECE, PIECE); });
  });
  const double seconds = best(5, [&] {
    operations = 0;
    m.pool.run(ROUNDS, [&](int i) {
      int32_t result = i;
      operations += m.kernels.probe_dots(TIMES, &result);
      sink += result;
    });
  });
  l.dots = double(operations) / seconds;
  return l;
}

} // namespace troupe
