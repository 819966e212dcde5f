// Runs random cases of every kernel on every instruction set of this machine.
//
//	driver ROUNDS SEED THREADS
//
// A case that fails is named with its seed, which as SEED with ROUNDS 1 runs it again.

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "check.h"

using namespace check;

namespace {

const struct {
  const char* name;
  void (*run)(Case);
} checks[] = {{"arrange", arrange},       {"linear", linear}, {"lookup", lookup}, {"rope and write", rope_write},
              {"attention", attend}, {"reduction", reduce}, {"program", program}};

bool passes(const char* isa, const char* name, uint64_t seed, auto&& f) {
  try {
    f();
    return true;
  } catch (const std::exception& e) {
    std::printf("FAIL %s, %s, seed %llu: %s\n", isa, name, static_cast<unsigned long long>(seed), e.what());
    return false;
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: driver ROUNDS SEED THREADS\n", stderr), 2;
  const int rounds = std::atoi(argv[1]), threads = std::atoi(argv[3]);
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  bool ok = passes("any", "choice", 0, choice);
  for (int i = 0; i < std::max(1, rounds / 20); i++) {
    Random random(seed + i);
    ok = passes("any", "pool", seed + i, [&] { pool(random); }) && ok;
  }
  for (const char* isa : {"avx512", "avx2", "portable"}) {
    try {
      choose(isa);
    } catch (const std::invalid_argument& e) {
      std::printf("skip %s: %s\n", isa, e.what());
      continue;
    }
    Machine machine(threads, isa);
    for (auto& check : checks) {
      const auto began = std::chrono::steady_clock::now();
      for (int i = 0; i < rounds; i++) {
        Random random(seed + i);
        ok = passes(isa, check.name, seed + i, [&] { check.run({machine, random, machine.kernels}); }) && ok;
      }
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      std::printf("ran  %s, %s: %d cases in %.1f s\n", isa, check.name, rounds, seconds);
    }
  }
  return ok ? 0 : 1;
}
