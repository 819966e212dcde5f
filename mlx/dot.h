// Integer dot products of quantised weights and quantised activations, for the
// instruction set at hand. Included after vec.h and before linear.h.

namespace troupe::TROUPE_ISA {

inline V load_scale(Scale s, const uint8_t* p);
inline size_t scale_size(Scale s);
inline size_t group_size(const Weight& w);

// out[r] is the dot product of a panel with R rows of a tile that is width rows wide; q, scales
// and sums begin at the first of the R. For each 32 inputs
//
//	t = sum of q_w*q_x, exact;  out += scale_w*scale_x*t + bias_w*sum_x
//
// with the additions in this order: the products t*scale_x of a group, times its
// scale; before it the biases.
#if defined(TROUPE_AVX512)

// How far ahead the weights are fetched, in bytes. The processor's own prefetcher
// does not keep up: with it alone eight rows take 1.4 times as long.
constexpr int AHEAD = 4096;

template <Form F, int R>
inline void dot_tile(const Weight& w, const uint8_t* data, const int8_t* q, const float* scales, const float* sums, int width, V out[R]) {
  const __m512i low = _mm512_set1_epi8(15);
  const size_t record = group_size(w);
  const int groups = w.k / w.group, parts = w.group / QUANT;
  constexpr int bytes = F == Form::Q4 ? 256 : 512; // of 32 inputs
  V acc[R]; // not out itself: the compiler would have to store it each time
  for (int r = 0; r < R; r++) acc[r] = zero();
  for (int g = 0; g < groups; g++, data += record) {
    const uint8_t* at = data + size_t(parts) * bytes;
    const V scale = load_scale(w.scale, at), bias = load_scale(w.scale, at + PANEL * scale_size(w.scale));
    V t[R];
    for (int r = 0; r < R; r++) t[r] = zero();
    for (int part = 0; part < parts; part++) {
      const uint8_t* block = data + part * bytes;
      __m512i d[R];
      for (int r = 0; r < R; r++) d[r] = _mm512_setzero_si512();
      for (int c = 0; c < bytes / 64; c++) {
        __m512i raw = _mm512_loadu_si512(block + c * 64);
        _mm_prefetch((const char*)(block + c * 64 + AHEAD), _MM_HINT_T0);
        if constexpr (F == Form::Q4) {
          __m512i a = _mm512_and_si512(raw, low), b = _mm512_and_si512(_mm512_srli_epi16(raw, 4), low);
          for (int r = 0; r < R; r++) {
            d[r] = _mm512_dpbusd_epi32(d[r], a, _mm512_set1_epi32(*(const int*)(q + r * 4)));
            d[r] = _mm512_dpbusd_epi32(d[r], b, _mm512_set1_epi32(*(const int*)(q + (width + r) * 4)));
          }
          q += 8 * width;
        } else {
          for (int r = 0; r < R; r++) d[r] = _mm512_dpbusd_epi32(d[r], raw, _mm512_set1_epi32(*(const int*)(q + r * 4)));
          q += 4 * width;
        }
      }
      for (int r = 0; r < R; r++) {
        t[r] = fma(_mm512_cvtepi32_ps(d[r]), set1(scales[r]), t[r]);
        acc[r] = fma(bias, set1(sums[r]), acc[r]);
      }
      scales += width, sums += width;
    }
    for (int r = 0; r < R; r++) acc[r] = fma(t[r], scale, acc[r]);
  }
  for (int r = 0; r < R; r++) out[r] = acc[r];
}

#elif defined(TROUPE_AVX2)

// Sixteen-bit sums hold: 8 products of 15*127, two at a time, are 30480. Eight-bit
// weights go as their two halves.
template <Form F, int R>
inline void dot_half(const uint8_t* block, const int8_t* q, int width, __m256i d[R]) {
  const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1), sixteens = _mm256_set1_epi16(16);
  __m256i a[R], b[R];
  for (int r = 0; r < R; r++) a[r] = b[r] = _mm256_setzero_si256();
  for (int c = 0; c < (F == Form::Q4 ? 4 : 8); c++) {
    __m256i raw = _mm256_loadu_si256((const __m256i*)(block + c * 64));
    __m256i lo = _mm256_and_si256(raw, low), hi = _mm256_and_si256(_mm256_srli_epi16(raw, 4), low);
    for (int r = 0; r < R; r++) {
      const int8_t* x = q + r * 4;
      if constexpr (F == Form::Q4) {
        a[r] = _mm256_add_epi16(a[r], _mm256_maddubs_epi16(lo, _mm256_set1_epi32(*(const int*)x)));
        a[r] = _mm256_add_epi16(a[r], _mm256_maddubs_epi16(hi, _mm256_set1_epi32(*(const int*)(x + width * 4))));
      } else {
        __m256i v = _mm256_set1_epi32(*(const int*)x);
        a[r] = _mm256_add_epi16(a[r], _mm256_maddubs_epi16(lo, v));
        b[r] = _mm256_add_epi16(b[r], _mm256_maddubs_epi16(hi, v));
      }
    }
    q += (F == Form::Q4 ? 8 : 4) * width;
  }
  for (int r = 0; r < R; r++) {
    d[r] = _mm256_madd_epi16(a[r], ones);
    if constexpr (F == Form::Q8) d[r] = _mm256_add_epi32(d[r], _mm256_madd_epi16(b[r], sixteens));
  }
}

