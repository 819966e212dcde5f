// Integer dot products of quantised weights and quantised activations, for the
// instruction set at hand. Included after vec.h and before linear.h.

namespace troupe::TROUPE_ISA {

inline V load_scale(Scale s, const uint8_t* p);
inline size_t scale_size(Scale s);
inline size_t group_size(const Weight& w);

// out[r] is the dot product of a panel with R rows of a tile of S lanes; q, scales and sums
// begin at the first of the R. S is known at compile time, since the addresses cost as much as the products. For each 32 inputs
//
//	t = sum of q_w*q_x, exact;  out += scale_w*scale_x*t + bias_w*sum_x
//
// with the additions in this order: the products t*scale_x of a group, times its
// scale; before it the biases.

// How far ahead the weights are fetched, in bytes. The processor's own prefetcher
// does not keep up: with it alone eight rows take 1.4 times as long.
[[maybe_unused]] constexpr int AHEAD = 4096;

#if defined(TROUPE_AVX512)

template <Form F, int R, int S>
inline void dot_tile(const Weight& w, const uint8_t* data, const int8_t* q, const float* scales, const float* sums, V out[R]) {
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
            d[r] = _mm512_dpbusd_epi32(d[r], b, _mm512_set1_epi32(*(const int*)(q + (S + r) * 4)));
          }
          q += 8 * S;
        } else {
          for (int r = 0; r < R; r++) d[r] = _mm512_dpbusd_epi32(d[r], raw, _mm512_set1_epi32(*(const int*)(q + r * 4)));
          q += 4 * S;
        }
      }
      for (int r = 0; r < R; r++) {
        t[r] = fma(_mm512_cvtepi32_ps(d[r]), set1(scales[r]), t[r]);
        acc[r] = fma(bias, set1(sums[r]), acc[r]);
      }
      scales += S, sums += S;
    }
    for (int r = 0; r < R; r++) acc[r] = fma(t[r], scale, acc[r]);
  }
  for (int r = 0; r < R; r++) out[r] = acc[r];
}

#elif defined(TROUPE_AVX2)

// Eight of the sixteen scales of a panel's group.
inline __m256 load_scale8(Scale s, const uint8_t* p, int half) {
  switch (s) {
    case Scale::F32: return _mm256_loadu_ps((const float*)p + half * 8);
    case Scale::F16: return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p + half));
    default: return widen_bf16((const uint16_t*)p + half * 8);
  }
}

