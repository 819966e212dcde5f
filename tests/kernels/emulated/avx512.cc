// The kernels for AVX-512, on a machine without it: its operations one lane after the other, as Intel's manual defines them. Their
// names hide those of the compiler. sanitize.sh builds it; the halves of vectors that the kernels also use need AVX2.

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <immintrin.h>

#define TROUPE_AVX512
#define TROUPE_ISA avx512
#define TROUPE_NAME "avx512"

// Macros with some compilers.
#undef _mm512_cmp_ps_mask
#undef _mm512_cvtps_ph
#undef _mm512_extractf32x8_ps
#undef _mm512_roundscale_ps
#undef _mm512_slli_epi32
#undef _mm512_srli_epi16
#undef _mm512_srli_epi32

namespace troupe::avx512 {

// A vector of N lanes of T, in whichever of the compiler's types.
template <typename T, int N = 16>
struct Lanes {
  T v[N];

  Lanes() = default;
  template <typename From>
  explicit Lanes(const From& from) : v() {
    static_assert(sizeof(From) == sizeof v);
    std::memcpy(v, &from, sizeof v);
  }
  template <typename To>
  To as() const {
    static_assert(sizeof(To) == sizeof v);
    To to;
    std::memcpy(&to, v, sizeof v);
    return to;
  }
  T operator[](int i) const { return v[i]; }
};
using Floats = Lanes<float>;
using Ints = Lanes<int32_t>;

template <typename F>
__m512 floats(F&& f) {
  Floats to;
  for (int i = 0; i < 16; i++) to.v[i] = f(i);
  return to.as<__m512>();
}

template <typename F>
__m512i ints(F&& f) {
  Ints to;
  for (int i = 0; i < 16; i++) to.v[i] = f(i);
  return to.as<__m512i>();
}

inline bool in(__mmask16 mask, int lane) { return mask >> lane & 1; }

inline __m512 _mm512_set1_ps(float x) { return floats([&](int) { return x; }); }
inline __m512 _mm512_setzero_ps() { return _mm512_set1_ps(0); }
inline __m512 _mm512_loadu_ps(const void* p) { return floats([&](int i) { return ((const float*)p)[i]; }); }
inline __m512 _mm512_maskz_loadu_ps(__mmask16 m, const void* p) {
  return floats([&](int i) { return in(m, i) ? ((const float*)p)[i] : 0; });
}
inline void _mm512_storeu_ps(void* p, __m512 a) { std::memcpy(p, &a, sizeof a); }
inline void _mm512_mask_storeu_ps(void* p, __mmask16 m, __m512 a) {
  for (int i = 0; i < 16; i++)
    if (in(m, i)) ((float*)p)[i] = Floats(a)[i];
}

#define TROUPE_LANEWISE(name, result)                         \
  inline __m512 name(__m512 a_, __m512 b_) {                  \
    const Floats a(a_), b(b_);                                \
    return floats([&](int i) { return result; });             \
  }
TROUPE_LANEWISE(_mm512_add_ps, a[i] + b[i])
TROUPE_LANEWISE(_mm512_sub_ps, a[i] - b[i])
TROUPE_LANEWISE(_mm512_mul_ps, a[i] * b[i])
TROUPE_LANEWISE(_mm512_div_ps, a[i] / b[i])
TROUPE_LANEWISE(_mm512_max_ps, a[i] > b[i] ? a[i] : b[i])
TROUPE_LANEWISE(_mm512_min_ps, a[i] < b[i] ? a[i] : b[i])
TROUPE_LANEWISE(_mm512_scalef_ps, std::ldexp(a[i], int(std::floor(b[i]))))
#undef TROUPE_LANEWISE

inline __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  return floats([&](int i) { return std::fma(Floats(a)[i], Floats(b)[i], Floats(c)[i]); });
}
inline __m512 _mm512_abs_ps(__m512 a) { return floats([&](int i) { return std::fabs(Floats(a)[i]); }); }
inline __m512 _mm512_roundscale_ps(__m512 a, int) { return floats([&](int i) { return std::nearbyint(Floats(a)[i]); }); }
inline __m512 _mm512_mask_mov_ps(__m512 a, __mmask16 m, __m512 b) {
  return floats([&](int i) { return in(m, i) ? Floats(b)[i] : Floats(a)[i]; });
}
inline __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int how) {
  unsigned m = 0;
  for (int i = 0; i < 16; i++) m |= unsigned(how == _CMP_GT_OQ ? Floats(a)[i] > Floats(b)[i] : Floats(a)[i] >= Floats(b)[i]) << i;
  return __mmask16(m);
}

