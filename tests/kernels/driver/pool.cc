// The threads.

#include <atomic>
#include <filesystem>
#include <thread>

#include "check.h"

namespace check {

namespace {

size_t threads() {
  size_t n = 0;
  for ([[maybe_unused]] auto& task : std::filesystem::directory_iterator("/proc/self/task")) n++;
  return n;
}

// Every item runs once, and is over when run returns.
void jobs(Pool& pool, Random& random) {
  for (int job = 0; job < 200; job++) {
    const int n = random.in(0, random.one_in(10) ? 1000 : 12);
    std::vector<int> times(static_cast<size_t>(n)); // plain: that they are seen is the pool's promise
    pool.run(n, [&](int i) { times[size_t(i)]++; });
    for (int t : times) expect(t == 1, "an item ran " + std::to_string(t) + " times");
  }
}

// Items that throw, on any of the threads: the first error arrives, nobody is left waiting, and the next job is whole.
void failures(Pool& pool, Random& random) {
  for (int job = 0; job < 100; job++) {
    const int n = random.in(1, 40), every = random.in(1, 5);
    std::atomic<int> thrown{0}, calm{0};
    std::string what;
    try {
      pool.run(n, [&](int i) {
        if (i % every != 0) return void(calm++);
        thrown++;
        if (i % 2) throw std::bad_alloc();
        throw std::runtime_error("item " + std::to_string(i));
      });
    } catch (const std::exception& e) {
      what = e.what();
    }
    expect(!what.empty(), "the error is lost");
    if (pool.threads() > 1 && n > 1) expect(thrown + calm == n, "items are left out");
    std::atomic<int> ran{0};
    pool.run(n, [&](int) { ran++; });
    expect(ran == n, "a job after a failure");
  }
}

} // namespace

void pool(Random& random) {
  std::thread([] {}).join(); // a sanitizer may start a thread of its own with the first
  const size_t before = threads();
  for (int n : {1, 2, 3, 8}) {
    Pool pool(n), other(2);
    expect(pool.threads() == n, "threads");
    jobs(pool, random), jobs(other, random);
    failures(pool, random);
  }
  for (int i = 0; i < 50; i++) Pool(random.in(1, 6)).run(random.in(0, 3), [](int) {}); // ends at once
  for (int i = 0; i < 1000 && threads() != before; i++) usleep(5000); // a thread that was joined takes a moment to go
  expect(threads() == before, "threads are left over");
}

} // namespace check
