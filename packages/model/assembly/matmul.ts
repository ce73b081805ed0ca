/**
 * Product of two float32 matrices in register tiles of 5 × 8 over packed operands (Goto & van de Geijn 2008). Every element
 * is a sum over k from first to last, each product rounded before it is added, whatever the operands' orientation: one
 * result for all of them, and for every way of cutting the work.
 */

/** Rows and columns of a register tile: its 10 sums, a row of b, a value of a and a product fit 15 registers. */
const TILE_ROWS: usize = 5;
const TILE_COLUMNS: usize = 8;
/** Summands of a packed block: a strip of a and a panel of b stay in the first cache. */
const BLOCK_K: usize = 192;
/** Columns of a packed block of b, which stays in the second cache. */
const BLOCK_COLUMNS: usize = 512;

/** So few rows do not pay for packing b. */
const FEW_ROWS: usize = 2;

const STRIP_BYTES: usize = 16 * BLOCK_K * TILE_ROWS;
const BLOCK_BYTES: usize = 4 * BLOCK_K * BLOCK_COLUMNS;

/** Bytes that {@link matmul} needs at `scratch`. */
export function matmulScratchBytes(): usize {
  return STRIP_BYTES + BLOCK_BYTES + 4 * TILE_ROWS * TILE_COLUMNS;
}

/**
 * c = a b, or c + a b with `add`, for a: [m, k], b: [k, n], c: [m, n], k > 0. All are given by address and by the distances
 * in bytes between neighbours in a column (`…Row`) and in a row (`…Column`).
 */
export function matmul(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  aRow: usize,
  aColumn: usize,
  b: usize,
  bRow: usize,
  bColumn: usize,
  c: usize,
  cRow: usize,
  cColumn: usize,
  add: bool,
  scratch: usize,
): void {
  if (m <= FEW_ROWS && bColumn === 4 && cColumn === 4) {
    for (let i: usize = 0; i < m; i++) multiplyRow(n, k, a + i * aRow, aColumn, b, bRow, c + i * cRow, add);
    return;
  }
  const strip = scratch;
  const panels = strip + STRIP_BYTES;
  const tile = panels + BLOCK_BYTES;
  const blocks = (k + BLOCK_K - 1) / BLOCK_K;
  const blockK = (k + blocks - 1) / blocks;
  for (let column: usize = 0; column < n; column += BLOCK_COLUMNS) {
    const columns = min(n - column, BLOCK_COLUMNS);
    for (let at: usize = 0; at < k; at += blockK) {
      const depth = min(k - at, blockK);
      packPanels(panels, b + at * bRow + column * bColumn, bColumn, bRow, columns, depth);
      for (let row: usize = 0; row < m; row += TILE_ROWS) {
        const rows = min(m - row, TILE_ROWS);
        packStrip(strip, a + row * aRow + at * aColumn, aRow, aColumn, rows, depth);
        const target = c + row * cRow + column * cColumn;
        multiplyStrip(strip, panels, rows, columns, depth, target, cRow, cColumn, add || at > 0, tile);
      }
    }
  }
}

