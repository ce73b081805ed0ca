// Attention of one sequence and one key-value head over packed rows, forward and backward: rotary embedding, causal
// within a segment, every response sees the prompt. Scores are held for a few queries at a time and never stored; the
// backward pass computes them anew from the log-sum-exp of each query (Dao et al. 2022, arXiv 2205.14135).
#pragma once

#include <cstdlib>

#include "fused_math.h"
#include "matrix_product.h"

namespace SDPO_ISA {

using sdpo::AttentionCall;

// Queries whose scores are held at one time; a multiple of kTileRows.
constexpr int64_t kBlock = 48;

// Not the standard library's templates: the linker keeps one compilation of those for all instruction sets.
static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static inline int64_t round_up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }

// Memory of one thread for the length of a call, kept for the next; grows to the longest sequence seen.
class Workspace {
 public:
  ~Workspace() { std::free(memory_); }

  // Room for so many floats in so many parts; false where there is none. Nothing is thrown: nobody could catch it on a
  // thread of TensorFlow's.
  bool reset(int64_t floats, int64_t parts) {
    used_ = 0;
    const int64_t needed = round_up(floats + 16 * parts, 16);
    if (needed <= size_) return true;
    std::free(memory_);
    memory_ = static_cast<float*>(std::aligned_alloc(64, needed * sizeof(float)));
    size_ = memory_ == nullptr ? 0 : needed;
    return memory_ != nullptr;
  }

  float* zeros(int64_t floats) {
    float* part = memory_ + used_;
    used_ += round_up(floats, 16);
    std::memset(part, 0, floats * sizeof(float));
    return part;
  }

 private:
  float* memory_ = nullptr;
  int64_t size_ = 0;
  int64_t used_ = 0;
};

// The sequence and head of one item, with its keys and values. Places [0, prompt) are the prompt's, those after it of
// the response at work: a response's keys stand in one piece.
class HeadOfSequence {
 public:
  HeadOfSequence(const AttentionCall& call, int64_t item)
      : call_(call),
        kv_(item % call.kv_heads),
        first_(call.sequences[item / call.kv_heads]),
        last_(call.sequences[item / call.kv_heads + 1]),
        d_(call.head_dim),
        padded_(round_up(call.head_dim, kLanes)),
        row_(call.head_dim * (call.heads + 2 * call.kv_heads)) {
    for (int64_t s = first_; s < last_; s++) {
      places_ = larger(places_, call.segments[4 * s + 1] + call.segments[4 * s + 3]);
    }
    across_ = round_up(places_, kTileVectors * kLanes);
  }

  // False where there is no memory for it.
  bool forward() {
    if (!workspace_.reset(padded_ * across_ + places_ * padded_ + kBlock * (2 * padded_ + across_), 5)) return false;
    keys_across_ = workspace_.zeros(padded_ * across_);
    values_ = workspace_.zeros(places_ * padded_);
    float* query = workspace_.zeros(kBlock * padded_);
    float* scores = workspace_.zeros(kBlock * across_);
    float* out = workspace_.zeros(kBlock * padded_);
    for (int64_t s = first_; s < last_; s++) {
      enter(s);
      for (int64_t t = 0; t < length_; t++) {
        rotate(key_of(start_ + t), start_ + t, 1, query);
        put_across(query, keys_across_, before_ + t);
        copy(value_of(start_ + t), values_ + (before_ + t) * padded_);
      }
      for (int64_t head = kv_ * group(); head < (kv_ + 1) * group(); head++) {
        for (int64_t at = 0; at < length_; at += kBlock) forward_block(head, at, query, scores, out);
      }
    }
    return true;
  }

