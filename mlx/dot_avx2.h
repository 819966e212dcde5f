// Dot products with AVX2; see dot.h.

namespace troupe::TROUPE_ISA {

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

// The same unpacked: the two halves of each byte.
template <Form F>
constexpr int UNPACKED_BYTES = 2 * PART_BYTES<F>;

// group_size of a group of so many parts, known when this is compiled, as are all the steps through it: what is not known takes registers.
template <Form F, int PARTS>
inline size_t group_size(const Weight& w) { return PARTS * PART_BYTES<F> + 2 * PANEL * scale_size(w.scale); }

// Where weights are read: packed; packed, and left unpacked for others; or as others left them.
enum class Read { Packed, Unpack, Unpacked };

// sum[half][row] += the products of a group with R rows. Goes on to the next group in x.
//
// What lives through the innermost loop is few enough for the sixteen registers, and every loop over it is unrolled: an array that is
// indexed by a variable would live in memory. Sixteen-bit sums hold: 8 products of 15*127, two at a time, are 30480. So do those
// of a group's products with parts, in 32 bits. Eight-bit weights go as their two halves, whose products with parts would not hold.
template <Form F, int PARTS, int R, int S, Read W>
__attribute__((always_inline)) inline void dot_group(const Weight& w, const uint8_t* data, uint8_t* unpacked, size_t ahead, Codes<S>& x,
                                                     __m256 sum[2][R]) {
  constexpr int steps = PART_BYTES<F> / 64, H = F == Form::Q4 || R == 1 ? 2 : 1; // halves at a time
  const __m256i low = _mm256_set1_epi8(15);
  const uint8_t* at = data + PARTS * PART_BYTES<F>;
  int parts = PARTS;
  if constexpr (F == Form::Q8 || R == 1) asm("" : "+r"(parts)); // not unrolled: that would cost more registers than there are
  __m256i d[2][R]; // Q4
  __m256 t[2][R];  // Q8
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++)
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) d[h][r] = _mm256_setzero_si256(), t[h][r] = _mm256_setzero_ps();
#pragma GCC unroll 1
  for (int part = 0; part < parts; part++) {
#pragma GCC unroll 2
    for (int first = 0; first < 2; first += H) {
      __m256i a[H][R], b[H][R]; // b: the high halves of eight-bit weights
#pragma GCC unroll 8
      for (int c = 0; c < steps; c++) {
        __m256i lo[H], hi[H];
        if (W != Read::Unpacked && first == 0) _mm_prefetch((const char*)(data + c * 64 + ahead), _MM_HINT_T0);
#pragma GCC unroll 2
        for (int h = 0; h < H; h++) {
          if constexpr (W != Read::Unpacked) {
            const __m256i raw = _mm256_loadu_si256((const __m256i*)(data + c * 64) + first + h);
            lo[h] = _mm256_and_si256(raw, low), hi[h] = _mm256_and_si256(_mm256_srli_epi16(raw, 4), low);
          }
          if constexpr (W != Read::Packed) {
            __m256i* kept = (__m256i*)(unpacked + c * 128) + first + h;
            if constexpr (W == Read::Unpack) {
              _mm256_store_si256(kept, lo[h]), _mm256_store_si256(kept + 2, hi[h]);
            } else {
              lo[h] = _mm256_load_si256(kept), hi[h] = _mm256_load_si256(kept + 2);
            }
          }
        }
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
          const int8_t* q = x.q + (c * (F == Form::Q4 ? 2 : 1) * S + r) * 4;
          const __m256i fours = broadcast4(q);
#pragma GCC unroll 2
          for (int h = 0; h < H; h++) add_products(c == 0, a[h][r], lo[h], fours);
          const __m256i others = F == Form::Q4 ? broadcast4(q + S * 4) : fours;
#pragma GCC unroll 2
          for (int h = 0; h < H; h++) {
            if constexpr (F == Form::Q4) {
              add_products(false, a[h][r], hi[h], others);
            } else {
              add_products(c == 0, b[h][r], hi[h], others);
            }
          }
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) {
#pragma GCC unroll 2
        for (int h = 0; h < H; h++) {
          if constexpr (F == Form::Q4) {
            d[h][r] = _mm256_add_epi32(d[h][r], _mm256_madd_epi16(a[h][r], _mm256_set1_epi32(x.pairs[r])));
          } else {
            const __m256i whole = _mm256_add_epi32(_mm256_madd_epi16(a[h][r], _mm256_set1_epi16(1)),
                                                   _mm256_madd_epi16(b[h][r], _mm256_set1_epi16(16)));
            t[first + h][r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), _mm256_set1_ps(x.parts[r]), t[first + h][r]);
          }
        }
      }
    }
    data += PART_BYTES<F>;
    if constexpr (W != Read::Packed) unpacked += UNPACKED_BYTES<F>;
    x.next_part();
  }
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    const __m256 scale = load_scale8(w.scale, at, h), bias = load_scale8(w.scale, at + PANEL * scale_size(w.scale), h);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      if constexpr (F == Form::Q4) t[h][r] = _mm256_cvtepi32_ps(d[h][r]);
      sum[h][r] = _mm256_fmadd_ps(bias, _mm256_set1_ps(x.sums[r]), sum[h][r]);
      sum[h][r] = _mm256_fmadd_ps(t[h][r], scale, sum[h][r]);
    }
  }
  x.next_group();
}