inline __m256i broadcast4(const int8_t* p) {
  int four;
  std::memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

// sum (+)= the products of weights and activations, two by two. The compiler would make a tree of such additions, whose leaves go to memory.
inline void add_products(bool first, __m256i& sum, __m256i weights, __m256i activations) {
  const __m256i products = _mm256_maddubs_epi16(weights, activations);
  sum = first ? products : _mm256_add_epi16(sum, products);
  asm("" : "+x"(sum));
}

// Adds up R rows of H halves of a panel, the first of which is FIRST: eight outputs each. What lives through the loop is few
// enough for the sixteen registers, and every loop over it is unrolled: an array that is
// indexed by a variable would live in memory.
//
// Sixteen-bit sums hold: 8 products of 15*127, two at a time, are 30480. Eight-bit
// weights go as their two halves.
template <Form F, int R, int S, int H, int FIRST, int PASS, int PASSES>
__attribute__((always_inline)) inline void dot_halves(const Weight& w, const uint8_t* data, const int8_t* q, const float* scales,
                                                      const float* sums, size_t ahead, __m256 o[H][R]) {
  const __m256i low = _mm256_set1_epi8(15);
  const size_t record = group_size(w);
  const int groups = w.k / w.group, parts = w.group / QUANT;
  constexpr int bytes = F == Form::Q4 ? 256 : 512; // of 32 inputs
  constexpr int steps = bytes / 64, B = F == Form::Q4 ? 1 : R;
  __m256 acc[H][R];
#pragma GCC unroll 2
  for (int h = 0; h < H; h++)
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) acc[h][r] = _mm256_setzero_ps();
  for (int g = 0; g < groups; g++) {
    const uint8_t* at = data + size_t(parts) * bytes;
    __m256 scale[H], bias[H];
#pragma GCC unroll 2
    for (int h = 0; h < H; h++) {
      scale[h] = load_scale8(w.scale, at, FIRST + h);
      bias[h] = load_scale8(w.scale, at + PANEL * scale_size(w.scale), FIRST + h);
    }
    for (int part = 0; part < parts; part++) {
      __m256i a[H][R], b[H][B]; // b: the high halves of eight-bit weights
#pragma GCC unroll 8
      for (int c = 0; c < steps; c++) {
        if (c % PASSES == PASS) _mm_prefetch((const char*)(data + c * 64 + ahead), _MM_HINT_T0);
        __m256i lo[H], hi[H];
#pragma GCC unroll 2
        for (int h = 0; h < H; h++) {
          const __m256i raw = _mm256_loadu_si256((const __m256i*)(data + c * 64 + (FIRST + h) * 32));
          lo[h] = _mm256_and_si256(raw, low), hi[h] = _mm256_and_si256(_mm256_srli_epi16(raw, 4), low);
        }
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
          const int8_t* x = q + (c * (F == Form::Q4 ? 2 : 1) * S + r) * 4;
          const __m256i first = broadcast4(x);
          if constexpr (F == Form::Q4) {
            const __m256i second = broadcast4(x + S * 4);
#pragma GCC unroll 2
            for (int h = 0; h < H; h++) {
              add_products(c == 0, a[h][r], lo[h], first);
              add_products(false, a[h][r], hi[h], second);
            }
          } else {
#pragma GCC unroll 2
            for (int h = 0; h < H; h++) {
              add_products(c == 0, a[h][r], lo[h], first);
              add_products(c == 0, b[h][r], hi[h], first);
            }
          }
        }
      }
      data += bytes, q += QUANT * S;
#pragma GCC unroll 2
      for (int h = 0; h < H; h++) {
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
          __m256i d = _mm256_madd_epi16(a[h][r], _mm256_set1_epi16(1));
          if constexpr (F == Form::Q8) d = _mm256_add_epi32(d, _mm256_madd_epi16(b[h][r], _mm256_set1_epi16(16)));
          const __m256 t = _mm256_mul_ps(_mm256_cvtepi32_ps(d), _mm256_set1_ps(scales[r]));
          acc[h][r] = _mm256_fmadd_ps(bias[h], _mm256_set1_ps(sums[r]), acc[h][r]);
          acc[h][r] = _mm256_fmadd_ps(t, scale[h], acc[h][r]);
        }
      }
      scales += S, sums += S;
    }
    data = at + record - size_t(parts) * bytes;
  }
#pragma GCC unroll 2
  for (int h = 0; h < H; h++)
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) o[h][r] = acc[h][r];
}

// As many rows as fit the registers take both halves of the panel at once. More go in passes, each of which
// fetches its share of the next panel.
template <Form F, int R, int S, int PASS = 0, int PASSES = F == Form::Q4 ? (R + 3) / 4 : R <= 1 ? 1 : (R + 3) / 4 * 2>
inline void dot_tile(const Weight& w, const uint8_t* data, const int8_t* q, const float* scales, const float* sums, V out[R]) {
  constexpr bool whole = F == Form::Q4 || R == 1;
  const size_t ahead = PASSES == 1 ? AHEAD : group_size(w) * (w.k / w.group);
  if constexpr (R > 4) {
    dot_tile<F, 4, S, PASS, PASSES>(w, data, q, scales, sums, out);
    dot_tile<F, R - 4, S, PASS + (whole ? 1 : 2), PASSES>(w, data, q + 16, scales + 4, sums + 4, out + 4);
  } else if constexpr (whole) {
    __m256 o[2][R];
    dot_halves<F, R, S, 2, 0, PASS, PASSES>(w, data, q, scales, sums, ahead, o);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) out[r] = {o[0][r], o[1][r]};
  } else {
    __m256 a[1][R], b[1][R];
    dot_halves<F, R, S, 1, 0, PASS, PASSES>(w, data, q, scales, sums, ahead, a);
    dot_halves<F, R, S, 1, 1, PASS + 1, PASSES>(w, data, q, scales, sums, ahead, b);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) out[r] = {a[0][r], b[0][r]};
  }
}

