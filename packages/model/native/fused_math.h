// The arithmetic of the fused kernels, compiled once for every instruction set; TensorFlow is not known here.
// All functions work on a range of rows (or on one item), so that a caller can spread them over threads.
#pragma once

#include <cstdint>

namespace sdpo {

// Attention over packed rows. Every row of `joint` holds heads + 2 kv_heads vectors of head_dim: queries, keys, values.
// `segments` has four numbers a segment: first row, rows, first row and rows of the prompt before it (rows 0: it is a
// prompt itself). A sequence is a prompt and the responses after it.
struct AttentionCall {
  const float* joint;
  const float* cosine;  // [rows, head_dim / 2]
  const float* sine;
  const int32_t* segments;
  const int32_t* sequences;  // first segment of every sequence, then the number of segments
  int64_t heads, kv_heads, head_dim;
  float* context;        // [rows, heads * head_dim]
  float* log_sum_exp;    // [rows, heads]
  const float* d_context;  // the gradient's inputs and output; the forward pass leaves them alone
  float* d_joint;
};

struct AdamWNumbers {
  float gradient_scale, beta1, beta2, alpha, epsilon;
  float decay;  // what the parameter is multiplied with first: 1 - learning rate * weight decay
};

struct FusedMath {
  const char* name;
  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* y, int64_t rows, int64_t width);
  // Adds the rows' share to d_weight.
  void (*rms_norm_gradient)(const float* x, const float* weight, const float* dy, float epsilon, float* dx,
                            float* d_weight, int64_t rows, int64_t width);
  void (*swiglu)(const float* gate_up, float* activated, int64_t rows, int64_t width);
  void (*swiglu_gradient)(const float* gate_up, const float* d_activated, float* d_gate_up, float* activated,
                          int64_t rows, int64_t width);
  void (*token_logps)(const float* logits, const int32_t* targets, float* logps, float* log_sum_exp, int64_t rows,
                      int64_t vocabulary);
  void (*token_logps_gradient)(const float* logits, const int32_t* targets, const float* log_sum_exp,
                               const float* coefficients, float* d_logits, int64_t rows, int64_t vocabulary);
  double (*squared_sum)(const float* x, int64_t count);
  void (*adamw)(float* parameter, float* exp_avg, float* exp_avg_sq, const float* gradient, const AdamWNumbers& numbers,
                int64_t count);
  // One item is one sequence and one key-value head. False where there is no memory for its scratch.
  bool (*attention)(const AttentionCall& call, int64_t item);
  bool (*attention_gradient)(const AttentionCall& call, int64_t item);
};

// The widest set of instructions that this processor has.
const FusedMath& fused_math();

}  // namespace sdpo
