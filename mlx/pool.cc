//go:build cgo && !nomlx

#include "pool.h"

#include <stdexcept>
#include <string>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace troupe {

// How often a thread looks before it sleeps: some 50 to 150 µs, so that it stays awake
// between the kernels of a step. To wake a thread up costs 10 to 50 µs in a virtual machine.
static constexpr int LOOKS = 4000;

static void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until v is not old: a few looks, then asleep.
template <typename T>
static void await(const std::atomic<T>& v, T old) {
  for (int i = 0; i < LOOKS; i++) {
    if (v.load(std::memory_order_acquire) != old) return;
    pause();
  }
  v.wait(old, std::memory_order_acquire);
}

Pool::Pool(int threads) {
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this] { work(); });
  } catch (const std::exception& e) {
    const size_t started = workers_.size() + 1;
    end();
    throw std::runtime_error("cannot start " + std::to_string(threads) + " threads: " + e.what() + " after " + std::to_string(started));
  }
}

Pool::~Pool() { end(); }

void Pool::end() {
  stop_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (auto& t : workers_) t.join();
}

void Pool::work() {
  uint32_t seen = 0;
  for (;;) {
    await(epoch_, seen);
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_) return;
    while (take(seen)) {
    }
  }
}

// Takes an item of the job of an epoch and runs it. False if there is none left.
bool Pool::take(uint32_t epoch) {
  uint64_t state = state_.load(std::memory_order_acquire);
  for (;;) {
    auto call = call_.load(std::memory_order_acquire);
    auto context = context_.load(std::memory_order_acquire);
    int items = items_.load(std::memory_order_acquire);
    uint32_t i = uint32_t(state);
    if (uint32_t(state >> 32) != epoch || i >= uint32_t(items)) return false;
    // The job cannot end before this item does, so what was read stays true.
    if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    try {
      call(context, int(i));
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == items) done_.notify_one();
    return true;
  }
}

void Pool::start(int items, Call call, void* context) {
  uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  // Closed before the job changes: a thread that is late for the last one and reads
  // some of this one finds another state than it had seen.
  state_.store(uint64_t(epoch) << 32 | UINT32_MAX, std::memory_order_relaxed);
  call_.store(call, std::memory_order_release);
  context_.store(context, std::memory_order_release);
  items_.store(items, std::memory_order_release);
  done_.store(0, std::memory_order_relaxed);
  state_.store(uint64_t(epoch) << 32, std::memory_order_release);
  epoch_.store(epoch, std::memory_order_release);
  epoch_.notify_all();
  while (take(epoch)) {
  }
  for (int done; (done = done_.load(std::memory_order_acquire)) != items;) await(done_, done);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

} // namespace troupe
