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
// A dot product is summed in the order of the inputs, in float32, with one exception
// that is exact: the integer products of 32 inputs.

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

template <Scale S>
inline V load_scale(const uint8_t* p) {
  if constexpr (S == Scale::F32) return load((const float*)p);
  if constexpr (S == Scale::F16) return load_f16((const uint16_t*)p);
  if constexpr (S == Scale::BF16) return load_bf16((const uint16_t*)p);
}

template <Form F>
inline V load_weight(const uint8_t* p) {
  if constexpr (F == Form::F32) return load((const float*)p);
  if constexpr (F == Form::F16) return load_f16((const uint16_t*)p);
  if constexpr (F == Form::BF16) return load_bf16((const uint16_t*)p);
}

// Plain weights: out[p][r] for P panels and the R rows of a tile.
template <Form F, int P, int R>
inline void plain_tile(const uint8_t* w, size_t panel, int k, const float* x, V out[P][R]) {
  constexpr int step = PANEL * (F == Form::F32 ? 4 : 2);
  for (int p = 0; p < P; p++)
    for (int r = 0; r < R; r++) out[p][r] = zero();
  for (int i = 0; i < k; i++) {
    V a[P];
    for (int p = 0; p < P; p++) a[p] = load_weight<F>(w + p * panel + size_t(i) * step);
    for (int r = 0; r < R; r++) {
      V b = set1(x[i * R + r]);
      for (int p = 0; p < P; p++) out[p][r] = fma(a[p], b, out[p][r]);
    }
  }
}

// Quantised weights and float activations: the exact path.
template <int SHIFT, int P, int R>
inline void exact_input(const I raw[P], const V s[P], const V b[P], const float* x, V out[P][R]) {
  V w[P];
  constexpr int mask = SHIFT < 0 ? 255 : 15;
  for (int p = 0; p < P; p++) w[p] = fma(to_float(and_(shr<(SHIFT < 0 ? -SHIFT - 1 : SHIFT)>(raw[p]), mask)), s[p], b[p]);
  for (int r = 0; r < R; r++) {
    V v = set1(x[r]);
    for (int p = 0; p < P; p++) out[p][r] = fma(w[p], v, out[p][r]);
  }
}

