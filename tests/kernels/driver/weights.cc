#include "weights.h"

namespace check {

int random_inputs(Random& random) {
  if (random.one_in(8)) return 128 * random.in(8, 12); // one row of such long panels goes its own way
  return random.one_in(3) ? random.in(1, 200) : 32 * random.in(1, 12);
}

// Appends a number of the type, and returns it.
static double append(Random& random, Scale type, float x, std::vector<uint8_t>* to) {
  uint8_t bytes[4];
  uint16_t h = 0;
  double value = x;
  size_t size = 2;
  switch (type) {
    case Scale::F32:
      std::memcpy(bytes, &x, size = 4);
      break;
    case Scale::F16:
      h = narrow(x), value = half(h);
      break;
    case Scale::BF16:
      uint32_t bits;
      std::memcpy(&bits, &x, 4);
      h = uint16_t(bits >> 16), value = brain(h);
      break;
  }
  if (size == 2) std::memcpy(bytes, &h, 2);
  to->insert(to->end(), bytes, bytes + size);
  return value;
}

Layer random_layer(Random& random, int n, int k) {
  Weight w{nullptr, Form::F32, random.pick({Scale::F32, Scale::F16, Scale::BF16}), n, k, 0};
  std::vector<int> groups;
  for (int g : {32, 64, 128})
    if (k % g == 0) groups.push_back(g);
  w.form = random.pick({Form::F32, Form::F16, Form::BF16});
  if (!groups.empty() && !random.one_in(4)) {
    w.form = random.pick({Form::Q4, Form::Q8});
    w.group = groups[size_t(random.in(0, int(groups.size()) - 1))];
  }
  const size_t all = size_t(n) * k;
  std::vector<double> dense(all), magnitude(all);
  std::vector<uint8_t> weights, scales, biases;
  if (w.group == 0) {
    const Scale type = w.form == Form::F32 ? Scale::F32 : w.form == Form::F16 ? Scale::F16 : Scale::BF16;
    for (size_t i = 0; i < all; i++) magnitude[i] = std::abs(dense[i] = append(random, type, random.normal(), &weights));
  } else {
    std::vector<double> s, b;
    for (size_t i = 0; i < all / w.group; i++) {
      s.push_back(append(random, w.scale, random.normal() / (w.form == Form::Q4 ? 8 : 128), &scales));
      b.push_back(append(random, w.scale, random.normal(), &biases));
    }
    for (size_t i = 0; i < all; i++) {
      const int code = random.in(0, w.form == Form::Q4 ? 15 : 255);
      if (w.form == Form::Q8) {
        weights.push_back(uint8_t(code));
      } else if (i % 2 == 0) {
        weights.push_back(uint8_t(code));
      } else {
        weights.back() |= uint8_t(code << 4);
      }
      dense[i] = s[i / w.group] * code + b[i / w.group];
      magnitude[i] = std::abs(s[i / w.group] * code) + std::abs(b[i / w.group]);
    }
  }
  Buffer<uint8_t> packed(packed_size(w));
  const auto from = copy(weights), scale = copy(scales), bias = copy(biases);
  pack(w, from.data(), scale.data(), bias.data(), packed.data());
  w.data = packed.data();
  return {w, std::move(packed), std::move(dense), std::move(magnitude)};
}

} // namespace check
