//go:build cgo && !nomlx

// The choice of an instruction set.

#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.h"

namespace troupe {

static bool has_avx512() {
#if defined(TROUPE_EMULATED) // by tests/kernels
  return true;
#elif defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

static bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

const Kernels& choose(const char* name) { return choose(name, has_avx512(), has_avx2()); }

const Kernels& choose(const char* name, bool with_avx512, bool with_avx2) {
  const bool any = !*name || !std::strcmp(name, "auto");
  auto is = [&](const char* set) { return any || !std::strcmp(name, set); };
#if defined(__x86_64__)
  if (is("avx512") && with_avx512) return avx512::kernels;
  if (is("avx2") && with_avx2) return avx2::kernels;
#endif
  if (is("portable")) return portable::kernels;
  if (!std::strcmp(name, "avx512") || !std::strcmp(name, "avx2")) {
    throw std::invalid_argument(std::string("this machine lacks the instruction set ") + name + (with_avx512 || !with_avx2 ? "" : "; it has avx2"));
  }
  throw std::invalid_argument(std::string("unknown instruction set ") + name + ": there are avx512, avx2 and portable");
}

} // namespace troupe
