// The fused kernels as operations of TensorFlow on the CPU. Shapes and contents are checked here: the arithmetic trusts them.
// Memory that is missing ends an operation with a status, never with an exception, which would end the process: scratch comes
// from allocate_temp, and the arithmetic says where it found none.
#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "fused_math.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace sdpo {

using tensorflow::DT_DOUBLE;
using tensorflow::DT_FLOAT;
using tensorflow::DT_INT32;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;
using tensorflow::errors::ResourceExhausted;
using tensorflow::shape_inference::UnknownShape;

REGISTER_OP("SdpoRmsNorm").Input("x: float").Input("weight: float").Output("y: float").Attr("epsilon: float").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoRmsNormGradient")
    .Input("x: float").Input("weight: float").Input("dy: float")
    .Output("dx: float").Output("d_weight: float").Attr("epsilon: float").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoSwiglu").Input("gate_up: float").Output("activated: float").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoSwigluGradient")
    .Input("gate_up: float").Input("d_activated: float")
    .Output("d_gate_up: float").Output("activated: float").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoTokenLogps")
    .Input("logits: float").Input("targets: int32")
    .Output("logps: float").Output("log_sum_exp: float").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoTokenLogpsGradient")
    .Input("logits: float").Input("targets: int32").Input("log_sum_exp: float").Input("coefficients: float")
    .Output("d_logits: float").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoAttention")
    .Input("joint: float").Input("cos: float").Input("sin: float").Input("segments: int32")
    .Output("context: float").Output("log_sum_exp: float")
    .Attr("heads: int").Attr("kv_heads: int").Attr("head_dim: int").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoAttentionGradient")
    .Input("joint: float").Input("cos: float").Input("sin: float").Input("segments: int32")
    .Input("context: float").Input("log_sum_exp: float").Input("d_context: float")
    .Output("d_joint: float")
    .Attr("heads: int").Attr("kv_heads: int").Attr("head_dim: int").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoInstructions").Output("place: int32").SetIsStateful().SetShapeFn(UnknownShape);
REGISTER_OP("SdpoSquaredSum").Input("x: float").Output("sum: float").SetShapeFn(UnknownShape);
REGISTER_OP("SdpoAdamW")
    .Input("parameter: resource").Input("exp_avg: resource").Input("exp_avg_sq: resource").Input("gradient: float")
    .Input("numbers: float").SetShapeFn(tensorflow::shape_inference::NoOutputs);
REGISTER_OP("SdpoAddRows")
    .Input("sum: resource").Input("places: int32").Input("rows: float").SetShapeFn(tensorflow::shape_inference::NoOutputs);

// Rows that one call of a row kernel takes: few enough to spread, and fixed, so that sums over rows are the same bits
// with any number of threads.
constexpr int64_t kRowsOfCall = 32;

// body(first row, rows) for all rows, on TensorFlow's threads.
template <typename Body>
void for_rows(OpKernelContext* context, int64_t rows, int64_t width, Body body) {
  const int64_t calls = (rows + kRowsOfCall - 1) / kRowsOfCall;
  const auto one = [&](int64_t call) {
    body(call * kRowsOfCall, std::min(kRowsOfCall, rows - call * kRowsOfCall));
  };
  if (calls * kRowsOfCall * width < 32768) {
    for (int64_t call = 0; call < calls; call++) one(call);
    return;
  }
  auto* workers = context->device()->tensorflow_cpu_worker_threads()->workers;
  workers->ParallelFor(calls, tsl::thread::ThreadPool::SchedulingParams::Fixed(1), [&](int64_t from, int64_t to) {
    for (int64_t call = from; call < to; call++) one(call);
  });
}

float* floats(Tensor* tensor) { return tensor->flat<float>().data(); }
const float* floats(const Tensor& tensor) { return tensor.flat<float>().data(); }

bool is_matrix(const Tensor& tensor, int64_t rows, int64_t columns) {
  return tensor.dims() == 2 && tensor.dim_size(0) == rows && tensor.dim_size(1) == columns;
}

class RmsNormOp : public OpKernel {
 public:
  explicit RmsNormOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("epsilon", &epsilon_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &weight = context->input(1);
    OP_REQUIRES(context, x.dims() == 2 && weight.NumElements() == x.dim_size(1),
                InvalidArgument("SdpoRmsNorm: x [N, D] and weight [D] expected"));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &y));
    const int64_t width = x.dim_size(1);
    for_rows(context, x.dim_size(0), width, [&](int64_t row, int64_t rows) {
      fused_math().rms_norm(floats(x) + row * width, floats(weight), epsilon_, floats(y) + row * width, rows, width);
    });
  }

 private:
  float epsilon_;
};

