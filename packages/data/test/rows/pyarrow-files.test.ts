/** Files as pyarrow writes them, in every codec, version and encoding that it has: what is looked at first refuses none of them. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isDroppedRow } from '../../src/rows/preference-row.js';
import { openPreferenceSource } from '../../src/rows/preference-source.js';
import { collect, temporaryFolder } from './temporary-folder.js';

const write = temporaryFolder();

/** Prints the names of the files. Rows have nulls, empty lists and texts that are alike. */
const SCRIPT = `
import sys, pyarrow as pa, pyarrow.parquet as pq, pyarrow.feather as feather
turns = lambda i, word: [{"role": "user", "content": f"q{i // 3}"}, {"role": "assistant", "content": word * (i % 40) + str(i)}]
rows = [{"prompt": None if i % 7 == 0 else f"q{i // 3}", "chosen": turns(i, "yes "), "rejected": turns(i, "no "), "n": i} for i in range(3000)]
nested = pa.Table.from_pylist(rows)
flat = pa.table({c: [f"{c} {i // 5} " + "ab" * (i % 50) for i in range(3000)] for c in ("prompt", "chosen", "rejected")})
def save(name, table, **how):
    pq.write_table(table, name + ".parquet", row_group_size=1300, data_page_size=4096, **how)
    print(name + ".parquet")
for codec in ("none", "snappy", "gzip", "brotli", "lz4", "zstd"):
    for version in ("1.0", "2.0"):
        for dictionary in (True, False):
            save(f"{codec}-{version}-{dictionary}", nested, compression=codec, data_page_version=version, use_dictionary=dictionary)
for encoding in ("PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"):
    save(encoding, flat, use_dictionary=False, column_encoding=encoding)
for codec in ("zstd", "uncompressed"):
    feather.write_feather(nested, codec + ".arrow", compression=codec, chunksize=1000)
    print(codec + ".arrow")
`;

it('are read, all of them as the same rows', async (context) => {
  const python = process.env['SELECTIVE_DPO_PYTHON'] ?? 'python3';
  try {
    execFileSync(python, ['-c', 'import pyarrow.parquet'], { stdio: 'ignore' });
  } catch {
    context.skip(`${python} has no pyarrow`);
  }
  const folder = join(write('beside.txt', ''), '..');
  const names = execFileSync(python, ['-c', SCRIPT], { cwd: folder, encoding: 'utf8' }).trim().split('\n');
  expect(names).toHaveLength(29);
  const byKind = new Map<string, string>();
  for (const name of names) {
    const rows = await collect((await openPreferenceSource(join(folder, name))).rows());
    expect([name, rows.length, rows.filter(isDroppedRow).length]).toEqual([name, 3000, 0]);
    const kind = /^[A-Z]/.test(name) ? 'flat' : 'nested';
    const first = byKind.get(kind) ?? JSON.stringify(rows);
    byKind.set(kind, first);
    expect(JSON.stringify(rows) === first, name).toBe(true);
  }
}, 180_000);
