// Sixteen floats at a time, for one instruction set: the language in which the
// kernels are written once. A file that compiles kernels defines one of
// TROUPE_AVX512, TROUPE_AVX2 or neither (plain C++, which serves every machine),
// and the name TROUPE_ISA of the namespace.
//
// Every operation treats the sixteen lanes alike and sum() adds them in a fixed
// order, so a result does not depend on how work was cut. Results of different
// instruction sets differ in the last bits: the plain one has no fused multiply-add.
#ifndef TROUPE_ISA
#error "define TROUPE_ISA and include the standard headers before vec.h"
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(TROUPE_AVX512) || defined(TROUPE_AVX2)
#include <immintrin.h>
#endif

namespace troupe::TROUPE_ISA {

constexpr int LANES = 16;

#if defined(TROUPE_AVX512)

using V = __m512;  // 16 floats
using I = __m512i; // 16 int32

inline __mmask16 first(int n) { return n >= LANES ? __mmask16(0xffff) : __mmask16((1u << n) - 1); }

inline V zero() { return _mm512_setzero_ps(); }
inline V set1(float x) { return _mm512_set1_ps(x); }
inline V load(const float* p) { return _mm512_loadu_ps(p); }
inline V load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
inline void store(float* p, V v) { _mm512_storeu_ps(p, v); }
inline void store_n(float* p, V v, int n) { _mm512_mask_storeu_ps(p, first(n), v); }
inline V load_f16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
inline V load_bf16(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
}
inline void store_f16(uint16_t* p, V v) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
inline V add(V a, V b) { return _mm512_add_ps(a, b); }
inline V sub(V a, V b) { return _mm512_sub_ps(a, b); }
inline V mul(V a, V b) { return _mm512_mul_ps(a, b); }
inline V div(V a, V b) { return _mm512_div_ps(a, b); }
inline V max(V a, V b) { return _mm512_max_ps(a, b); }
inline V min(V a, V b) { return _mm512_min_ps(a, b); }
inline V abs(V a) { return _mm512_abs_ps(a); }
inline V round(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// a where its lane's number is below n, else b.
inline V select_n(V a, V b, int n) { return _mm512_mask_mov_ps(b, first(n), a); }
// a where x > y, else b.
inline V select_gt(V x, V y, V a, V b) { return _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, y, _CMP_GT_OQ), a); }
inline unsigned reaches(V x, V y) { return _mm512_cmp_ps_mask(x, y, _CMP_GE_OQ); } // a bit for each lane: x >= y
inline V scale2(V a, V n) { return _mm512_scalef_ps(a, n); } // a * 2^n, n whole

inline I load_i32(const void* p) { return _mm512_loadu_si512(p); }
inline I load_u8(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)); }
inline I and_(I a, int mask) { return _mm512_and_si512(a, _mm512_set1_epi32(mask)); }
inline I shr(I a, int n) { return _mm512_srli_epi32(a, n); }
inline V to_float(I a) { return _mm512_cvtepi32_ps(a); }
inline I to_int(V a) { return _mm512_cvtps_epi32(a); } // to nearest
inline void store_i8(int8_t* p, I a) { _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(a)); }
inline void store_u8(uint8_t* p, I a) { _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(a)); }

#elif defined(TROUPE_AVX2)

struct V { __m256 a, b; };
struct I { __m256i a, b; };

