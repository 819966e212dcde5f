// What the machine can do at best, for benchmarks to compare the kernels with.

namespace troupe::TROUPE_ISA {

// Reads n bytes, a multiple of 64, and does nothing else with them but a sum.
inline int32_t probe_read(const uint8_t* p, size_t n) {
  constexpr int FAR = 4096; // bytes
  int32_t total = 0;
#if defined(TROUPE_AVX512)
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 64) {
    _mm_prefetch((const char*)(p + i + FAR), _MM_HINT_T0);
    sum = _mm512_add_epi32(sum, _mm512_loadu_si512(p + i));
  }
  total = _mm512_reduce_add_epi32(sum);
#elif defined(TROUPE_AVX2)
  __m256i a = _mm256_setzero_si256(), b = a;
  for (size_t i = 0; i < n; i += 64) {
    _mm_prefetch((const char*)(p + i + FAR), _MM_HINT_T0);
    a = _mm256_add_epi32(a, _mm256_loadu_si256((const __m256i*)(p + i)));
    b = _mm256_add_epi32(b, _mm256_loadu_si256((const __m256i*)(p + i + 32)));
  }
  alignas(32) int32_t lanes[8];
  _mm256_store_si256((__m256i*)lanes, _mm256_add_epi32(a, b));
  for (int32_t v : lanes) total += v;
#else
  uint64_t sum = 0;
  for (size_t i = 0; i < n; i += 8) {
    uint64_t v;
    std::memcpy(&v, p + i, 8);
    sum += v;
  }
  total = int32_t(sum);
#endif
  return total;
}

// Multiplies and adds bytes, times over, in as many independent chains as keep the units busy,
// and returns how many operations that were. A multiplication and its addition are two.
inline int64_t probe_dots(int times, int32_t* result) {
#if defined(TROUPE_AVX512)
  constexpr int CHAINS = 16;
  __m512i d[CHAINS], a = _mm512_set1_epi32(times), b = _mm512_set1_epi32(*result);
  for (auto& v : d) v = _mm512_setzero_si512();
  for (int i = 0; i < times; i++) {
#pragma GCC unroll 16
    for (int c = 0; c < CHAINS; c++) {
      d[c] = _mm512_dpbusd_epi32(d[c], a, b);
#if !defined(TROUPE_EMULATED) // in tests/kernels, where there is no such register
      asm volatile("" : "+v"(d[c]));
#endif
    }
  }
  for (auto& v : d) *result += _mm512_reduce_add_epi32(v);
  return int64_t(times) * CHAINS * 128;
#elif defined(TROUPE_AVX2)
  constexpr int CHAINS = 8;
  __m256i d[CHAINS], a = _mm256_set1_epi32(times), b = _mm256_set1_epi32(*result);
  for (auto& v : d) v = _mm256_setzero_si256();
  for (int i = 0; i < times; i++) {
#pragma GCC unroll 8
    for (int c = 0; c < CHAINS; c++) {
      asm volatile("" : "+x"(a));
      d[c] = _mm256_add_epi16(d[c], _mm256_maddubs_epi16(a, b));
    }
  }
  for (auto& v : d) *result += _mm256_extract_epi32(v, 0);
  return int64_t(times) * CHAINS * 64;
#else
  constexpr int LANE = 64;
  int32_t d[LANE] = {};
  uint8_t a[LANE];
  int8_t b[LANE];
  for (int j = 0; j < LANE; j++) a[j] = uint8_t(times + j), b[j] = int8_t(*result - j);
  for (int i = 0; i < times; i++) {
    for (int j = 0; j < LANE; j++) d[j] += a[j] * b[j];
    asm volatile("" : : "r"(a), "r"(b) : "memory");
  }
  for (int32_t v : d) *result += v;
  return int64_t(times) * LANE * 2;
#endif
}

} // namespace troupe::TROUPE_ISA