inline __m256 _mm512_extractf32x8_ps(__m512 a, int half) {
  Lanes<float, 8> to;
  for (int i = 0; i < 8; i++) to.v[i] = Floats(a)[half * 8 + i];
  return to.as<__m256>();
}
inline __m256 _mm512_castps512_ps256(__m512 a) { return _mm512_extractf32x8_ps(a, 0); }
inline __m512 _mm512_castsi512_ps(__m512i a) { return Floats(a).as<__m512>(); }
inline __m512 _mm512_cvtph_ps(__m256i a) {
  const Lanes<uint16_t> from(a);
  return floats([&](int i) { return _cvtsh_ss(from[i]); });
}
inline __m256i _mm512_cvtps_ph(__m512 a, int) {
  Lanes<uint16_t> to;
  for (int i = 0; i < 16; i++) to.v[i] = _cvtss_sh(Floats(a)[i], _MM_FROUND_TO_NEAREST_INT);
  return to.as<__m256i>();
}

inline __m512i _mm512_set1_epi32(int x) { return ints([&](int) { return x; }); }
inline __m512i _mm512_set1_epi8(char x) { return _mm512_set1_epi32(int(0x01010101u * uint8_t(x))); }
inline __m512i _mm512_setzero_si512() { return _mm512_set1_epi32(0); }
inline __m512i _mm512_loadu_si512(const void* p) {
  __m512i a;
  std::memcpy(&a, p, sizeof a);
  return a;
}
inline __m512i _mm512_and_si512(__m512i a, __m512i b) { return ints([&](int i) { return Ints(a)[i] & Ints(b)[i]; }); }
inline __m512i _mm512_add_epi32(__m512i a, __m512i b) { return ints([&](int i) { return int(unsigned(Ints(a)[i]) + unsigned(Ints(b)[i])); }); }
inline __m512i _mm512_slli_epi32(__m512i a, int n) { return ints([&](int i) { return int(unsigned(Ints(a)[i]) << n); }); }
inline __m512i _mm512_srli_epi32(__m512i a, int n) { return ints([&](int i) { return int(unsigned(Ints(a)[i]) >> n); }); }
inline __m512i _mm512_srli_epi16(__m512i a, int n) {
  Lanes<uint16_t, 32> to(a);
  for (auto& v : to.v) v = uint16_t(v >> n);
  return to.as<__m512i>();
}
inline __m512i _mm512_cvtepu8_epi32(__m128i a) {
  const Lanes<uint8_t> from(a);
  return ints([&](int i) { return from[i]; });
}
inline __m512i _mm512_cvtepu16_epi32(__m256i a) {
  const Lanes<uint16_t> from(a);
  return ints([&](int i) { return from[i]; });
}
inline __m128i _mm512_cvtepi32_epi8(__m512i a) {
  Lanes<uint8_t> to;
  for (int i = 0; i < 16; i++) to.v[i] = uint8_t(Ints(a)[i]);
  return to.as<__m128i>();
}
inline __m512 _mm512_cvtepi32_ps(__m512i a) { return floats([&](int i) { return float(Ints(a)[i]); }); }
inline __m512i _mm512_cvtps_epi32(__m512 a) {
  return ints([&](int i) {
    const float x = std::nearbyint(Floats(a)[i]);
    return x >= -0x1p31f && x < 0x1p31f ? int(x) : INT_MIN;
  });
}
inline int _mm512_reduce_add_epi32(__m512i a) {
  unsigned sum = 0;
  for (int i = 0; i < 16; i++) sum += unsigned(Ints(a)[i]);
  return int(sum);
}
// Four products of unsigned and signed bytes to each lane.
inline __m512i _mm512_dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
  const Lanes<uint8_t, 64> x(a);
  const Lanes<int8_t, 64> y(b);
  return ints([&](int i) {
    int s = Ints(sum)[i];
    for (int j = 0; j < 4; j++) s += x[i * 4 + j] * y[i * 4 + j];
    return s;
  });
}

} // namespace troupe::avx512

#include "kernels_all.h"
