/**
 * Attention of packed sequences that share a prompt: a segment's queries (a prompt, or one response) see the prompt before
 * it and themselves, causally. Queries are taken in runs, so that no more scores are held than a run has; the backward pass
 * computes them anew from the log-sum-exps (Dao et al. 2022, arXiv 2205.14135).
 *
 * H query heads, K key-value heads, d head size, N packed rows, S segments; joint: [N, (H + 2K)·d] holds queries, keys and
 * values side by side.
 */
import { exp1, exp4, log } from './exp';
import { dot, largest, sumOfLanes } from './lanes';
import { matmul, matmulScratchBytes } from './matmul';
import { rotateHead } from './rotary';

/** Queries of a run. */
const RUN: usize = 64;

// One call's tensors and distances; the module has one thread.
let heads: usize = 0;
let kvHeads: usize = 0;
let headDim: usize = 0;
let headBytes: usize = 0;
let jointBytes: usize = 0;
let rotatedBytes: usize = 0;
let contextBytes: usize = 0;
let joint: usize = 0;
/** [N, (H + K)·d] queries and keys after the rotary embedding, queries divided by √d. */
let rotated: usize = 0;
/** Its gradient. */
let dRotated: usize = 0;
/** [RUN, keys] scores of a run, then their softmax, and the gradient by them. */
let scores: usize = 0;
let dScores: usize = 0;
let products: usize = 0;

// One segment.
let row: usize = 0;
let promptRow: usize = 0;
let promptKeys: usize = 0;

/** Bytes needed at `scratch`. maxKeys: the most keys that a query sees; passes: 1 forward, 2 backward. */
export function attentionScratchBytes(
  n: usize,
  allHeads: usize,
  d: usize,
  maxKeys: usize,
  passes: usize,
): usize {
  return passes * 4 * (n * allHeads * d + RUN * maxKeys) + matmulScratchBytes() + 64;
}

function bind(
  n: usize,
  h: usize,
  k: usize,
  d: usize,
  maxKeys: usize,
  passes: usize,
  jointAt: usize,
  scratch: usize,
): void {
  heads = h;
  kvHeads = k;
  headDim = d;
  headBytes = 4 * d;
  jointBytes = (h + 2 * k) * headBytes;
  rotatedBytes = (h + k) * headBytes;
  contextBytes = h * headBytes;
  joint = jointAt;
  rotated = scratch;
  scores = rotated + n * rotatedBytes;
  let end = scores + 4 * RUN * maxKeys;
  if (passes === 2) {
    dRotated = end;
    dScores = dRotated + n * rotatedBytes;
    end = dScores + 4 * RUN * maxKeys;
  }
  products = (end + 15) & ~15;
}

/**
 * context: [N, H·d] and logSumExp: [N, H], zeros in rows outside all segments.
 * cos, sin: [N, d/2]; segments: [S, 4] int32: first row, rows, first row of the prompt, its rows (0 for a prompt).
 */
export function attention(
  n: usize,
  h: usize,
  k: usize,
  d: usize,
  maxKeys: usize,
  jointAt: usize,
  cos: usize,
  sin: usize,
  segments: usize,
  segmentCount: usize,
  context: usize,
  logSumExp: usize,
  scratch: usize,
): void {
  bind(n, h, k, d, maxKeys, 1, jointAt, scratch);
  memory.fill(context, 0, n * contextBytes);
  memory.fill(logSumExp, 0, 4 * n * heads);
  rotateRows(n, cos, sin);
  for (let s: usize = 0; s < segmentCount; s++) {
    const length = readSegment(segments + 16 * s);
    for (let start: usize = 0; start < length; start += RUN) {
      const queries = min(RUN, length - start);
      for (let head: usize = 0; head < heads; head++) forwardRun(head, start, queries, context, logSumExp);
    }
  }
}

/** From the forward's results and dContext: [N, H·d] the gradient by joint; zeros in rows outside all segments. */
export function attentionGradient(
  n: usize,
  h: usize,
  k: usize,
  d: usize,
  maxKeys: usize,
  jointAt: usize,
  cos: usize,
  sin: usize,
  segments: usize,
  segmentCount: usize,
  context: usize,
  logSumExp: usize,
  dContext: usize,
  dJoint: usize,
  scratch: usize,
): void {
  bind(n, h, k, d, maxKeys, 2, jointAt, scratch);
  memory.fill(dJoint, 0, n * jointBytes);
  memory.fill(dRotated, 0, n * rotatedBytes);
  rotateRows(n, cos, sin);
  for (let s: usize = 0; s < segmentCount; s++) {
    const length = readSegment(segments + 16 * s);
    for (let start: usize = 0; start < length; start += RUN) {
      const queries = min(RUN, length - start);
      for (let head: usize = 0; head < heads; head++) {
        backwardRun(head, start, queries, context, logSumExp, dContext, dJoint);
      }
    }
  }
  rotateBack(n, cos, sin, dJoint);
}

