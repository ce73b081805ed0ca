// Kernels that take one row at a time: RMSNorm (arXiv 1910.07467), SwiGLU (arXiv 2002.05202), log-probs of tokens.
#pragma once

#include "simd.h"

namespace SDPO_ISA {

static inline int64_t whole(int64_t width) { return width - width % kLanes; }

static float inverse_rms(const float* x, float epsilon, int64_t width) {
  Floats squares = Floats{};
  const int64_t end = whole(width);
  for (int64_t i = 0; i < end; i += kLanes) squares += load(x + i) * load(x + i);
  float total = sum(squares);
  for (int64_t i = end; i < width; i++) total += x[i] * x[i];
  return 1.0f / std::sqrt(total / width + epsilon);
}

static void rms_norm(const float* x, const float* weight, float epsilon, float* y, int64_t rows, int64_t width) {
  const int64_t end = whole(width);
  for (int64_t row = 0; row < rows; row++, x += width, y += width) {
    const float inverse = inverse_rms(x, epsilon, width);
    for (int64_t i = 0; i < end; i += kLanes) store(y + i, load(x + i) * inverse * load(weight + i));
    for (int64_t i = end; i < width; i++) y[i] = x[i] * inverse * weight[i];
  }
}

// With n = x * inverse: d_weight += dy n, dx = inverse (dy w - n mean(dy w n)).
static void rms_norm_gradient(const float* x, const float* weight, const float* dy, float epsilon, float* dx,
                              float* d_weight, int64_t rows, int64_t width) {
  const int64_t end = whole(width);
  for (int64_t row = 0; row < rows; row++, x += width, dy += width, dx += width) {
    const float inverse = inverse_rms(x, epsilon, width);
    Floats along = Floats{};
    for (int64_t i = 0; i < end; i += kLanes) {
      const Floats shared = load(dy + i) * (load(x + i) * inverse);
      store(d_weight + i, load(d_weight + i) + shared);
      along += shared * load(weight + i);
    }
    float total = sum(along);
    for (int64_t i = end; i < width; i++) {
      const float shared = dy[i] * (x[i] * inverse);
      d_weight[i] += shared;
      total += shared * weight[i];
    }
    const float mean = total / width;
    for (int64_t i = 0; i < end; i += kLanes) {
      store(dx + i, (load(dy + i) * load(weight + i) - load(x + i) * inverse * mean) * inverse);
    }
    for (int64_t i = end; i < width; i++) dx[i] = (dy[i] * weight[i] - x[i] * inverse * mean) * inverse;
  }
}

static inline Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }

static void swiglu(const float* gate_up, float* activated, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; row++, gate_up += 2 * width, activated += width) {
    const float* up = gate_up + width;
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      const Floats gate = load(gate_up + i);
      store(activated + i, gate * sigmoid(gate) * load(up + i));
    }
    if (i < width) {
      const int rest = static_cast<int>(width - i);
      const Floats gate = load_part(gate_up + i, rest, 0);
      store_part(activated + i, gate * sigmoid(gate) * load_part(up + i, rest, 0), rest);
    }
  }
}

// silu' = s + g s (1 - s), s = sigmoid(g)
static inline void swiglu_slopes(Floats gate, Floats up, Floats d, Floats* d_gate, Floats* d_up, Floats* activated) {
  const Floats s = sigmoid(gate);
  const Floats silu = gate * s;
  *d_gate = d * up * (s + silu * (1.0f - s));
  *d_up = d * silu;
  *activated = silu * up;
}

static void swiglu_gradient(const float* gate_up, const float* d_activated, float* d_gate_up, float* activated,
                            int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; row++) {
    const float* up = gate_up + width;
    Floats d_gate, d_up, value;
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      swiglu_slopes(load(gate_up + i), load(up + i), load(d_activated + i), &d_gate, &d_up, &value);
      store(d_gate_up + i, d_gate);
      store(d_gate_up + width + i, d_up);
      store(activated + i, value);
    }
    if (i < width) {
      const int rest = static_cast<int>(width - i);
      swiglu_slopes(load_part(gate_up + i, rest, 0), load_part(up + i, rest, 0), load_part(d_activated + i, rest, 0),
                    &d_gate, &d_up, &value);
      store_part(d_gate_up + i, d_gate, rest);
      store_part(d_gate_up + width + i, d_up, rest);
      store_part(activated + i, value, rest);
    }
    gate_up += 2 * width;
    d_gate_up += 2 * width;
    d_activated += width;
    activated += width;
  }
}

static float row_maximum(const float* row, int64_t width) {
  Floats most = splat(-INFINITY);
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) most = maximum(most, load(row + i));
  if (i < width) most = maximum(most, load_part(row + i, static_cast<int>(width - i), -INFINITY));
  return largest(most);
}

// Sum of e^(x - shift), in float64 above runs of 1,024: a vocabulary has more terms than float32 adds faithfully.
static double sum_of_exponentials(const float* row, float shift, int64_t width) {
  double total = 0;
  int64_t i = 0;
  while (i + kLanes <= width) {
    Floats part = Floats{};
    const int64_t stop = i + 1024 < width ? i + 1024 : width;
    for (; i + kLanes <= stop; i += kLanes) part += exponential(load(row + i) - shift);
    total += sum(part);
  }
  if (i < width) total += sum(exponential(load_part(row + i, static_cast<int>(width - i), -INFINITY) - shift));
  return total;
}

static void token_logps(const float* logits, const int32_t* targets, float* logps, float* log_sum_exp, int64_t rows,
                        int64_t vocabulary) {
  for (int64_t row = 0; row < rows; row++, logits += vocabulary) {
    const float most = row_maximum(logits, vocabulary);
    const double log_of_sum = std::log(sum_of_exponentials(logits, most, vocabulary));
    log_sum_exp[row] = static_cast<float>(most + log_of_sum);
    logps[row] = static_cast<float>(static_cast<double>(logits[targets[row]]) - most - log_of_sum);
  }
}

static void token_logps_gradient(const float* logits, const int32_t* targets, const float* log_sum_exp,
                                 const float* coefficients, float* d_logits, int64_t rows, int64_t vocabulary) {
  for (int64_t row = 0; row < rows; row++, logits += vocabulary, d_logits += vocabulary) {
    const float c = coefficients[row];
    const float shift = log_sum_exp[row];
    int64_t i = 0;
    for (; i + kLanes <= vocabulary; i += kLanes) store(d_logits + i, exponential(load(logits + i) - shift) * -c);
    if (i < vocabulary) {
      const int rest = static_cast<int>(vocabulary - i);
      store_part(d_logits + i, exponential(load_part(logits + i, rest, 0) - shift) * -c, rest);
    }
    d_logits[targets[row]] += c;
  }
}

}  // namespace SDPO_ISA