class RmsNormGradientOp : public OpKernel {
 public:
  explicit RmsNormGradientOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("epsilon", &epsilon_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &x = context->input(0), &weight = context->input(1), &dy = context->input(2);
    OP_REQUIRES(context, x.dims() == 2 && weight.NumElements() == x.dim_size(1) && dy.shape() == x.shape(),
                InvalidArgument("SdpoRmsNormGradient: x and dy [N, D] and weight [D] expected"));
    Tensor *dx = nullptr, *d_weight = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, x.shape(), &dx));
    OP_REQUIRES_OK(context, context->allocate_output(1, TensorShape({x.dim_size(1)}), &d_weight));
    const int64_t width = x.dim_size(1);
    const int64_t calls = (x.dim_size(0) + kRowsOfCall - 1) / kRowsOfCall;
    Tensor scratch;
    OP_REQUIRES_OK(context, context->allocate_temp(DT_FLOAT, TensorShape({calls, width}), &scratch));
    float* shares = floats(&scratch);
    std::fill(shares, shares + calls * width, 0.0f);
    for_rows(context, x.dim_size(0), width, [&](int64_t row, int64_t rows) {
      const int64_t at = row * width;
      fused_math().rms_norm_gradient(floats(x) + at, floats(weight), floats(dy) + at, epsilon_, floats(dx) + at,
                                     shares + row / kRowsOfCall * width, rows, width);
    });
    float* sum = floats(d_weight);
    std::fill(sum, sum + width, 0.0f);
    for (int64_t call = 0; call < calls; call++) {
      for (int64_t i = 0; i < width; i++) sum[i] += shares[call * width + i];
    }
  }

 private:
  float epsilon_;
};

class SwigluOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& gate_up = context->input(0);
    OP_REQUIRES(context, gate_up.dims() == 2 && gate_up.dim_size(1) % 2 == 0,
                InvalidArgument("SdpoSwiglu: gate_up [N, 2 F] expected"));
    const int64_t width = gate_up.dim_size(1) / 2;
    Tensor* activated = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({gate_up.dim_size(0), width}), &activated));
    for_rows(context, gate_up.dim_size(0), width, [&](int64_t row, int64_t rows) {
      fused_math().swiglu(floats(gate_up) + 2 * row * width, floats(activated) + row * width, rows, width);
    });
  }
};

class SwigluGradientOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &gate_up = context->input(0), &d_activated = context->input(1);
    OP_REQUIRES(context, gate_up.dims() == 2 && gate_up.dim_size(1) % 2 == 0 &&
                             is_matrix(d_activated, gate_up.dim_size(0), gate_up.dim_size(1) / 2),
                InvalidArgument("SdpoSwigluGradient: gate_up [N, 2 F] and d_activated [N, F] expected"));
    const int64_t width = gate_up.dim_size(1) / 2;
    Tensor *d_gate_up = nullptr, *activated = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, gate_up.shape(), &d_gate_up));
    OP_REQUIRES_OK(context, context->allocate_output(1, d_activated.shape(), &activated));
    for_rows(context, gate_up.dim_size(0), width, [&](int64_t row, int64_t rows) {
      fused_math().swiglu_gradient(floats(gate_up) + 2 * row * width, floats(d_activated) + row * width,
                                   floats(d_gate_up) + 2 * row * width, floats(activated) + row * width, rows, width);
    });
  }
};

// logits [M, V] with V > 0, and targets [M] of ids below V.
bool targets_fit(const Tensor& logits, const Tensor& targets) {
  if (logits.dims() != 2 || targets.NumElements() != logits.dim_size(0)) return false;
  const int32_t* ids = targets.flat<int32_t>().data();
  const int64_t vocabulary = logits.dim_size(1);
  return std::all_of(ids, ids + targets.NumElements(), [&](int32_t id) { return id >= 0 && id < vocabulary; });
}

class TokenLogpsOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &logits = context->input(0), &targets = context->input(1);
    OP_REQUIRES(context, targets_fit(logits, targets),
                InvalidArgument("SdpoTokenLogps: logits [M, V] and targets [M] below V expected"));
    Tensor *logps = nullptr, *log_sum_exp = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({logits.dim_size(0)}), &logps));
    OP_REQUIRES_OK(context, context->allocate_output(1, TensorShape({logits.dim_size(0)}), &log_sum_exp));
    const int64_t width = logits.dim_size(1);
    const int32_t* ids = targets.flat<int32_t>().data();
    for_rows(context, logits.dim_size(0), width, [&](int64_t row, int64_t rows) {
      fused_math().token_logps(floats(logits) + row * width, ids + row, floats(logps) + row, floats(log_sum_exp) + row,
                               rows, width);
    });
  }
};

class TokenLogpsGradientOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &logits = context->input(0), &targets = context->input(1), &log_sum_exp = context->input(2),
                 &coefficients = context->input(3);
    OP_REQUIRES(context, targets_fit(logits, targets) && log_sum_exp.NumElements() == logits.dim_size(0) &&
                             coefficients.NumElements() == logits.dim_size(0),
                InvalidArgument("SdpoTokenLogpsGradient: logits [M, V], and [M] of targets below V, log-sum-exps and "
                                "coefficients expected"));
    Tensor* d_logits = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, logits.shape(), &d_logits));
    const int64_t width = logits.dim_size(1);
    const int32_t* ids = targets.flat<int32_t>().data();
    for_rows(context, logits.dim_size(0), width, [&](int64_t row, int64_t rows) {
      fused_math().token_logps_gradient(floats(logits) + row * width, ids + row, floats(log_sum_exp) + row,
                                        floats(coefficients) + row, floats(d_logits) + row * width, rows, width);
    });
  }
};

// Numbers that one thread takes at a time.
constexpr int64_t kRun = 1 << 16;

// body(first, count) for `total` numbers, on TensorFlow's threads.
template <typename Body>
void for_runs(OpKernelContext* context, int64_t total, Body body) {
  const int64_t runs = (total + kRun - 1) / kRun;
  const auto one = [&](int64_t run) { body(run * kRun, std::min(kRun, total - run * kRun)); };
  if (runs == 1) return one(0);
  auto* workers = context->device()->tensorflow_cpu_worker_threads()->workers;
  workers->ParallelFor(runs, tsl::thread::ThreadPool::SchedulingParams::Fixed(1), [&](int64_t from, int64_t to) {
    for (int64_t run = from; run < to; run++) one(run);
  });
}

class SquaredSumOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    Tensor* sum = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({}), &sum));
    const int64_t runs = (x.NumElements() + kRun - 1) / kRun;
    Tensor scratch;
    OP_REQUIRES_OK(context, context->allocate_temp(DT_DOUBLE, TensorShape({runs}), &scratch));
    double* shares = scratch.flat<double>().data();
    for_runs(context, x.NumElements(), [&](int64_t first, int64_t count) {
      shares[first / kRun] = fused_math().squared_sum(floats(x) + first, count);
    });
    double total = 0;
    for (int64_t run = 0; run < runs; run++) total += shares[run];
    *floats(sum) = static_cast<float>(total);
  }
};

// Which compilation of the arithmetic runs: 0 baseline, 1 avx2, 2 avx512.
class InstructionsOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    Tensor* place = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({}), &place));
    const std::string name = fused_math().name;
    place->scalar<int32_t>()() = name == "avx512" ? 2 : name == "avx2" ? 1 : 0;
  }
};

// Gives a variable memory of its own where a tensor still shares it, so that it may be written in place.
tensorflow::Status own_memory(OpKernelContext* context, Tensor* value) {
  if (value->RefCountIsOne()) return tensorflow::OkStatus();
  Tensor own;
  TF_RETURN_IF_ERROR(context->allocate_temp(DT_FLOAT, value->shape(), &own));
  std::copy(floats(*value), floats(*value) + value->NumElements(), floats(&own));
  *value = own;
  return tensorflow::OkStatus();
}

class AdamWOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &gradient = context->input(3), &numbers = context->input(4);
    OP_REQUIRES(context, numbers.NumElements() == 6, InvalidArgument("SdpoAdamW: six numbers expected"));
    float* state[3];
    tensorflow::core::RefCountPtr<tensorflow::Var> variables[3];
    for (int i = 0; i < 3; i++) {
      OP_REQUIRES_OK(context, tensorflow::LookupResource(context, tensorflow::HandleFromInput(context, i), &variables[i]));
      Tensor* value = variables[i]->tensor();
      OP_REQUIRES(context, value->dtype() == DT_FLOAT && value->NumElements() == gradient.NumElements(),
                  InvalidArgument("SdpoAdamW: state and gradient of one shape expected"));
      OP_REQUIRES_OK(context, own_memory(context, value));
      state[i] = floats(value);
    }
    const float* n = floats(numbers);
    const AdamWNumbers given = {n[0], n[1], n[2], n[3], n[4], n[5]};
    for_runs(context, gradient.NumElements(), [&](int64_t at, int64_t count) {
      fused_math().adamw(state[0] + at, state[1] + at, state[2] + at, floats(gradient) + at, given, count);
    });
  }
};

