// Vectors of floats in the compiler's own notation: the same source serves AVX-512, AVX2, SSE and NEON.
// Included once for every instruction set, inside the namespace SDPO_ISA.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace SDPO_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Floats __attribute__((vector_size(kLanes * 4)));
typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));

static inline Floats load(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

static inline void store(float* to, Floats v) { std::memcpy(to, &v, sizeof v); }

static inline Floats splat(float x) { return x - Floats{}; }

static inline float sum(Floats v) {
  float total = 0;
  for (int i = 0; i < kLanes; i++) total += v[i];
  return total;
}

static inline float largest(Floats v) {
  float most = v[0];
  for (int i = 1; i < kLanes; i++) most = v[i] > most ? v[i] : most;
  return most;
}

static inline Floats maximum(Floats a, Floats b) { return a > b ? a : b; }

// e^x to about 1e-7 relative: x = n ln 2 + r, |r| <= ln 2 / 2, and a Taylor polynomial for e^r. Below -87 the result
// is 0 (float32 has no normal number there); above 88 it stays at e^88.
static inline Floats exponential(Floats x) {
  const Floats kept = x > 88.0f ? splat(88.0f) : x;
  // Adding 1.5 * 2^23 rounds to a whole number.
  const Floats rounding = splat(12582912.0f);
  const Floats n = (kept * 1.44269504088896341f + rounding) - rounding;
  const Floats r = (kept - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = splat(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  Ints bits;
  std::memcpy(&bits, &p, sizeof bits);
  bits += __builtin_convertvector(n, Ints) << 23;
  std::memcpy(&p, &bits, sizeof p);
  return x < -87.0f ? Floats{} : p;
}

// The last, shorter vector of a row: its missing lanes hold `fill`.
static inline Floats load_part(const float* from, int count, float fill) {
  Floats v = splat(fill);
  std::memcpy(&v, from, sizeof(float) * count);
  return v;
}

static inline void store_part(float* to, Floats v, int count) { std::memcpy(to, &v, sizeof(float) * count); }

}  // namespace SDPO_ISA
