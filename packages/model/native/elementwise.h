// Passes over all numbers of a tensor: the sum of squares of a gradient norm, and AdamW's update in place.
#pragma once

#include "fused_math.h"
#include "simd.h"

namespace SDPO_ISA {

// In float64 above runs of 1,024.
static double squared_sum(const float* x, int64_t count) {
  double total = 0;
  int64_t i = 0;
  while (i + kLanes <= count) {
    Floats part = Floats{};
    const int64_t stop = i + 1024 < count ? i + 1024 : count;
    for (; i + kLanes <= stop; i += kLanes) part += load(x + i) * load(x + i);
    total += sum(part);
  }
  for (; i < count; i++) total += static_cast<double>(x[i]) * x[i];
  return total;
}

// arXiv 1711.05101 in the form alpha m / (sqrt(v) + epsilon), alpha and epsilon holding the bias correction.
static void adamw(float* __restrict__ parameter, float* __restrict__ exp_avg, float* __restrict__ exp_avg_sq,
                  const float* __restrict__ gradient, const sdpo::AdamWNumbers& n, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const float g = gradient[i] * n.gradient_scale;
    const float m = exp_avg[i] + (g - exp_avg[i]) * (1.0f - n.beta1);
    const float v = exp_avg_sq[i] + (g * g - exp_avg_sq[i]) * (1.0f - n.beta2);
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    parameter[i] = parameter[i] * n.decay - n.alpha * m / (std::sqrt(v) + n.epsilon);
  }
}

}  // namespace SDPO_ISA
