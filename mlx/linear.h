// Linear layers. Included by the file of each instruction set, after vec.h.
//
// Weights lie in panels of 16 outputs; the last panel is filled up with zeros. In a
// panel the inputs come one after the other:
//
//	F32, F16, BF16   for each input 16 values
//	Q4, Q8           for each group: the integers, then 16 scales, then 16 biases
//
// The integers of a group are stored by fours of inputs, [16 outputs][4 inputs]: Q8 one
// byte each; Q4 two fours in one block of 64 bytes, the first in the low halves of
// the bytes. w = scale*q + bias, as MLX has it.
//
// A dot product is summed in the order of the inputs, in float32; that of quantised inputs
// as dot.h has it.

namespace troupe::TROUPE_ISA {

inline size_t scale_size(Scale s) { return s == Scale::F32 ? 4 : 2; }

inline size_t group_size(const Weight& w) {
  return size_t(PANEL) * w.group * (w.form == Form::Q4 ? 4 : 8) / 8 + 2 * PANEL * scale_size(w.scale);
}

inline size_t panel_size(const Weight& w) {
  switch (w.form) {
    case Form::F32: return size_t(PANEL) * 4 * w.k;
    case Form::F16:
    case Form::BF16: return size_t(PANEL) * 2 * w.k;
    default: return group_size(w) * (w.k / w.group);
  }
}

// A switch and not a template: it is taken once for a group, always the same way.
inline V load_scale(Scale s, const uint8_t* p) {
  switch (s) {
    case Scale::F32: return load((const float*)p);
    case Scale::F16: return load_f16((const uint16_t*)p);
    default: return load_bf16((const uint16_t*)p);
  }
}

template <Form F>
inline V load_weight(const uint8_t* p) {
  if constexpr (F == Form::F32) return load((const float*)p);
  if constexpr (F == Form::F16) return load_f16((const uint16_t*)p);
  if constexpr (F == Form::BF16) return load_bf16((const uint16_t*)p);
}

// The functions below compute out[p][r] for P panels and R of the rows of a tile of
// so many lanes; x begins at the first of the R.

// Plain weights.
template <Form F, int P, int R>
inline void plain_tile(const uint8_t* w, size_t panel, int k, const float* x, int lanes, V out[P][R]) {
  constexpr int step = PANEL * (F == Form::F32 ? 4 : 2);
  for (int p = 0; p < P; p++)
    for (int r = 0; r < R; r++) out[p][r] = zero();
  for (int i = 0; i < k; i++, x += lanes) {
    V a[P];
    for (int p = 0; p < P; p++) a[p] = load_weight<F>(w + p * panel + size_t(i) * step);
    for (int r = 0; r < R; r++) {
      V b = set1(x[r]);
      for (int p = 0; p < P; p++) out[p][r] = fma(a[p], b, out[p][r]);
    }
  }
}

// Quantised weights and float activations: the exact path.
template <Form F, int P, int R>
inline void exact_tile(const Weight& w, const uint8_t* data, size_t panel, const float* x, int lanes, V out[P][R]) {
  const size_t record = group_size(w);
  constexpr int inputs = F == Form::Q4 ? 8 : 4; // in a block of 64 bytes
  const size_t integers = record - 2 * PANEL * scale_size(w.scale);
  for (int p = 0; p < P; p++)
    for (int r = 0; r < R; r++) out[p][r] = zero();
  for (int g = 0; g < w.k / w.group; g++, data += record) {
    V s[P], b[P];
    for (int p = 0; p < P; p++) {
      const uint8_t* at = data + p * panel + integers;
      s[p] = load_scale(w.scale, at), b[p] = load_scale(w.scale, at + PANEL * scale_size(w.scale));
    }
    for (int c = 0; c < w.group / inputs; c++) {
      I raw[P];
      for (int p = 0; p < P; p++) raw[p] = load_i32(data + p * panel + c * 64);
      for (int i = 0; i < inputs; i++, x += lanes) {
        V a[P];
        for (int p = 0; p < P; p++) {
          const I q = F == Form::Q4 ? and_(shr(raw[p], i % 4 * 8 + i / 4 * 4), 15) : and_(shr(raw[p], i * 8), 255);
          a[p] = fma(to_float(q), s[p], b[p]);
        }
        for (int r = 0; r < R; r++) {
          V v = set1(x[r]);
          for (int p = 0; p < P; p++) out[p][r] = fma(a[p], v, out[p][r]);
        }
      }
    }
  }
}

inline void finish(const Linear& l, int panel, int row, V v) {
  int n0 = panel * PANEL, n = l.w.n - n0 < PANEL ? l.w.n - n0 : PANEL;
  float* dst = l.dst + size_t(row) * l.stride + n0;
  if (l.bias) v = add(v, load_n(l.bias + n0, n));
  if (l.add) v = add(load_n(dst, n), v);
  store_n(dst, v, n);
}

// Runs tile<P, R>(panel, row, lane, out) over panels and R rows of a tile: P panels at a
// time, so that the chains of additions of a few rows hide their latency, and the
// rest one by one.
template <int P, int R, typename T>
inline void panels(const Linear& l, int panel0, int panel1, int row, int lane, T&& tile) {
  V out[P][R];
  int p = panel0;
  for (; p + P <= panel1; p += P) {
    tile.template operator()<P, R>(p, row, lane, out);
    for (int i = 0; i < P; i++)
      for (int r = 0; r < R; r++) finish(l, p + i, row + lane + r, out[i][r]);
  }
  if constexpr (P > 1) panels<1, R>(l, p, panel1, row, lane, tile);
}

// The rows of one tile, as many at a time as there are, but not more than MOST.
template <int MOST, typename T>
inline void rows_of_tile(const Linear& l, int panel0, int panel1, int row, int rows, T&& tile) {
  int lane = 0;
  if constexpr (MOST >= 8) {
    for (; lane + 8 <= rows; lane += 8) panels<1, 8>(l, panel0, panel1, row, lane, tile);
  }
  if constexpr (MOST >= 4) {
    for (; lane + 4 <= rows; lane += 4) panels<1, 4>(l, panel0, panel1, row, lane, tile);
  }
  if constexpr (MOST >= 2) {
    for (; lane + 2 <= rows; lane += 2) panels<2, 2>(l, panel0, panel1, row, lane, tile);
  }
  for (; lane < rows; lane++) panels<4, 1>(l, panel0, panel1, row, lane, tile);
}

// Runs f(panel, end of panels, row, rows of its tile) over panels and rows: a few panels
// at a time, so that they stay in the nearest cache while all rows pass by.
template <typename F>
inline void tiles(const Linear& l, int panel0, int panel1, int row0, int row1, F&& f) {
  for (int p = panel0; p < panel1; p += 4) {
    const int end = p + 4 < panel1 ? p + 4 : panel1;
    for (int row = row0; row < row1; row += TILE) f(p, end, row, l.in->rows - row < TILE ? l.in->rows - row : TILE);
  }
}

// Calls tile<P, R>(panel, x of its first row, lanes, out) for layers whose activations are floats.
template <typename T>
inline void float_tiles(const Linear& l, int panel0, int panel1, int row0, int row1, T&& tile) {
  tiles(l, panel0, panel1, row0, row1, [&](int p0, int p1, int row, int rows) {
    const int lanes = lanes_of(rows);
    rows_of_tile<4>(l, p0, p1, row, rows, [&]<int P, int R>(int p, int row, int lane, V out[P][R]) {
      tile.template operator()<P, R>(p, l.in->x + size_t(row) * l.w.k + lane, lanes, out);
    });
  });
}

template <Form F>
void linear_plain(const Linear& l, int panel0, int panel1, int row0, int row1) {
  const size_t panel = panel_size(l.w);
  float_tiles(l, panel0, panel1, row0, row1, [&]<int P, int R>(int p, const float* x, int lanes, V out[P][R]) {
    plain_tile<F, P, R>(l.w.data + p * panel, panel, l.w.k, x, lanes, out);
  });
}

template <Form F>
void linear_exact(const Linear& l, int panel0, int panel1, int row0, int row1) {
  const size_t panel = panel_size(l.w);
  float_tiles(l, panel0, panel1, row0, row1, [&]<int P, int R>(int p, const float* x, int lanes, V out[P][R]) {
    exact_tile<F, P, R>(l.w, l.w.data + p * panel, panel, x, lanes, out);
  });
}

// Quantised weights and activations; see dot.h.
template <Form F>
void linear_quantised(const Linear& l, int panel0, int panel1, int row0, int row1);

template <Form F>
void linear_integers(const Linear& l, int panel0, int panel1, int row0, int row1) {
  if (l.in->q) {
    linear_quantised<F>(l, panel0, panel1, row0, row1);
  } else {
    linear_exact<F>(l, panel0, panel1, row0, row1);
  }
}

void linear(const Linear& l, int panel0, int panel1, int row0, int row1) {
  switch (l.w.form) {
    case Form::F32: return linear_plain<Form::F32>(l, panel0, panel1, row0, row1);
    case Form::F16: return linear_plain<Form::F16>(l, panel0, panel1, row0, row1);
    case Form::BF16: return linear_plain<Form::BF16>(l, panel0, panel1, row0, row1);
    case Form::Q4: return linear_integers<Form::Q4>(l, panel0, panel1, row0, row1);
    case Form::Q8: return linear_integers<Form::Q8>(l, panel0, panel1, row0, row1);
  }
}

inline float scale_at(Scale s, const uint8_t* p, int i) {
  float x[LANES];
  store(x, load_scale(s, p));
  return x[i];
}

// Rows of a weight, as an embedding has them: dst[row] = w[tokens[row]].
void lookup(const Weight& w, const int32_t* tokens, float* dst, int row0, int row1) {
  for (int row = row0; row < row1; row++) {
    int token = tokens[row], lane = token % PANEL;
    const uint8_t* panel = w.data + size_t(token / PANEL) * panel_size(w);
    float* out = dst + size_t(row) * w.k;
    if (w.form == Form::F32 || w.form == Form::F16 || w.form == Form::BF16) {
      Scale as = w.form == Form::F32 ? Scale::F32 : w.form == Form::F16 ? Scale::F16 : Scale::BF16;
      for (int i = 0; i < w.k; i++) out[i] = scale_at(as, panel + size_t(i) * PANEL * scale_size(as), lane);
      continue;
    }
    const size_t record = group_size(w), size = scale_size(w.scale);
    for (int g = 0; g < w.k / w.group; g++) {
      const uint8_t* q = panel + g * record;
      const uint8_t* scales = q + record - 2 * PANEL * size;
      float s = scale_at(w.scale, scales, lane), b = scale_at(w.scale, scales + PANEL * size, lane);
      for (int i = 0; i < w.group; i++) {
        int v = w.form == Form::Q8 ? q[i / 4 * 64 + lane * 4 + i % 4] : q[i / 8 * 64 + lane * 4 + i % 4] >> (i / 4 % 2 * 4) & 15;
        out[g * w.group + i] = float(v) * s + b;
      }
    }
  }
}

} // namespace troupe::TROUPE_ISA