// One row and P panels, side by side: the processor's prefetcher brings more from several streams than from one. A panel takes its
// turn for 32 inputs at a time.
template <Form F, int P, int S>
__attribute__((always_inline)) inline void dot_row(const Weight& w, const uint8_t* data, size_t panel, const int8_t* q,
                                                   const float* scales, const float* sums, V out[P][1]) {
  constexpr int NEAR = 512; // how far ahead each is fetched, in bytes; every ninth line or so is left to the prefetcher, to keep it going
  const __m256i low = _mm256_set1_epi8(15);
  const size_t record = group_size(w);
  const int groups = w.k / w.group, parts = w.group / QUANT;
  constexpr int bytes = F == Form::Q4 ? 256 : 512, steps = bytes / 64, step = F == Form::Q4 ? 8 : 4; // bytes, loads, inputs of a load
  __m256 acc[P][2];
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) acc[p][0] = acc[p][1] = _mm256_setzero_ps();
  for (int g = 0; g < groups; g++, data += record) {
    const uint8_t* at = data + size_t(parts) * bytes;
    for (int part = 0; part < parts; part++) {
      const __m256 scale = _mm256_set1_ps(*scales), total = _mm256_set1_ps(*sums);
#pragma GCC unroll 4
      for (int p = 0; p < P; p++) {
        const uint8_t* from = data + p * panel + part * bytes;
        __m256i a[2], b[2]; // b: the high halves of eight-bit weights
#pragma GCC unroll 8
        for (int c = 0; c < steps; c++) {
          _mm_prefetch((const char*)(from + c * 64 + NEAR), _MM_HINT_T0);
          const int8_t* x = q + c * step * S;
          const __m256i first = broadcast4(x);
#pragma GCC unroll 2
          for (int h = 0; h < 2; h++) {
            const __m256i raw = _mm256_loadu_si256((const __m256i*)(from + c * 64 + h * 32));
            const __m256i lo = _mm256_and_si256(raw, low), hi = _mm256_and_si256(_mm256_srli_epi16(raw, 4), low);
            add_products(c == 0, a[h], lo, first);
            if constexpr (F == Form::Q4) {
              add_products(false, a[h], hi, broadcast4(x + S * 4));
            } else {
              add_products(c == 0, b[h], hi, first);
            }
          }
        }
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
          __m256i d = _mm256_madd_epi16(a[h], _mm256_set1_epi16(1));
          if constexpr (F == Form::Q8) d = _mm256_add_epi32(d, _mm256_madd_epi16(b[h], _mm256_set1_epi16(16)));
          const uint8_t* scale_w = at + p * panel;
          acc[p][h] = _mm256_fmadd_ps(load_scale8(w.scale, scale_w + PANEL * scale_size(w.scale), h), total, acc[p][h]);
          acc[p][h] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(d), scale), load_scale8(w.scale, scale_w, h), acc[p][h]);
        }
      }
      q += QUANT * S, scales += S, sums += S;
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) out[p][0] = {acc[p][0], acc[p][1]};
}

#else

template <Form F, int R, int S>
inline void dot_tile(const Weight& w, const uint8_t* data, const int8_t* q, const float* scales, const float* sums, V out[R]) {
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
        q += 4 * S;
      }
      for (int r = 0; r < R; r++) {
        t[r] = fma(to_float(d[r]), set1(scales[r]), t[r]);
        out[r] = fma(bias, set1(sums[r]), out[r]);
      }
      scales += S, sums += S;
    }
    for (int r = 0; r < R; r++) out[r] = fma(t[r], scale, out[r]);
  }
}

#endif

// The same for P panels, of so many bytes each.
template <Form F, int P, int R, int S>
inline void dot_panels(const Weight& w, const uint8_t* data, size_t panel, const int8_t* q, const float* scales, const float* sums,
                       V out[P][R]) {
#if defined(TROUPE_AVX2)
  constexpr size_t LONG = 8192; // shorter ones end before several streams are worth their start
  if constexpr (P > 1 && R == 1) {
    if (panel >= LONG) return dot_row<F, P, S>(w, data, panel, q, scales, sums, out);
  }
#endif
  for (int p = 0; p < P; p++) dot_tile<F, R, S>(w, data + p * panel, q, scales, sums, out[p]);
}

} // namespace troupe::TROUPE_ISA
