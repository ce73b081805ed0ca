/**
 * WGSL of the attention over packed rows. A query sees the prompt before its segment and its own segment up to itself.
 * Constants: HEADS, KV_HEADS, HEAD_DIM; `joint` is [N, (H + 2K)·d], rotated; lists over queries and heads are [H, N].
 */

/** The columns of `joint` and the segment of a row. */
const LAYOUT = `
  const COLUMNS : i32 = (HEADS + 2 * KV_HEADS) * HEAD_DIM;
  const GROUP : i32 = HEADS / KV_HEADS;

  fn queryAt(row : i32, head : i32) -> i32 { return row * COLUMNS + head * HEAD_DIM; }
  fn keyAt(row : i32, kvHead : i32) -> i32 { return row * COLUMNS + (HEADS + kvHead) * HEAD_DIM; }
  fn valueAt(row : i32, kvHead : i32) -> i32 { return row * COLUMNS + (HEADS + KV_HEADS + kvHead) * HEAD_DIM; }

  // First row, rows, first row and rows of the prompt before it; no rows where no segment holds the row.
  fn segmentOf(row : i32) -> vec4<i32> {
    for (var s = 0; s < uniforms.segmentCount; s++) {
      let first = segments[4 * s];
      if (row >= first && row < first + segments[4 * s + 1]) {
        return vec4<i32>(first, segments[4 * s + 1], segments[4 * s + 2], segments[4 * s + 3]);
      }
    }
    return vec4<i32>(row, 0, row, 0);
  }

  // The two runs of keys that a query sees: those of the prompt, its own up to itself.
  fn keysOf(row : i32) -> vec4<i32> {
    let segment = segmentOf(row);
    return vec4<i32>(segment.z, segment.z + segment.w, segment.x, select(segment.x, row + 1, segment.y > 0));
  }`;

/** result: [N, (H + 2K)·d]: queries and keys turned by `uniforms.direction` times their angles, values as they are. */
export const ROTATE = `
  const COLUMNS : i32 = (HEADS + 2 * KV_HEADS) * HEAD_DIM;
  const HALF : i32 = HEAD_DIM / 2;

  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    let row = index / COLUMNS;
    let column = index % COLUMNS;
    if (column >= (HEADS + KV_HEADS) * HEAD_DIM) {
      result[index] = joint[index];
      return;
    }
    let place = column % HEAD_DIM;
    let isFirst = place < HALF;
    let angle = row * HALF + select(place - HALF, place, isFirst);
    let other = select(joint[index - HALF], -joint[index + HALF], isFirst);
    result[index] = joint[index] * cosines[angle] + uniforms.direction * other * sines[angle];
  }`;

/** result: contexts [N, H·d], then log-sum-exps of the scores [N, H]; softmax in one pass over the keys. */
export const FORWARD = `${LAYOUT}
  fn main(index : i32) {
    if (index >= uniforms.rows * HEADS) { return; }
    let row = index % uniforms.rows;
    let head = index / uniforms.rows;
    let kvHead = head / GROUP;
    let keys = keysOf(row);
    var query : array<f32, HEAD_DIM>;
    var sums : array<f32, HEAD_DIM>;
    for (var c = 0; c < HEAD_DIM; c++) {
      query[c] = joint[queryAt(row, head) + c] * uniforms.scale;
      sums[c] = 0.0;
    }
    var top = -3.4e38;
    var total = 0.0;
    for (var run = 0; run < 2; run++) {
      let end = select(keys.y, keys.w, run == 1);
      for (var key = select(keys.x, keys.z, run == 1); key < end; key++) {
        var score = 0.0;
        for (var c = 0; c < HEAD_DIM; c++) { score += query[c] * joint[keyAt(key, kvHead) + c]; }
        if (score > top) {
          let shrink = exp(top - score);
          total *= shrink;
          for (var c = 0; c < HEAD_DIM; c++) { sums[c] *= shrink; }
          top = score;
        }
        let weight = exp(score - top);
        total += weight;
        for (var c = 0; c < HEAD_DIM; c++) { sums[c] += weight * joint[valueAt(key, kvHead) + c]; }
      }
    }
    let isSeen = keys.w > keys.z;
    for (var c = 0; c < HEAD_DIM; c++) {
      result[(row * HEADS + head) * HEAD_DIM + c] = select(0.0, sums[c] / total, isSeen);
    }
    result[uniforms.rows * HEADS * HEAD_DIM + row * HEADS + head] = select(0.0, top + log(total), isSeen);
  }`;