/** Sets the segment's rows and keys; returns its length. */
function readSegment(at: usize): usize {
  row = <usize>load<i32>(at);
  promptRow = <usize>load<i32>(at, 8);
  promptKeys = <usize>load<i32>(at, 12);
  return <usize>load<i32>(at, 4);
}

function queryScale(): f32 {
  return <f32>(1 / sqrt(<f64>headDim));
}

function rotateRows(n: usize, cos: usize, sin: usize): void {
  const half = headDim >> 1;
  const scale = queryScale();
  for (let i: usize = 0; i < n; i++) {
    for (let head: usize = 0; head < heads + kvHeads; head++) {
      const from = joint + i * jointBytes + head * headBytes;
      const to = rotated + i * rotatedBytes + head * headBytes;
      rotateHead(half, from, to, cos + 4 * half * i, sin + 4 * half * i, 1, head < heads ? scale : 1);
    }
  }
}

/** dRotated → the queries' and keys' part of dJoint. */
function rotateBack(n: usize, cos: usize, sin: usize, dJoint: usize): void {
  const half = headDim >> 1;
  const scale = queryScale();
  for (let i: usize = 0; i < n; i++) {
    for (let head: usize = 0; head < heads + kvHeads; head++) {
      const from = dRotated + i * rotatedBytes + head * headBytes;
      const to = dJoint + i * jointBytes + head * headBytes;
      rotateHead(half, from, to, cos + 4 * half * i, sin + 4 * half * i, -1, head < heads ? scale : 1);
    }
  }
}

/** Byte distance of a query head's key head from the start of a row of `rotated`; a value head's one of joint. */
function keyHead(head: usize): usize {
  return (heads + head / (heads / kvHeads)) * headBytes;
}

function valueHead(head: usize): usize {
  return keyHead(head) + kvHeads * headBytes;
}

/**
 * out ← queries · operandᵀ: [queries, keys] for the prompt's keys and the segment's own up to the run's end. operand: rows
 * of keys, or of values, one every `step` bytes.
 */
function againstKeys(
  out: usize,
  queries: usize,
  ownKeys: usize,
  left: usize,
  leftRow: usize,
  operand: usize,
  step: usize,
): void {
  const keyBytes: usize = 4 * (promptKeys + ownKeys);
  if (promptKeys > 0) {
    const shared = operand + promptRow * step;
    matmul(
      queries,
      promptKeys,
      headDim,
      left,
      leftRow,
      4,
      shared,
      4,
      step,
      out,
      keyBytes,
      4,
      false,
      products,
    );
  }
  const own = operand + row * step;
  const to = out + 4 * promptKeys;
  matmul(queries, ownKeys, headDim, left, leftRow, 4, own, 4, step, to, keyBytes, 4, false, products);
}

/** out ← weights · operand: [queries, d], over the same keys. */
function overKeys(
  out: usize,
  outRow: usize,
  queries: usize,
  ownKeys: usize,
  weights: usize,
  operand: usize,
  step: usize,
): void {
  const keyBytes: usize = 4 * (promptKeys + ownKeys);
  const add = promptKeys > 0;
  if (add) {
    const shared = operand + promptRow * step;
    matmul(
      queries,
      headDim,
      promptKeys,
      weights,
      keyBytes,
      4,
      shared,
      step,
      4,
      out,
      outRow,
      4,
      false,
      products,
    );
  }
  const own = operand + row * step;
  const left = weights + 4 * promptKeys;
  matmul(queries, headDim, ownKeys, left, keyBytes, 4, own, step, 4, out, outRow, 4, add, products);
}

/** sums ← sums + weightsᵀ · right: [keys, d], into the rows of the same keys. */
function toKeys(
  sums: usize,
  step: usize,
  queries: usize,
  ownKeys: usize,
  weights: usize,
  right: usize,
  rightRow: usize,
): void {
  const keyBytes: usize = 4 * (promptKeys + ownKeys);
  if (promptKeys > 0) {
    const shared = sums + promptRow * step;
    matmul(
      promptKeys,
      headDim,
      queries,
      weights,
      4,
      keyBytes,
      right,
      rightRow,
      4,
      shared,
      step,
      4,
      true,
      products,
    );
  }
  const own = sums + row * step;
  const left = weights + 4 * promptKeys;
  matmul(ownKeys, headDim, queries, left, 4, keyBytes, right, rightRow, 4, own, step, 4, true, products);
}