template <Form F, Scale S, int P, int R>
inline void exact_tile(const Weight& w, const uint8_t* data, size_t panel, const float* x, V out[P][R]) {
  const size_t record = group_size(w);
  const int inputs = F == Form::Q4 ? 8 : 4; // in a block of 64 bytes
  const size_t integers = record - 2 * PANEL * scale_size(S);
  for (int p = 0; p < P; p++)
    for (int r = 0; r < R; r++) out[p][r] = zero();
  for (int g = 0; g < w.k / w.group; g++) {
    V s[P], b[P];
    for (int p = 0; p < P; p++) {
      const uint8_t* at = data + p * panel + g * record + integers;
      s[p] = load_scale<S>(at), b[p] = load_scale<S>(at + PANEL * scale_size(S));
    }
    for (int c = 0; c < w.group / inputs; c++) {
      I raw[P];
      for (int p = 0; p < P; p++) raw[p] = load_i32(data + p * panel + g * record + c * 64);
      const float* at = x + size_t(g * w.group + c * inputs) * R;
      if constexpr (F == Form::Q4) {
        exact_input<0, P, R>(raw, s, b, at, out);
        exact_input<8, P, R>(raw, s, b, at + R, out);
        exact_input<16, P, R>(raw, s, b, at + 2 * R, out);
        exact_input<24, P, R>(raw, s, b, at + 3 * R, out);
        exact_input<4, P, R>(raw, s, b, at + 4 * R, out);
        exact_input<12, P, R>(raw, s, b, at + 5 * R, out);
        exact_input<20, P, R>(raw, s, b, at + 6 * R, out);
        exact_input<28, P, R>(raw, s, b, at + 7 * R, out);
      } else {
        exact_input<-1, P, R>(raw, s, b, at, out);
        exact_input<-9, P, R>(raw, s, b, at + R, out);
        exact_input<-17, P, R>(raw, s, b, at + 2 * R, out);
        exact_input<-25, P, R>(raw, s, b, at + 3 * R, out);
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

// Runs a tile function over panels and rows: P panels at a time, so that the chains of
// additions of a few rows hide their latency, and a rest one by one. tile<P, R>(panel, tile row).
template <int P, int R, typename T>
inline void panels(const Linear& l, int panel0, int panel1, int row, T&& tile) {
  V out[P][R];
  int p = panel0;
  for (; p + P <= panel1; p += P) {
    tile.template operator()<P, R>(p, row, out);
    for (int i = 0; i < P; i++)
      for (int r = 0; r < R; r++) finish(l, p + i, row + r, out[i][r]);
  }
  if constexpr (P > 1) panels<1, R>(l, p, panel1, row, tile);
}

template <typename T>
inline void tiles(const Linear& l, int panel0, int panel1, int row0, int row1, T&& tile) {
  // A few panels at a time, so that they stay in the nearest cache while all rows pass by.
  for (int p = panel0; p < panel1; p += 4) {
    int end = p + 4 < panel1 ? p + 4 : panel1;
    for (int row = row0; row < row1; row += TILE) {
      switch (l.in->rows - row) {
        case 1: panels<4, 1>(l, p, end, row, tile); break;
        case 2: panels<2, 2>(l, p, end, row, tile); break;
        case 3: panels<2, 3>(l, p, end, row, tile); break;
        case 4: panels<1, 4>(l, p, end, row, tile); break;
        case 5: panels<1, 5>(l, p, end, row, tile); break;
        case 6: panels<1, 6>(l, p, end, row, tile); break;
        case 7: panels<1, 7>(l, p, end, row, tile); break;
        default: panels<1, 8>(l, p, end, row, tile); break;
      }
    }
  }
}

template <Form F>
void linear_plain(const Linear& l, int panel0, int panel1, int row0, int row1) {
  const size_t panel = panel_size(l.w);
  tiles(l, panel0, panel1, row0, row1, [&]<int P, int R>(int p, int row, V out[P][R]) {
    plain_tile<F, P, R>(l.w.data + p * panel, panel, l.w.k, l.in->x + size_t(row) * l.in->k, out);
  });
}

template <Form F, Scale S>
void linear_exact(const Linear& l, int panel0, int panel1, int row0, int row1) {
  const size_t panel = panel_size(l.w);
  tiles(l, panel0, panel1, row0, row1, [&]<int P, int R>(int p, int row, V out[P][R]) {
    exact_tile<F, S, P, R>(l.w, l.w.data + p * panel, panel, l.in->x + size_t(row) * l.in->k, out);
  });
}

template <Form F, Scale S>
void linear_quantised(const Linear& l, int panel0, int panel1, int row0, int row1) {
  const size_t panel = panel_size(l.w);
  tiles(l, panel0, panel1, row0, row1, [&]<int P, int R>(int p, int row, V out[P][R]) {
    const Input& in = *l.in;
    for (int i = 0; i < P; i++) {
      dot_tile<F, S, R>(l.w, l.w.data + (p + i) * panel, in.q + size_t(row) * in.k,
                        in.scales + size_t(row) * (in.k / QUANT), in.sums + size_t(row) * (in.k / QUANT), out[i]);
    }
  });
}

template <Form F, Scale S>
void linear_group(const Linear& l, int panel0, int panel1, int row0, int row1) {
  if (l.in->q) {
    linear_quantised<F, S>(l, panel0, panel1, row0, row1);
  } else {
    linear_exact<F, S>(l, panel0, panel1, row0, row1);
  }
}

template <Form F>
void linear_scaled(const Linear& l, int panel0, int panel1, int row0, int row1) {
  switch (l.w.scale) {
    case Scale::F32: return linear_group<F, Scale::F32>(l, panel0, panel1, row0, row1);
    case Scale::F16: return linear_group<F, Scale::F16>(l, panel0, panel1, row0, row1);
    case Scale::BF16: return linear_group<F, Scale::BF16>(l, panel0, panel1, row0, row1);
  }
}

void linear(const Linear& l, int panel0, int panel1, int row0, int row1) {
  switch (l.w.form) {
    case Form::F32: return linear_plain<Form::F32>(l, panel0, panel1, row0, row1);
    case Form::F16: return linear_plain<Form::F16>(l, panel0, panel1, row0, row1);
    case Form::BF16: return linear_plain<Form::BF16>(l, panel0, panel1, row0, row1);
    case Form::Q4: return linear_scaled<Form::Q4>(l, panel0, panel1, row0, row1);
    case Form::Q8: return linear_scaled<Form::Q8>(l, panel0, panel1, row0, row1);
  }
}

inline float scale_at(Scale s, const uint8_t* p, int i) {
  float x[LANES];
  switch (s) {
    case Scale::F32: store(x, load((const float*)p)); break;
    case Scale::F16: store(x, load_f16((const uint16_t*)p)); break;
    case Scale::BF16: store(x, load_bf16((const uint16_t*)p)); break;
  }
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