// sum[places[i]] += rows[i] in ascending i, whatever the number of threads.
class AddRowsOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor &places = context->input(1), &rows = context->input(2);
    tensorflow::core::RefCountPtr<tensorflow::Var> variable;
    OP_REQUIRES_OK(context, tensorflow::LookupResource(context, tensorflow::HandleFromInput(context, 0), &variable));
    Tensor* sum = variable->tensor();
    OP_REQUIRES(context, sum->dtype() == DT_FLOAT && sum->dims() == 2 && is_matrix(rows, places.NumElements(), sum->dim_size(1)),
                InvalidArgument("SdpoAddRows: sum [V, D], places [N] and rows [N, D] expected"));
    const int32_t* place = places.flat<int32_t>().data();
    const int64_t count = rows.dim_size(0), width = rows.dim_size(1);
    const bool inside = std::all_of(place, place + count, [&](int32_t at) { return at >= 0 && at < sum->dim_size(0); });
    OP_REQUIRES(context, inside, InvalidArgument("SdpoAddRows: a place outside the sum"));
    OP_REQUIRES_OK(context, own_memory(context, sum));
    for (int64_t i = 0; i < count; i++) {
      float* to = floats(sum) + place[i] * width;
      const float* from = floats(rows) + i * width;
      for (int64_t j = 0; j < width; j++) to[j] += from[j];
    }
  }
};

// Segments follow each other from row 0 on, a prompt before its responses; returns where sequences begin, or nothing.
std::vector<int32_t> sequences_of(const Tensor& segments, int64_t rows) {
  std::vector<int32_t> first;
  if (segments.dims() != 2 || segments.dim_size(0) == 0 || segments.dim_size(1) != 4) return {};
  const int32_t* at = segments.flat<int32_t>().data();
  int64_t next = 0, prompt = 0, prompt_rows = 0;
  for (int32_t s = 0; s < segments.dim_size(0); s++, at += 4) {
    const bool is_prompt = at[3] == 0;
    if (is_prompt) {
      first.push_back(s);
      prompt = at[0];
      prompt_rows = at[1];
    }
    const bool fits = at[0] == next && at[1] > 0 && at[2] == prompt && (is_prompt || at[3] == prompt_rows);
    next += at[1];
    if (!fits || first.empty() || next > rows) return {};
  }
  first.push_back(static_cast<int32_t>(segments.dim_size(0)));
  return first;
}

class AttentionBase : public OpKernel {
 public:
  explicit AttentionBase(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("heads", &heads_));
    OP_REQUIRES_OK(context, context->GetAttr("kv_heads", &kv_heads_));
    OP_REQUIRES_OK(context, context->GetAttr("head_dim", &head_dim_));
    OP_REQUIRES(context, kv_heads_ > 0 && heads_ > 0 && heads_ % kv_heads_ == 0 && head_dim_ > 0 && head_dim_ % 2 == 0,
                InvalidArgument("attention: heads a multiple of kv_heads and an even head_dim expected"));
  }

 protected:
  // Fills in the inputs that both directions share.
  bool read(OpKernelContext* context, std::vector<int32_t>* sequences, AttentionCall* call) const {
    const Tensor &joint = context->input(0), &cosine = context->input(1), &sine = context->input(2);
    const int64_t rows = joint.dims() == 2 ? joint.dim_size(0) : 0;
    *sequences = sequences_of(context->input(3), rows);
    const int64_t angles = rows * head_dim_ / 2;
    if (sequences->empty() || !is_matrix(joint, rows, (heads_ + 2 * kv_heads_) * head_dim_)) return false;
    if (cosine.NumElements() != angles || sine.NumElements() != angles) return false;
    *call = {floats(joint), floats(cosine), floats(sine), context->input(3).flat<int32_t>().data(), sequences->data(),
             heads_, kv_heads_, head_dim_, nullptr, nullptr, nullptr, nullptr};
    return true;
  }

  // The rows after the last segment.
  static void clear_rest(OpKernelContext* context, Tensor* output) {
    const Tensor& segments = context->input(3);
    const int32_t* last = segments.flat<int32_t>().data() + segments.NumElements() - 4;
    const int64_t width = output->dim_size(1);
    std::fill(floats(output) + (last[0] + last[1]) * width, floats(output) + output->NumElements(), 0.0f);
  }

  // body(item) for every sequence and key-value head; it returns whether there was memory for it.
  template <typename Body>
  tensorflow::Status for_items(OpKernelContext* context, const std::vector<int32_t>& sequences, Body body) const {
    auto* workers = context->device()->tensorflow_cpu_worker_threads()->workers;
    const int64_t items = static_cast<int64_t>(sequences.size() - 1) * kv_heads_;
    std::atomic<bool> fits{true};
    workers->ParallelFor(items, tsl::thread::ThreadPool::SchedulingParams::Fixed(1), [&](int64_t from, int64_t to) {
      for (int64_t item = from; item < to && fits; item++) {
        if (!body(item)) fits = false;
      }
    });
    if (fits) return tensorflow::OkStatus();
    return ResourceExhausted(type_string(), ": no memory for the scores of a sequence");
  }

  int64_t heads_, kv_heads_, head_dim_;
};