  // False where there is no memory for it.
  bool backward() {
    const int64_t wide = padded_ * across_, tall = places_ * padded_, block = kBlock * padded_;
    if (!workspace_.reset(2 * wide + 3 * tall + 3 * block + 2 * kBlock * across_, 10)) return false;
    keys_across_ = workspace_.zeros(wide);
    values_across_ = workspace_.zeros(wide);
    keys_ = workspace_.zeros(tall);
    d_keys_ = workspace_.zeros(tall);
    d_values_ = workspace_.zeros(tall);
    query_ = workspace_.zeros(block);
    d_out_ = workspace_.zeros(block);
    d_query_ = workspace_.zeros(block);
    scores_ = workspace_.zeros(kBlock * across_);
    d_scores_ = workspace_.zeros(kBlock * across_);
    for (int64_t s = first_; s < last_; s++) {
      enter(s);
      for (int64_t t = 0; t < length_; t++) {
        float* key = keys_ + (before_ + t) * padded_;
        rotate(key_of(start_ + t), start_ + t, 1, key);
        put_across(key, keys_across_, before_ + t);
        put_across(value_of(start_ + t), values_across_, before_ + t);
      }
      for (int64_t head = kv_ * group(); head < (kv_ + 1) * group(); head++) {
        for (int64_t at = 0; at < length_; at += kBlock) backward_block(head, at);
      }
      if (before_ > 0) give_keys(start_, before_, length_);
    }
    give_keys(call_.segments[4 * first_], 0, call_.segments[4 * first_ + 1]);
    return true;
  }

 private:
  int64_t group() const { return call_.heads / call_.kv_heads; }
  const float* query_of(int64_t row, int64_t head) const { return call_.joint + row * row_ + head * d_; }
  const float* key_of(int64_t row) const { return call_.joint + row * row_ + (call_.heads + kv_) * d_; }
  const float* value_of(int64_t row) const { return call_.joint + row * row_ + (call_.heads + call_.kv_heads + kv_) * d_; }

  void enter(int64_t segment) {
    start_ = call_.segments[4 * segment];
    length_ = call_.segments[4 * segment + 1];
    before_ = call_.segments[4 * segment + 3];
  }

  void copy(const float* from, float* to) const { std::memcpy(to, from, d_ * sizeof(float)); }

  void put_across(const float* from, float* across, int64_t place) const {
    for (int64_t i = 0; i < d_; i++) across[i * across_ + place] = from[i];
  }

  // Rotates by a row's angles (backwards for turn = -1); arXiv 2104.09864, halves as in transformers' Llama.
  void rotate(const float* from, int64_t row, float turn, float* to) const {
    const int64_t half = d_ / 2;
    const float* cosine = call_.cosine + row * half;
    const float* sine = call_.sine + row * half;
    for (int64_t i = 0; i < half; i++) {
      const float a = from[i], b = from[i + half], s = turn * sine[i];
      to[i] = a * cosine[i] - b * s;
      to[i + half] = b * cosine[i] + a * s;
    }
  }

  void load_queries(int64_t head, int64_t at, int64_t queries, float* to) const {
    const float scale = 1.0f / std::sqrt(static_cast<float>(d_));
    for (int64_t t = 0; t < queries; t++) {
      float* query = to + t * padded_;
      rotate(query_of(start_ + at + t, head), start_ + at + t, 1, query);
      for (int64_t i = 0; i < d_; i++) query[i] *= scale;
    }
  }

  void forward_block(int64_t head, int64_t at, float* query, float* scores, float* out) const {
    const int64_t queries = smaller(kBlock, length_ - at);
    const int64_t keys = before_ + at + queries;
    load_queries(head, at, queries, query);
    product(queries, round_up(keys, kLanes), d_, {query, padded_, 1}, keys_across_, across_, scores, across_, false);
    float totals[kBlock];
    for (int64_t t = 0; t < queries; t++) {
      float* row = scores + t * across_;
      const int64_t seen = before_ + at + t + 1;
      const float most = row_maximum(row, seen);
      totals[t] = exponentials(row, most, seen, keys);
      call_.log_sum_exp[(start_ + at + t) * call_.heads + head] = most + std::log(totals[t]);
    }
    product(queries, padded_, keys, {scores, across_, 1}, values_, padded_, out, padded_, false);
    for (int64_t t = 0; t < queries; t++) {
      float* to = call_.context + (start_ + at + t) * call_.heads * d_ + head * d_;
      for (int64_t i = 0; i < d_; i++) to[i] = out[t * padded_ + i] / totals[t];
    }
  }

  // row[i] = e^(row[i] - shift) for the keys that are seen, 0 for the others; returns their sum.
  static float exponentials(float* row, float shift, int64_t seen, int64_t keys) {
    Floats total = Floats{};
    int64_t i = 0;
    for (; i + kLanes <= seen; i += kLanes) {
      const Floats e = exponential(load(row + i) - shift);
      store(row + i, e);
      total += e;
    }
    float rest = 0;
    if (i < seen) {
      const int count = static_cast<int>(seen - i);
      const Floats e = exponential(load_part(row + i, count, -INFINITY) - shift);
      store_part(row + i, e, count);
      rest = sum(e);
    }
    for (i = seen; i < keys; i++) row[i] = 0;
    return sum(total) + rest;
  }

