// The threads that share the work of a kernel.
#ifndef TROUPE_MLX_POOL_H
#define TROUPE_MLX_POOL_H

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace troupe {

// A Pool runs the items of one job at a time on its threads and the caller's.
//
// Items are taken one by one, so a thread that the system has put aside holds up
// nobody for more than the item it is in; nobody waits for a thread to wake up. An
// idle thread looks for work for some tens of microseconds, then sleeps; so does the caller
// when others are still at their last items.
class Pool {
 public:
  // The caller's thread is one of the threads, at least 1. Throws if they cannot be started.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return int(workers_.size()) + 1; }

  // Calls f(i) for 0 <= i < items, and returns when all have returned. Only one
  // thread may call it at a time, and f must not. The first exception of an item is
  // thrown again here, after the others have ended.
  template <typename F>
  void run(int items, F&& f) {
    if (items <= 0) return;
    if (items == 1 || workers_.empty()) {
      for (int i = 0; i < items; i++) f(i);
      return;
    }
    start(items, [](void* context, int i) { (*static_cast<std::remove_reference_t<F>*>(context))(i); }, &f);
  }

 private:
  using Call = void (*)(void* context, int i);

  void end();
  void start(int items, Call call, void* context);
  bool take(uint32_t epoch);
  void work();

  // The job. A thread reads it between two looks at state_, and acts on what it read
  // only if state_ was the same both times; hence the atomics.
  std::atomic<Call> call_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int> items_{0};

  std::atomic<uint64_t> state_{0}; // epoch of the job << 32 | items taken
  std::atomic<int> done_{0};       // items that have returned
  std::atomic<uint32_t> epoch_{0}; // what the workers wait on; it follows state_
  std::atomic<bool> stop_{false};

  std::mutex mutex_; // protects failure_
  std::exception_ptr failure_;
  std::vector<std::thread> workers_;
};

} // namespace troupe

#endif
