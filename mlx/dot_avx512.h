// Dot products with AVX-512 VNNI; see dot.h.

namespace troupe::TROUPE_ISA {

// out[r] is the dot product of a panel with R rows of a tile.
template <Form F, int R, int S>
inline void dot_tile(const Weight& w, const uint8_t* data, Codes<S> x, V out[R]) {
  const __m512i low = _mm512_set1_epi8(15);
  const size_t record = group_size(w);
  const int parts = w.group / QUANT;
  constexpr int bytes = PART_BYTES<F>;
  V acc[R]; // not out itself: the compiler would have to store it each time
  for (int r = 0; r < R; r++) acc[r] = zero();
  for (int chunk = 0; chunk < chunks_of(w.k); chunk++) {
    V sum[R];
    for (int r = 0; r < R; r++) sum[r] = zero();
    for (int g = 0; g < groups_of(w, chunk); g++, data += record) {
      const uint8_t* at = data + size_t(parts) * bytes;
      const V scale = load_scale(w.scale, at), bias = load_scale(w.scale, at + PANEL * scale_size(w.scale));
      V t[R];
      for (int r = 0; r < R; r++) t[r] = zero();
      for (int part = 0; part < parts; part++) {
        const uint8_t* block = data + part * bytes;
        __m512i d[R];
        for (int r = 0; r < R; r++) d[r] = _mm512_setzero_si512();
        const int8_t* q = x.q;
        for (int c = 0; c < bytes / 64; c++) {
          __m512i raw = _mm512_loadu_si512(block + c * 64);
          _mm_prefetch((const char*)(block + c * 64 + AHEAD), _MM_HINT_T0);
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
        for (int r = 0; r < R; r++) t[r] = fma(_mm512_cvtepi32_ps(d[r]), set1(x.parts[r]), t[r]);
        x.next_part();
      }
      for (int r = 0; r < R; r++) sum[r] = fma(t[r], scale, fma(bias, set1(x.sums[r]), sum[r]));
      x.next_group();
    }
    for (int r = 0; r < R; r++) acc[r] = fma(sum[r], set1(x.scales[r]), acc[r]);
    x.next_chunk();
  }
  for (int r = 0; r < R; r++) out[r] = acc[r];
}

} // namespace troupe::TROUPE_ISA