inline __m256i first8(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline V set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline V load_n(const float* p, int n) {
  return {_mm256_maskload_ps(p, first8(n)), _mm256_maskload_ps(p + 8, first8(n - 8))};
}
inline void store(float* p, V v) { _mm256_storeu_ps(p, v.a), _mm256_storeu_ps(p + 8, v.b); }
inline void store_n(float* p, V v, int n) {
  _mm256_maskstore_ps(p, first8(n), v.a), _mm256_maskstore_ps(p + 8, first8(n - 8), v.b);
}
inline V load_f16(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)), _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(p + 8)))};
}
inline __m256 widen_bf16(const uint16_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16));
}
inline V load_bf16(const uint16_t* p) { return {widen_bf16(p), widen_bf16(p + 8)}; }
inline void store_f16(uint16_t* p, V v) {
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128((__m128i*)(p + 8), _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT));
}
inline V fma(V a, V b, V c) { return {_mm256_fmadd_ps(a.a, b.a, c.a), _mm256_fmadd_ps(a.b, b.b, c.b)}; }
inline V add(V a, V b) { return {_mm256_add_ps(a.a, b.a), _mm256_add_ps(a.b, b.b)}; }
inline V sub(V a, V b) { return {_mm256_sub_ps(a.a, b.a), _mm256_sub_ps(a.b, b.b)}; }
inline V mul(V a, V b) { return {_mm256_mul_ps(a.a, b.a), _mm256_mul_ps(a.b, b.b)}; }
inline V div(V a, V b) { return {_mm256_div_ps(a.a, b.a), _mm256_div_ps(a.b, b.b)}; }
inline V max(V a, V b) { return {_mm256_max_ps(a.a, b.a), _mm256_max_ps(a.b, b.b)}; }
inline V min(V a, V b) { return {_mm256_min_ps(a.a, b.a), _mm256_min_ps(a.b, b.b)}; }
inline V abs(V v) {
  __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, v.a), _mm256_andnot_ps(sign, v.b)};
}
inline V round(V v) {
  return {_mm256_round_ps(v.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(v.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline V select_n(V a, V b, int n) {
  return {_mm256_blendv_ps(b.a, a.a, _mm256_castsi256_ps(first8(n))),
          _mm256_blendv_ps(b.b, a.b, _mm256_castsi256_ps(first8(n - 8)))};
}
inline V select_gt(V x, V y, V a, V b) {
  return {_mm256_blendv_ps(b.a, a.a, _mm256_cmp_ps(x.a, y.a, _CMP_GT_OQ)),
          _mm256_blendv_ps(b.b, a.b, _mm256_cmp_ps(x.b, y.b, _CMP_GT_OQ))};
}
inline unsigned reaches(V x, V y) {
  return unsigned(_mm256_movemask_ps(_mm256_cmp_ps(x.a, y.a, _CMP_GE_OQ))) |
         unsigned(_mm256_movemask_ps(_mm256_cmp_ps(x.b, y.b, _CMP_GE_OQ))) << 8;
}
inline __m256 scale2(__m256 a, __m256 n) {
  __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(a, _mm256_castsi256_ps(e));
}
inline V scale2(V a, V n) { return {scale2(a.a, n.a), scale2(a.b, n.b)}; }

inline I load_i32(const void* p) {
  return {_mm256_loadu_si256((const __m256i*)p), _mm256_loadu_si256((const __m256i*)p + 1)};
}
inline I load_u8(const uint8_t* p) {
  return {_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)),
          _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8)))};
}
inline I and_(I v, int mask) {
  __m256i m = _mm256_set1_epi32(mask);
  return {_mm256_and_si256(v.a, m), _mm256_and_si256(v.b, m)};
}
inline I shr(I v, int n) { return {_mm256_srli_epi32(v.a, n), _mm256_srli_epi32(v.b, n)}; }
inline V to_float(I v) { return {_mm256_cvtepi32_ps(v.a), _mm256_cvtepi32_ps(v.b)}; }
inline I to_int(V v) { return {_mm256_cvtps_epi32(v.a), _mm256_cvtps_epi32(v.b)}; }
inline void store_i8(int8_t* p, I v) {
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(v.a, v.b), 0xd8);
  _mm_storeu_si128((__m128i*)p, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
inline void store_u8(uint8_t* p, I v) {
  __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(v.a, v.b), 0xd8);
  _mm_storeu_si128((__m128i*)p, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

#else

struct V { float v[LANES]; };
struct I { int32_t v[LANES]; };

#define TROUPE_EACH(T, expr) T r; for (int i = 0; i < LANES; i++) r.v[i] = (expr); return r

inline float widen_f16(uint16_t h) {
  uint32_t bits = uint32_t(h & 0x7fff) << 13, sign = uint32_t(h & 0x8000) << 16;
  float f;
  if (bits >= 0x0f800000) { // infinity, NaN
    bits |= 0x70000000;
  } else {
    std::memcpy(&f, &bits, 4);
    f *= 0x1p112f;
    std::memcpy(&bits, &f, 4);
  }
  bits |= sign;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline uint16_t narrow_f16(float f) { // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return sign | 0x7e00;
  if (bits >= 0x477ff000) return sign | 0x7c00;
  if (bits < 0x38800000) { // subnormal: the addition rounds
    float magnitude, half = 0.5f;
    std::memcpy(&magnitude, &bits, 4);
    magnitude += half;
    uint32_t sum, base;
    std::memcpy(&sum, &magnitude, 4);
    std::memcpy(&base, &half, 4);
    return sign | uint16_t(sum - base);
  }
  return sign | uint16_t((bits + 0xc8000fff + (bits >> 13 & 1)) >> 13);
}

inline V zero() { return V{}; }
inline V set1(float x) { TROUPE_EACH(V, x); }
inline V load(const float* p) { TROUPE_EACH(V, p[i]); }
inline V load_n(const float* p, int n) { TROUPE_EACH(V, i < n ? p[i] : 0); }
inline void store(float* p, V v) { std::memcpy(p, v.v, sizeof v.v); }
inline void store_n(float* p, V v, int n) {
  for (int i = 0; i < LANES && i < n; i++) p[i] = v.v[i];
}
inline V load_f16(const uint16_t* p) { TROUPE_EACH(V, widen_f16(p[i])); }
inline float widen_bf16(uint16_t h) {
  uint32_t bits = uint32_t(h) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline V load_bf16(const uint16_t* p) { TROUPE_EACH(V, widen_bf16(p[i])); }
inline void store_f16(uint16_t* p, V v) {
  for (int i = 0; i < LANES; i++) p[i] = narrow_f16(v.v[i]);
}
inline V fma(V a, V b, V c) { TROUPE_EACH(V, a.v[i] * b.v[i] + c.v[i]); }
inline V add(V a, V b) { TROUPE_EACH(V, a.v[i] + b.v[i]); }
inline V sub(V a, V b) { TROUPE_EACH(V, a.v[i] - b.v[i]); }
inline V mul(V a, V b) { TROUPE_EACH(V, a.v[i] * b.v[i]); }
inline V div(V a, V b) { TROUPE_EACH(V, a.v[i] / b.v[i]); }
inline V max(V a, V b) { TROUPE_EACH(V, a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
inline V min(V a, V b) { TROUPE_EACH(V, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
inline V abs(V a) { TROUPE_EACH(V, std::fabs(a.v[i])); }
inline V round(V a) { TROUPE_EACH(V, std::nearbyintf(a.v[i])); }
inline V select_n(V a, V b, int n) { TROUPE_EACH(V, i < n ? a.v[i] : b.v[i]); }
inline V select_gt(V x, V y, V a, V b) { TROUPE_EACH(V, x.v[i] > y.v[i] ? a.v[i] : b.v[i]); }
inline unsigned reaches(V x, V y) {
  unsigned lanes = 0;
  for (int i = 0; i < LANES; i++) lanes |= unsigned(x.v[i] >= y.v[i]) << i;
  return lanes;
}
inline float scale2(float a, float n) {
  uint32_t bits = uint32_t(int32_t(n) + 127) << 23;
  float f;
  std::memcpy(&f, &bits, 4);
  return a * f;
}
inline V scale2(V a, V n) { TROUPE_EACH(V, scale2(a.v[i], n.v[i])); }

inline I load_i32(const void* p) {
  I r;
  std::memcpy(r.v, p, sizeof r.v);
  return r;
}
inline I load_u8(const uint8_t* p) { TROUPE_EACH(I, p[i]); }
inline I and_(I a, int mask) { TROUPE_EACH(I, a.v[i] & mask); }
inline I shr(I a, int n) { TROUPE_EACH(I, int32_t(uint32_t(a.v[i]) >> n)); }
inline V to_float(I a) { TROUPE_EACH(V, float(a.v[i])); }
inline I to_int(V a) { TROUPE_EACH(I, std::fabs(a.v[i]) < 0x1p31f ? int32_t(std::nearbyintf(a.v[i])) : INT32_MIN); }
inline void store_i8(int8_t* p, I a) {
  for (int i = 0; i < LANES; i++) p[i] = int8_t(a.v[i]);
}
inline void store_u8(uint8_t* p, I a) {
  for (int i = 0; i < LANES; i++) p[i] = uint8_t(a.v[i]);
}

#undef TROUPE_EACH

#endif

// Into the second cache, which keeps more requests in flight than the first.
inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

// The lanes are folded in the same order everywhere: halves upon halves.
#if defined(TROUPE_AVX512) || defined(TROUPE_AVX2)

#if defined(TROUPE_AVX512)
inline __m256 low_half(V v) { return _mm512_castps512_ps256(v); }
inline __m256 high_half(V v) { return _mm512_extractf32x8_ps(v, 1); }
#else
inline __m256 low_half(V v) { return v.a; }
inline __m256 high_half(V v) { return v.b; }
#endif

inline float sum(V v) {
  __m256 a = _mm256_add_ps(low_half(v), high_half(v));
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

inline float most(V v) {
  __m256 a = _mm256_max_ps(low_half(v), high_half(v));
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

#else

inline float sum(V v) {
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) v.v[i] += v.v[i + half];
  }
  return v.v[0];
}

inline float most(V v) {
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) v.v[i] = v.v[i] > v.v[i + half] ? v.v[i] : v.v[i + half];
  }
  return v.v[0];
}

#endif

// e^x to about 1e-7 relative: a polynomial on [-ln2/2, ln2/2] after Cephes. Below
// -87 it is 0, also for -infinity; above 88 it is e^88.
inline V exp(V x) {
  V low = set1(-87.0f);
  V y = min(max(x, low), set1(88.0f));
  V n = round(mul(y, set1(1.44269504088896341f)));
  V r = fma(n, set1(-0.693359375f), y);
  r = fma(n, set1(2.12194440e-4f), r);
  V p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), set1(1));
  return select_gt(x, low, scale2(p, n), zero());
}

} // namespace troupe::TROUPE_ISA