  void backward_block(int64_t head, int64_t at) const {
    const int64_t queries = smaller(kBlock, length_ - at);
    const int64_t keys = before_ + at + queries;
    const int64_t columns = round_up(keys, kLanes);
    load_queries(head, at, queries, query_);
    for (int64_t t = 0; t < queries; t++) copy(d_context_of(start_ + at + t, head), d_out_ + t * padded_);
    product(queries, columns, d_, {query_, padded_, 1}, keys_across_, across_, scores_, across_, false);
    product(queries, columns, d_, {d_out_, padded_, 1}, values_across_, across_, d_scores_, across_, false);
    for (int64_t t = 0; t < queries; t++) d_scores_row(head, start_ + at + t, t, before_ + at + t + 1, columns);
    product(keys, padded_, queries, {scores_, 1, across_}, d_out_, padded_, d_values_, padded_, true);
    product(keys, padded_, queries, {d_scores_, 1, across_}, query_, padded_, d_keys_, padded_, true);
    product(queries, padded_, keys, {d_scores_, across_, 1}, keys_, padded_, d_query_, padded_, false);
    const float scale = 1.0f / std::sqrt(static_cast<float>(d_));
    for (int64_t t = 0; t < queries; t++) {
      float* to = call_.d_joint + (start_ + at + t) * row_ + head * d_;
      rotate(d_query_ + t * padded_, start_ + at + t, -1, to);
      for (int64_t i = 0; i < d_; i++) to[i] *= scale;
    }
  }

  const float* d_context_of(int64_t row, int64_t head) const {
    return call_.d_context + row * call_.heads * d_ + head * d_;
  }

  // Scores of one query become its probabilities p, and d_scores p (dp - sum(dp p)); the sum is d_out . out.
  void d_scores_row(int64_t head, int64_t row, int64_t t, int64_t seen, int64_t columns) const {
    const float* out = call_.context + row * call_.heads * d_ + head * d_;
    const float* d_out = d_out_ + t * padded_;
    float along = 0;
    for (int64_t i = 0; i < d_; i++) along += d_out[i] * out[i];
    const float shift = call_.log_sum_exp[row * call_.heads + head];
    float* p = scores_ + t * across_;
    float* dp = d_scores_ + t * across_;
    for (int64_t i = seen; i < columns; i++) p[i] = -INFINITY;
    for (int64_t i = 0; i < columns; i += kLanes) {
      const Floats probability = exponential(load(p + i) - shift);
      store(p + i, probability);
      store(dp + i, probability * (load(dp + i) - along));
    }
  }

  // Writes the gradients of keys and values at places from `place` on to the rows from `row` on, and clears them.
  void give_keys(int64_t row, int64_t place, int64_t count) const {
    for (int64_t t = 0; t < count; t++) {
      float* to = call_.d_joint + (row + t) * row_;
      float* d_key = d_keys_ + (place + t) * padded_;
      float* d_value = d_values_ + (place + t) * padded_;
      rotate(d_key, row + t, -1, to + (call_.heads + kv_) * d_);
      copy(d_value, to + (call_.heads + call_.kv_heads + kv_) * d_);
      std::memset(d_key, 0, padded_ * sizeof(float));
      std::memset(d_value, 0, padded_ * sizeof(float));
    }
  }

  static thread_local Workspace workspace_;

  const AttentionCall& call_;
  const int64_t kv_, first_, last_, d_, padded_, row_;
  int64_t places_ = 0, across_ = 0;
  int64_t start_ = 0, length_ = 0, before_ = 0;
  float *keys_across_, *values_, *values_across_, *keys_, *d_keys_, *d_values_;
  float *query_, *d_out_, *d_query_, *scores_, *d_scores_;
};

thread_local Workspace HeadOfSequence::workspace_;

static bool attention(const AttentionCall& call, int64_t item) { return HeadOfSequence(call, item).forward(); }

static bool attention_gradient(const AttentionCall& call, int64_t item) { return HeadOfSequence(call, item).backward(); }

}  // namespace SDPO_ISA