// out[row] += the products of a chunk, of so many groups, with R rows.
template <Form F, int PARTS, int R, int S, Read W>
__attribute__((noinline)) void dot_chunk(const Weight& w, int groups, const uint8_t* data, uint8_t* unpacked, Codes<S> x,
                                         float (*out)[PANEL]) {
  const size_t record = group_size<F, PARTS>(w);
  __m256 sum[2][R];
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++)
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) sum[h][r] = _mm256_setzero_ps();
  for (int g = 0; g < groups; g++) {
    dot_group<F, PARTS, R, S, W>(w, data, unpacked, AHEAD, x, sum);
    data += record;
    if constexpr (W != Read::Packed) unpacked += PARTS * UNPACKED_BYTES<F>;
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) {
    const __m256 scale = _mm256_set1_ps(x.scales[r]);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
      _mm256_storeu_ps(out[r] + h * 8, _mm256_fmadd_ps(sum[h][r], scale, _mm256_loadu_ps(out[r] + h * 8)));
    }
  }
}

// One row and P panels, side by side: the processor's prefetcher brings more from several streams than from one. A panel takes its
// turn for a group at a time.
template <Form F, int PARTS, int P>
__attribute__((noinline)) void dot_streams(const Linear& l, const uint8_t* data, size_t panel, int tile, V out[P]) {
  // How far ahead each of several is fetched, in bytes; every ninth line or so is left to the prefetcher, to keep it going.
  constexpr int NEAR = P > 1 ? 512 : AHEAD;
  const size_t record = group_size<F, PARTS>(l.w);
  Codes<1> x(*l.in, l.w, tile, 0);
  __m256 all[P][2];
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) all[p][0] = all[p][1] = _mm256_setzero_ps();
  for (int chunk = 0; chunk < chunks_of(l.w.k); chunk++) {
    __m256 sum[P][2][1];
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) sum[p][0][0] = sum[p][1][0] = _mm256_setzero_ps();
    for (int g = 0; g < groups_of(l.w, chunk); g++, data += record) {
      Codes<1> next = x;
#pragma GCC unroll 4
      for (int p = 0; p < P; p++) {
        next = x;
        dot_group<F, PARTS, 1, 1, Read::Packed>(l.w, data + p * panel, nullptr, NEAR, next, sum[p]);
      }
      x = next;
    }
    const __m256 scale = _mm256_set1_ps(*x.scales);
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; h++) all[p][h] = _mm256_fmadd_ps(sum[p][h][0], scale, all[p][h]);
    }
    x.next_chunk();
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; p++) out[p] = {all[p][0], all[p][1]};
}

template <Form F, int PARTS>
inline void one_row(const Linear& l, int panel0, int panel1, int row) {
  constexpr int STREAMS = 4;
  constexpr size_t LONG = 8192; // panels of fewer bytes end before several streams are worth their start
  const size_t panel = panel_size(l.w);
  int p = panel0;
  for (; panel >= LONG && p + STREAMS <= panel1; p += STREAMS) {
    V out[STREAMS];
    dot_streams<F, PARTS, STREAMS>(l, l.w.data + p * panel, panel, row, out);
    for (int i = 0; i < STREAMS; i++) finish(l, p + i, row, out[i]);
  }
  for (; p < panel1; p++) {
    V out;
    dot_streams<F, PARTS, 1>(l, l.w.data + p * panel, panel, row, &out);
    finish(l, p, row, out);
  }
}

