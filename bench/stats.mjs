/**
 * How long the figures of a cache take, and how much memory.
 *
 *   npm run build
 *   node bench/stats.mjs [--pairs 100000] [--repetitions 3] [--cache DIR]
 *
 * Writes a synthetic cache (50 prompt and twice 50 response tokens a pair on average) with the project's writer, or takes the one given,
 * and runs `sdpo stats` on it, as the built command in a process of its own: seconds from its start to its end, and its peak memory.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { printTable, spread } from './spread.mjs';
import { writeSyntheticCache } from './synthetic-cache.mjs';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '100000' },
    repetitions: { type: 'string', default: '3' },
    cache: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log('node bench/stats.mjs [--pairs 100000] [--repetitions 3] [--cache DIR]');
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const cli = fileURLToPath(new URL('../packages/cli/bin/sdpo.js', import.meta.url));
/** Prints its own peak memory in MB as the last line of standard error. */
const measured = `process.on('exit', () => console.error((process.resourceUsage().maxRSS / 1024).toFixed(0)));`;

function timeCommand(cache, args) {
  const started = performance.now();
  const program = [
    '--import',
    `data:text/javascript,${encodeURIComponent(measured)}`,
    cli,
    'stats',
    cache,
    ...args,
  ];
  const { status, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8', maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(stderr);
  return {
    seconds: (performance.now() - started) / 1000,
    megabytes: Number(stderr.trim().split('\n').at(-1)),
  };
}

const COMMANDS = [
  ['sdpo stats', []],
  ['sdpo stats --verify', ['--verify']],
  [
    '--sql, tokens by id',
    ['--sql', 'SELECT id, count(*), avg(ref_logp) FROM tokens GROUP BY id ORDER BY 2 DESC LIMIT 10'],
  ],
  ['--sql, all pairs as CSV', ['--csv', '--sql', 'SELECT * FROM pairs']],
];

try {
  const cache = values.cache ?? join(folder, 'cache');
  if (values.cache === undefined)
    await writeSyntheticCache(cache, Number(values.pairs), { prompt: 50, response: 50 });
  const rows = COMMANDS.map(([name, args]) => {
    const runs = Array.from({ length: Number(values.repetitions) }, () => timeCommand(cache, args));
    return [
      name,
      spread(
        runs.map(({ seconds }) => seconds),
        2,
      ),
      spread(
        runs.map(({ megabytes }) => megabytes),
        0,
      ),
    ];
  });
  printTable(['what', 'seconds', 'peak MB'], rows);
} finally {
  rmSync(folder, { recursive: true });
}
