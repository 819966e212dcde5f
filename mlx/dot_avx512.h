// Dot products with AVX-512 VNNI; see dot.h.

namespace troupe::TROUPE_ISA {

// d[r] = the products of a part of a panel with R rows, whose fours begin at q.
template <Form F, int R, int S>
inline void dot_part(const uint8_t* data, const int8_t* q, I d[R]) {
  const __m512i low = _mm512_set1_epi8(15);
  for (int r = 0; r < R; r++) d[r] = _mm512_setzero_si512();
  for (int c = 0; c < PART_BYTES<F> / 64; c++) {
    __m512i raw = _mm512_loadu_si512(data + c * 64);
    _mm_prefetch((const char*)(data + c * 64 + AHEAD), _MM_HINT_T0);
    if constexpr (F == Form::Q4) {
      __m512i a = _mm512_and_si512(raw, low), b = _mm512_and_si512(_mm512_srli_epi16(raw, 4), low);
      for (int r = 0; r < R; r++) {
        d[r] = _mm512_dpbusd_epi32(d[r], a, _mm512_set1_epi32(*(const int*)(q + r * 4)));
        d[r] = _mm512_dpbusd_epi32(d[r], b, _mm512_set1_epi32(*(const int*)(q + (S + r) * 4)));
      }
      q += 8 * S;
    } else {
      for (int r = 0; r < R; r++) d[r] = _mm512_dpbusd_epi32(d[r], raw, _mm512_set1_epi32(*(const int*)(q + r * 4)));
      q += 4 * S;
    }
  }
}

} // namespace troupe::TROUPE_ISA