/** result: the elements of `whole` from `uniforms.first` on. */
export const PART = `
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    result[index] = whole[uniforms.first + index];
  }`;

/** result: [N, H] the product of each head's context with its gradient. */
export const DELTA = `
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    var sum = 0.0;
    for (var c = 0; c < HEAD_DIM; c++) { sum += attended[index * HEAD_DIM + c] * dContext[index * HEAD_DIM + c]; }
    result[index] = sum;
  }`;

/** Writes the queries' columns of result: [N, (H + 2K)·d]. */
export const QUERY_GRADIENT = `${LAYOUT}
  fn main(index : i32) {
    if (index >= uniforms.rows * HEADS) { return; }
    let row = index % uniforms.rows;
    let head = index / uniforms.rows;
    let kvHead = head / GROUP;
    let at = row * HEADS + head;
    let keys = keysOf(row);
    var query : array<f32, HEAD_DIM>;
    var own : array<f32, HEAD_DIM>;
    var sums : array<f32, HEAD_DIM>;
    for (var c = 0; c < HEAD_DIM; c++) {
      query[c] = joint[queryAt(row, head) + c] * uniforms.scale;
      own[c] = dContext[at * HEAD_DIM + c];
      sums[c] = 0.0;
    }
    for (var run = 0; run < 2; run++) {
      let end = select(keys.y, keys.w, run == 1);
      for (var key = select(keys.x, keys.z, run == 1); key < end; key++) {
        var score = 0.0;
        var product = 0.0;
        for (var c = 0; c < HEAD_DIM; c++) {
          score += query[c] * joint[keyAt(key, kvHead) + c];
          product += own[c] * joint[valueAt(key, kvHead) + c];
        }
        let dScore = exp(score - logSumExp[at]) * (product - delta[at]) * uniforms.scale;
        for (var c = 0; c < HEAD_DIM; c++) { sums[c] += dScore * joint[keyAt(key, kvHead) + c]; }
      }
    }
    for (var c = 0; c < HEAD_DIM; c++) { result[queryAt(row, head) + c] = sums[c]; }
  }`;

/** Writes the keys' and values' columns of result: [N, (H + 2K)·d]. The queries come in order: same bits every time. */
export const KEY_VALUE_GRADIENT = `${LAYOUT}
  fn main(index : i32) {
    if (index >= uniforms.rows * KV_HEADS) { return; }
    let row = index % uniforms.rows;
    let kvHead = index / uniforms.rows;
    var key : array<f32, HEAD_DIM>;
    var value : array<f32, HEAD_DIM>;
    var dKey : array<f32, HEAD_DIM>;
    var dValue : array<f32, HEAD_DIM>;
    for (var c = 0; c < HEAD_DIM; c++) {
      key[c] = joint[keyAt(row, kvHead) + c] * uniforms.scale;
      value[c] = joint[valueAt(row, kvHead) + c];
      dKey[c] = 0.0;
      dValue[c] = 0.0;
    }
    for (var s = 0; s < uniforms.segmentCount; s++) {
      let first = segments[4 * s];
      let end = first + segments[4 * s + 1];
      let prompt = segments[4 * s + 2];
      let isOwn = row >= first && row < end;
      let isPrompt = row >= prompt && row < prompt + segments[4 * s + 3];
      if (!isOwn && !isPrompt) { continue; }
      for (var query = select(first, row, isOwn); query < end; query++) {
        for (var head = kvHead * GROUP; head < (kvHead + 1) * GROUP; head++) {
          let at = query * HEADS + head;
          var score = 0.0;
          var product = 0.0;
          for (var c = 0; c < HEAD_DIM; c++) {
            score += key[c] * joint[queryAt(query, head) + c];
            product += value[c] * dContext[at * HEAD_DIM + c];
          }
          let weight = exp(score - logSumExp[at]);
          let dScore = weight * (product - delta[at]) * uniforms.scale;
          for (var c = 0; c < HEAD_DIM; c++) {
            dKey[c] += dScore * joint[queryAt(query, head) + c];
            dValue[c] += weight * dContext[at * HEAD_DIM + c];
          }
        }
      }
    }
    for (var c = 0; c < HEAD_DIM; c++) {
      result[keyAt(row, kvHead) + c] = dKey[c];
      result[valueAt(row, kvHead) + c] = dValue[c];
    }
  }`;