// Up to four rows, on S lanes.
template <Form F, int PARTS, int R, int S>
inline void few_rows(const Linear& l, int panel0, int panel1, int row) {
  const size_t record = group_size<F, PARTS>(l.w);
  const uint8_t* data = l.w.data + panel0 * panel_size(l.w);
  for (int p = panel0; p < panel1; p++) {
    float out[R][PANEL] = {};
    for (int chunk = 0; chunk < chunks_of(l.w.k); chunk++) {
      const int groups = groups_of(l.w, chunk);
      dot_chunk<F, PARTS, R, S, Read::Packed>(l.w, groups, data, nullptr, Codes<S>(*l.in, l.w, row, 0, chunk), out);
      data += groups * record;
    }
    for (int r = 0; r < R; r++) finish(l, p, row + r, load(out[r]));
  }
}

// More rows, of several tiles: each chunk of a panel is unpacked once, by the first four.
constexpr int MANY = 128; // rows at most
template <Form F, int PARTS>
void many_rows(const Linear& l, int panel0, int panel1, int row0, int row1) {
  const size_t record = group_size<F, PARTS>(l.w);
  const uint8_t* data = l.w.data + panel0 * panel_size(l.w);
  alignas(32) uint8_t unpacked[CHUNK / QUANT * UNPACKED_BYTES<F>];
  alignas(32) float out[MANY][PANEL];
  for (int p = panel0; p < panel1; p++) {
    std::memset(out, 0, sizeof out[0] * (row1 - row0));
    for (int chunk = 0; chunk < chunks_of(l.w.k); chunk++) {
      const int groups = groups_of(l.w, chunk);
      auto add = [&]<int R, int S, Read W>(int tile, int lane) {
        dot_chunk<F, PARTS, R, S, W>(l.w, groups, data, unpacked, Codes<S>(*l.in, l.w, tile, lane, chunk), out + tile - row0 + lane);
      };
      constexpr Read AGAIN = Read::Unpacked;
      for (int tile = row0; tile < row1; tile += TILE) {
        if (tile == row0) {
          add.template operator()<4, 8, Read::Unpack>(tile, 0);
        } else if (row1 - tile > 4) {
          add.template operator()<4, 8, AGAIN>(tile, 0);
        }
        switch (row1 - tile) {
          case 1: add.template operator()<1, 1, AGAIN>(tile, 0); break;
          case 2: add.template operator()<2, 2, AGAIN>(tile, 0); break;
          case 3: add.template operator()<3, 4, AGAIN>(tile, 0); break;
          case 4: add.template operator()<4, 4, AGAIN>(tile, 0); break;
          case 5: add.template operator()<1, 8, AGAIN>(tile, 4); break;
          case 6: add.template operator()<2, 8, AGAIN>(tile, 4); break;
          case 7: add.template operator()<3, 8, AGAIN>(tile, 4); break;
          default: add.template operator()<4, 8, AGAIN>(tile, 4);
        }
      }
      data += groups * record;
    }
    for (int row = row0; row < row1; row++) finish(l, p, row, load(out[row - row0]));
  }
}

template <Form F, int PARTS>
void linear_parts(const Linear& l, int panel0, int panel1, int row0, int row1) {
  for (int row = row0; row < row1; row += MANY) {
    const int rows = row1 - row < MANY ? row1 - row : MANY;
    switch (rows) {
      case 1: one_row<F, PARTS>(l, panel0, panel1, row); break;
      case 2: few_rows<F, PARTS, 2, 2>(l, panel0, panel1, row); break;
      case 3: few_rows<F, PARTS, 3, 4>(l, panel0, panel1, row); break;
      case 4: few_rows<F, PARTS, 4, 4>(l, panel0, panel1, row); break;
      default: many_rows<F, PARTS>(l, panel0, panel1, row, row + rows);
    }
  }
}

template <Form F>
void linear_quantised(const Linear& l, int panel0, int panel1, int row0, int row1) {
  switch (l.w.group / QUANT) {
    case 1: return linear_parts<F, 1>(l, panel0, panel1, row0, row1);
    case 2: return linear_parts<F, 2>(l, panel0, panel1, row0, row1);
    default: return linear_parts<F, 4>(l, panel0, panel1, row0, row1);
  }
}

} // namespace troupe::TROUPE_ISA