/** One row, from b where it lies: a: [k] every `step` bytes, b: [k, n] with rows in one piece, c: [n] in one piece. */
function multiplyRow(
  n: usize,
  k: usize,
  a: usize,
  step: usize,
  b: usize,
  bRow: usize,
  c: usize,
  add: bool,
): void {
  const endOfA = a + k * step;
  let j: usize = 0;
  for (; j + 16 <= n; j += 16) {
    const to = c + 4 * j;
    let s0 = add ? v128.load(to) : f32x4.splat(0);
    let s1 = add ? v128.load(to, 16) : f32x4.splat(0);
    let s2 = add ? v128.load(to, 32) : f32x4.splat(0);
    let s3 = add ? v128.load(to, 48) : f32x4.splat(0);
    let from = b + 4 * j;
    for (let at = a; at < endOfA; at += step) {
      const value = v128.load_splat<f32>(at);
      s0 = f32x4.add(s0, f32x4.mul(value, v128.load(from)));
      s1 = f32x4.add(s1, f32x4.mul(value, v128.load(from, 16)));
      s2 = f32x4.add(s2, f32x4.mul(value, v128.load(from, 32)));
      s3 = f32x4.add(s3, f32x4.mul(value, v128.load(from, 48)));
      from += bRow;
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
  for (; j < n; j++) {
    let sum: f32 = add ? load<f32>(c + 4 * j) : 0;
    let from = b + 4 * j;
    for (let at = a; at < endOfA; at += step) {
      sum += load<f32>(at) * load<f32>(from);
      from += bRow;
    }
    store<f32>(c + 4 * j, sum);
  }
}

/** Up to 5 rows of a, [rows, depth] → [depth, 5, 4]: each value four times, as it is multiplied. What is missing is 0. */
function packStrip(to: usize, from: usize, row: usize, step: usize, rows: usize, depth: usize): void {
  const end = to + depth * TILE_ROWS * 16;
  if (rows < TILE_ROWS) {
    memory.fill(to, 0, end - to);
    for (; to < end; to += TILE_ROWS * 16) {
      for (let i: usize = 0; i < rows; i++) v128.store(to + 16 * i, v128.load_splat<f32>(from + i * row));
      from += step;
    }
    return;
  }
  let r1 = from + row;
  let r2 = r1 + row;
  let r3 = r2 + row;
  let r4 = r3 + row;
  for (; to < end; to += TILE_ROWS * 16) {
    v128.store(to, v128.load_splat<f32>(from));
    v128.store(to, v128.load_splat<f32>(r1), 16);
    v128.store(to, v128.load_splat<f32>(r2), 32);
    v128.store(to, v128.load_splat<f32>(r3), 48);
    v128.store(to, v128.load_splat<f32>(r4), 64);
    from += step;
    r1 += step;
    r2 += step;
    r3 += step;
    r4 += step;
  }
}

/** Columns of b, [columns, depth] → panels of 8: [columns / 8, depth, 8]; what fills the last one up is 0. */
function packPanels(to: usize, from: usize, item: usize, step: usize, columns: usize, depth: usize): void {
  for (let j: usize = 0; j < columns; j += TILE_COLUMNS) {
    const source = from + j * item;
    packFour(to, source, item, step, min(columns - j, 4), depth);
    packFour(to + 16, source + 4 * item, item, step, columns - j > 4 ? min(columns - j - 4, 4) : 0, depth);
    to += depth * TILE_COLUMNS * 4;
  }
}

/** Half a panel: to[p, i] = from[i · item + p · step] for up to 4 columns of `depth` values. */
function packFour(to: usize, from: usize, item: usize, step: usize, columns: usize, depth: usize): void {
  const toStep = TILE_COLUMNS * 4;
  let p: usize = 0;
  if (columns === 4 && item === 4) {
    for (; p < depth; p++) v128.store(to + p * toStep, v128.load(from + p * step));
  } else if (columns === 4 && step === 4) {
    p = packTransposed(to, from, item, depth);
  }
  for (; p < depth; p++) {
    const target = to + p * toStep;
    v128.store(target, f32x4.splat(0));
    for (let i: usize = 0; i < columns; i++) {
      store<f32>(target + 4 * i, load<f32>(from + i * item + p * step));
    }
  }
}

/** The part of {@link packFour} that goes in blocks of 4 × 4; returns how many of `depth` it did. */
function packTransposed(to: usize, from: usize, item: usize, depth: usize): usize {
  const toStep = TILE_COLUMNS * 4;
  let p: usize = 0;
  for (; p + 4 <= depth; p += 4) {
    const source = from + 4 * p;
    const r0 = v128.load(source);
    const r1 = v128.load(source + item);
    const r2 = v128.load(source + 2 * item);
    const r3 = v128.load(source + 3 * item);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    const target = to + p * toStep;
    v128.store(target, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
    v128.store(target + toStep, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
    v128.store(target + 2 * toStep, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
    v128.store(target + 3 * toStep, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
  }
  return p;
}

/** Tile by tile; `add`: to what stands in c. Tiles that do not fit c go through `tile`. */
function multiplyStrip(
  strip: usize,
  panels: usize,
  rows: usize,
  columns: usize,
  depth: usize,
  c: usize,
  cRow: usize,
  cColumn: usize,
  add: bool,
  tile: usize,
): void {
  for (let j: usize = 0; j < columns; j += TILE_COLUMNS) {
    const panel = panels + j * depth * 4;
    const target = c + j * cColumn;
    const tileColumns = min(columns - j, TILE_COLUMNS);
    if (cColumn === 4 && rows === TILE_ROWS && tileColumns === TILE_COLUMNS) {
      multiplyTile(depth, strip, panel, target, cRow, add);
    } else {
      if (add) copyTile(tile, TILE_COLUMNS * 4, 4, target, cRow, cColumn, rows, tileColumns);
      multiplyTile(depth, strip, panel, tile, TILE_COLUMNS * 4, add);
      copyTile(target, cRow, cColumn, tile, TILE_COLUMNS * 4, 4, rows, tileColumns);
    }
  }
}

function copyTile(
  to: usize,
  toRow: usize,
  toColumn: usize,
  from: usize,
  fromRow: usize,
  fromColumn: usize,
  rows: usize,
  columns: usize,
): void {
  for (let i: usize = 0; i < rows; i++) {
    for (let j: usize = 0; j < columns; j++) {
      store<f32>(to + i * toRow + j * toColumn, load<f32>(from + i * fromRow + j * fromColumn));
    }
  }
}

/** One tile: strip [depth, 5, 4], panel [depth, 8]. */
function multiplyTile(depth: usize, strip: usize, panel: usize, c: usize, cRow: usize, add: bool): void {
  const c1 = c + cRow;
  const c2 = c1 + cRow;
  const c3 = c2 + cRow;
  const c4 = c3 + cRow;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  let s40 = s00;
  let s41 = s00;
  if (add) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
    s40 = v128.load(c4);
    s41 = v128.load(c4, 16);
  }
  const end = panel + depth * TILE_COLUMNS * 4;
  while (panel < end) {
    const b0 = v128.load(panel);
    const b1 = v128.load(panel, 16);
    let a = v128.load(strip);
    s00 = f32x4.add(s00, f32x4.mul(a, b0));
    s01 = f32x4.add(s01, f32x4.mul(a, b1));
    a = v128.load(strip, 16);
    s10 = f32x4.add(s10, f32x4.mul(a, b0));
    s11 = f32x4.add(s11, f32x4.mul(a, b1));
    a = v128.load(strip, 32);
    s20 = f32x4.add(s20, f32x4.mul(a, b0));
    s21 = f32x4.add(s21, f32x4.mul(a, b1));
    a = v128.load(strip, 48);
    s30 = f32x4.add(s30, f32x4.mul(a, b0));
    s31 = f32x4.add(s31, f32x4.mul(a, b1));
    a = v128.load(strip, 64);
    s40 = f32x4.add(s40, f32x4.mul(a, b0));
    s41 = f32x4.add(s41, f32x4.mul(a, b1));
    strip += TILE_ROWS * 16;
    panel += TILE_COLUMNS * 4;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
  v128.store(c4, s40);
  v128.store(c4, s41, 16);
}