function forwardRun(head: usize, start: usize, queries: usize, context: usize, logSumExp: usize): void {
  const ownKeys = start + queries;
  const first = row + start;
  const query = rotated + first * rotatedBytes + head * headBytes;
  againstKeys(scores, queries, ownKeys, query, rotatedBytes, rotated + keyHead(head), rotatedBytes);
  const keys = promptKeys + ownKeys;
  for (let t: usize = 0; t < queries; t++) {
    const sum = softmaxRow(scores + 4 * keys * t, promptKeys + start + t + 1, keys);
    store<f32>(logSumExp + 4 * ((first + t) * heads + head), sum);
  }
  const to = context + first * contextBytes + head * headBytes;
  overKeys(to, contextBytes, queries, ownKeys, scores, joint + valueHead(head), jointBytes);
}

function backwardRun(
  head: usize,
  start: usize,
  queries: usize,
  context: usize,
  logSumExp: usize,
  dContext: usize,
  dJoint: usize,
): void {
  const ownKeys = start + queries;
  const keys = promptKeys + ownKeys;
  const first = row + start;
  const query = rotated + first * rotatedBytes + head * headBytes;
  const inContext = first * contextBytes + head * headBytes;
  const dOut = dContext + inContext;
  againstKeys(scores, queries, ownKeys, query, rotatedBytes, rotated + keyHead(head), rotatedBytes);
  againstKeys(dScores, queries, ownKeys, dOut, contextBytes, joint + valueHead(head), jointBytes);
  for (let t: usize = 0; t < queries; t++) {
    const sum = load<f32>(logSumExp + 4 * ((first + t) * heads + head));
    const inner = dot(dOut + t * contextBytes, context + inContext + t * contextBytes, headDim);
    const at: usize = 4 * keys * t;
    gradientRow(scores + at, dScores + at, promptKeys + start + t + 1, keys, sum, inner);
  }
  toKeys(dJoint + valueHead(head), jointBytes, queries, ownKeys, scores, dOut, contextBytes);
  const dQuery = dRotated + first * rotatedBytes + head * headBytes;
  overKeys(dQuery, rotatedBytes, queries, ownKeys, dScores, rotated + keyHead(head), rotatedBytes);
  toKeys(dRotated + keyHead(head), rotatedBytes, queries, ownKeys, dScores, query, rotatedBytes);
}

/** Softmax of the first `seen` scores in place, zeros for the rest of `keys`; returns the log-sum-exp. */
function softmaxRow(x: usize, seen: usize, keys: usize): f32 {
  const top = largest(x, seen);
  const tops = f32x4.splat(top);
  let lanes = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= seen; i += 4) {
    const e = exp4(f32x4.sub(v128.load(x + 4 * i), tops));
    v128.store(x + 4 * i, e);
    lanes = f32x4.add(lanes, e);
  }
  let sum = sumOfLanes(lanes);
  for (; i < seen; i++) {
    const e = exp1(load<f32>(x + 4 * i) - top);
    store<f32>(x + 4 * i, e);
    sum += e;
  }
  const inverse: f32 = 1 / sum;
  for (i = 0; i + 4 <= seen; i += 4) {
    v128.store(x + 4 * i, f32x4.mul(v128.load(x + 4 * i), f32x4.splat(inverse)));
  }
  for (; i < seen; i++) store<f32>(x + 4 * i, load<f32>(x + 4 * i) * inverse);
  memory.fill(x + 4 * seen, 0, 4 * (keys - seen));
  return <f32>(<f64>top + log(<f64>sum));
}

/** Scores → softmax p, and the gradient by p → the one by the scores, p·(dp − inner); zeros past `seen`. */
function gradientRow(x: usize, dx: usize, seen: usize, keys: usize, logSumExp: f32, inner: f32): void {
  const sums = f32x4.splat(logSumExp);
  const inners = f32x4.splat(inner);
  let i: usize = 0;
  for (; i + 4 <= seen; i += 4) {
    const p = exp4(f32x4.sub(v128.load(x + 4 * i), sums));
    v128.store(x + 4 * i, p);
    v128.store(dx + 4 * i, f32x4.mul(p, f32x4.sub(v128.load(dx + 4 * i), inners)));
  }
  for (; i < seen; i++) {
    const p = exp1(load<f32>(x + 4 * i) - logSumExp);
    store<f32>(x + 4 * i, p);
    store<f32>(dx + 4 * i, p * (load<f32>(dx + 4 * i) - inner));
  }
  memory.fill(x + 4 * seen, 0, 4 * (keys - seen));
  memory.fill(dx + 4 * seen, 0, 4 * (keys - seen));
}