// Half of the outputs after the other, and four rows at a time, for want of registers.
template <Form F, int R>
inline void dot_tile(const Weight& w, const uint8_t* data, const int8_t* q, const float* scales, const float* sums, int width, V out[R]) {
  if constexpr (R > 4) {
    dot_tile<F, 4>(w, data, q, scales, sums, width, out);
    dot_tile<F, R - 4>(w, data, q + 16, scales + 4, sums + 4, width, out + 4);
    return;
  }
  const size_t record = group_size(w);
  const int groups = w.k / w.group, parts = w.group / QUANT;
  constexpr int bytes = F == Form::Q4 ? 256 : 512;
  for (int half = 0; half < 2; half++) {
    __m256 o[R];
    for (int r = 0; r < R; r++) o[r] = _mm256_setzero_ps();
    const uint8_t* group = data;
    const int8_t* x = q;
    const float *xs = scales, *xb = sums;
    for (int g = 0; g < groups; g++, group += record) {
      const uint8_t* at = group + size_t(parts) * bytes;
      const V s = load_scale(w.scale, at), b = load_scale(w.scale, at + PANEL * scale_size(w.scale));
      const __m256 scale = half ? s.b : s.a, bias = half ? b.b : b.a;
      __m256 t[R];
      for (int r = 0; r < R; r++) t[r] = _mm256_setzero_ps();
      for (int part = 0; part < parts; part++) {
        __m256i d[R];
        dot_half<F, R>(group + part * bytes + half * 32, x, width, d);
        for (int r = 0; r < R; r++) {
          t[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(d[r]), _mm256_set1_ps(xs[r]), t[r]);
          o[r] = _mm256_fmadd_ps(bias, _mm256_set1_ps(xb[r]), o[r]);
        }
        x += QUANT * width, xs += width, xb += width;
      }
      for (int r = 0; r < R; r++) o[r] = _mm256_fmadd_ps(t[r], scale, o[r]);
    }
    for (int r = 0; r < R; r++) (half ? out[r].b : out[r].a) = o[r];
  }
}

#else

template <Form F, int R>
inline void dot_tile(const Weight& w, const uint8_t* data, const int8_t* q, const float* scales, const float* sums, int width, V out[R]) {
  const size_t record = group_size(w);
  const int groups = w.k / w.group, parts = w.group / QUANT;
  constexpr int bytes = F == Form::Q4 ? 256 : 512, fours = 8;
  for (int r = 0; r < R; r++) out[r] = zero();
  for (int g = 0; g < groups; g++, data += record) {
    const uint8_t* at = data + size_t(parts) * bytes;
    const V scale = load_scale(w.scale, at), bias = load_scale(w.scale, at + PANEL * scale_size(w.scale));
    V t[R];
    for (int r = 0; r < R; r++) t[r] = zero();
    for (int part = 0; part < parts; part++) {
      const uint8_t* block = data + part * bytes;
      I d[R] = {};
      for (int c = 0; c < fours; c++) {
        const uint8_t* from = F == Form::Q4 ? block + c / 2 * 64 : block + c * 64;
        int shift = F == Form::Q4 ? c % 2 * 4 : 0, mask = F == Form::Q4 ? 15 : 255;
        for (int r = 0; r < R; r++) {
          const int8_t* x = q + r * 4;
          for (int i = 0; i < LANES; i++) {
            for (int j = 0; j < 4; j++) d[r].v[i] += (from[i * 4 + j] >> shift & mask) * x[j];
          }
        }
        q += 4 * width;
      }
      for (int r = 0; r < R; r++) {
        t[r] = fma(to_float(d[r]), set1(scales[r]), t[r]);
        out[r] = fma(bias, set1(sums[r]), out[r]);
      }
      scales += width, sums += width;
    }
    for (int r = 0; r < R; r++) out[r] = fma(t[r], scale, out[r]);
  }
}

#endif

} // namespace troupe::TROUPE_ISA