class AttentionOp : public AttentionBase {
 public:
  using AttentionBase::AttentionBase;

  void Compute(OpKernelContext* context) override {
    AttentionCall call;
    std::vector<int32_t> sequences;
    OP_REQUIRES(context, read(context, &sequences, &call), InvalidArgument("SdpoAttention: inputs do not fit"));
    const int64_t rows = context->input(0).dim_size(0);
    Tensor *output = nullptr, *log_sum_exp = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({rows, heads_ * head_dim_}), &output));
    OP_REQUIRES_OK(context, context->allocate_output(1, TensorShape({rows, heads_}), &log_sum_exp));
    call.context = floats(output);
    call.log_sum_exp = floats(log_sum_exp);
    OP_REQUIRES_OK(context, for_items(context, sequences, [&](int64_t item) { return fused_math().attention(call, item); }));
    clear_rest(context, output);
    clear_rest(context, log_sum_exp);
  }
};

class AttentionGradientOp : public AttentionBase {
 public:
  using AttentionBase::AttentionBase;

  void Compute(OpKernelContext* context) override {
    AttentionCall call;
    std::vector<int32_t> sequences;
    const int64_t rows = context->input(0).dims() == 2 ? context->input(0).dim_size(0) : 0;
    const bool fits = is_matrix(context->input(4), rows, heads_ * head_dim_) &&
                      is_matrix(context->input(5), rows, heads_) && is_matrix(context->input(6), rows, heads_ * head_dim_);
    OP_REQUIRES(context, fits && read(context, &sequences, &call),
                InvalidArgument("SdpoAttentionGradient: inputs do not fit"));
    Tensor* d_joint = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(0).shape(), &d_joint));
    // Read only in this direction.
    call.context = const_cast<float*>(floats(context->input(4)));
    call.log_sum_exp = const_cast<float*>(floats(context->input(5)));
    call.d_context = floats(context->input(6));
    call.d_joint = floats(d_joint);
    OP_REQUIRES_OK(context,
                   for_items(context, sequences, [&](int64_t item) { return fused_math().attention_gradient(call, item); }));
    clear_rest(context, d_joint);
  }
};

#define SDPO_REGISTER(NAME, CLASS) REGISTER_KERNEL_BUILDER(Name(NAME).Device(tensorflow::DEVICE_CPU), CLASS)
SDPO_REGISTER("SdpoRmsNorm", RmsNormOp);
SDPO_REGISTER("SdpoRmsNormGradient", RmsNormGradientOp);
SDPO_REGISTER("SdpoSwiglu", SwigluOp);
SDPO_REGISTER("SdpoSwigluGradient", SwigluGradientOp);
SDPO_REGISTER("SdpoTokenLogps", TokenLogpsOp);
SDPO_REGISTER("SdpoTokenLogpsGradient", TokenLogpsGradientOp);
SDPO_REGISTER("SdpoInstructions", InstructionsOp);
SDPO_REGISTER("SdpoSquaredSum", SquaredSumOp);
SDPO_REGISTER("SdpoAdamW", AdamWOp);
SDPO_REGISTER("SdpoAddRows", AddRowsOp);
SDPO_REGISTER("SdpoAttention", AttentionOp);
SDPO_REGISTER("SdpoAttentionGradient", AttentionGradientOp);

}  // namespace sdpo
