//go:build cgo && !nomlx

// Weights from the form of the files to the form of the kernels; see linear.h.

#include <cstring>

#include "program.h"

namespace troupe {

static size_t scale_bytes(const Weight& w) { return w.scale == Scale::F32 ? 4 : 2; }

static size_t element_bytes(Form f) { return f == Form::F32 ? 4 : 2; }

static bool quantised(const Weight& w) { return w.form == Form::Q4 || w.form == Form::Q8; }

static size_t integers_size(const Weight& w) { return size_t(PANEL) * w.group * (w.form == Form::Q4 ? 4 : 8) / 8; }

static size_t panel_bytes(const Weight& w) {
  if (!quantised(w)) return size_t(PANEL) * element_bytes(w.form) * w.k;
  return (integers_size(w) + 2 * PANEL * scale_bytes(w)) * (w.k / w.group);
}

size_t packed_size(const Weight& w) { return panel_bytes(w) * ((w.n + PANEL - 1) / PANEL); }

static void pack_plain(const Weight& w, const char* from, uint8_t* dst) {
  const size_t size = element_bytes(w.form);
  for (int n = 0; n < w.n; n++) {
    uint8_t* to = dst + n / PANEL * panel_bytes(w) + n % PANEL * size;
    for (int k = 0; k < w.k; k++) std::memcpy(to + k * PANEL * size, from + (size_t(n) * w.k + k) * size, size);
  }
}

static void pack_quantised(const Weight& w, const uint8_t* from, const char* scales, const char* biases, uint8_t* dst) {
  const size_t record = integers_size(w) + 2 * PANEL * scale_bytes(w), size = scale_bytes(w);
  const int groups = w.k / w.group;
  const size_t row = size_t(w.k) * (w.form == Form::Q4 ? 4 : 8) / 8;
  for (int n = 0; n < w.n; n++) {
    const uint8_t* in = from + n * row;
    for (int g = 0; g < groups; g++) {
      uint8_t* to = dst + n / PANEL * panel_bytes(w) + g * record;
      uint8_t* lane = to + n % PANEL * 4;
      for (int i = 0; i < w.group; i++) {
        const int k = g * w.group + i;
        if (w.form == Form::Q8) {
          lane[i / 4 * 64 + i % 4] = in[k];
        } else {
          const int q = in[k / 2] >> (k % 2 * 4) & 15;
          lane[i / 8 * 64 + i % 4] |= uint8_t(q << (i / 4 % 2 * 4));
        }
      }
      const size_t at = (size_t(n) * groups + g) * size;
      std::memcpy(to + integers_size(w) + n % PANEL * size, scales + at, size);
      std::memcpy(to + integers_size(w) + (PANEL + n % PANEL) * size, biases + at, size);
    }
  }
}

void pack(const Weight& w, const void* weights, const void* scales, const void* biases, uint8_t* dst) {
  std::memset(dst, 0, packed_size(w));
  if (quantised(w)) {
    pack_quantised(w, static_cast<const uint8_t*>(weights), static_cast<const char*>(scales),
                   static_cast<const char*>(biases), dst);
  } else {
    pack_plain(w, static_cast<const char*>(weights), dst);
  }
}

} // namespace troupe
