/**
 * The whole study from one command: references and caches, sweeps, answers and their judge, tables.
 *
 *   npm run build
 *   node docs/study/study.mjs --out DIR [--parallel 2] [--stories DIR --rasbt FILE]
 *
 * Without the model stories260K and rasbt's file only the café is studied. Goes on where it was stopped; what is done already
 * is not done again. Prints the tables of docs/study.md.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { renderMetricPlot } from '../../packages/sweeps/dist/index.js';
import { groupsOf, mean, percent, plain, readTable } from './tables.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const sdpo = join(here, '../../packages/cli/bin/sdpo.js');
const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    parallel: { type: 'string', default: '2' },
    stories: { type: 'string' },
    rasbt: { type: 'string' },
  },
});
if (!values.out) {
  console.log('node docs/study/study.mjs --out DIR [--parallel 2] [--stories DIR --rasbt FILE]');
  process.exit(2);
}
const CAFE_HEADER = ['faultless answers, %', 'held-out accuracy, %', 'log-prob margin, nats'];
const withRasbt = values.stories !== undefined && values.rasbt !== undefined;
for (const world of ['cafe', ...(withRasbt ? ['rasbt'] : [])]) {
  const sources = world === 'rasbt' ? ['--stories', values.stories, '--rasbt', values.rasbt] : [];
  node(join(here, 'prepare.mjs'), '--out', values.out, '--world', world, ...sources);
  for (const file of readdirSync(join(here, world))) {
    copyFileSync(join(here, world, file), join(values.out, world, file));
    const sweep = join(values.out, world, file.replace('.yaml', ''));
    node(sdpo, 'sweep', `${sweep}.yaml`, '--out', sweep, '--parallel', values.parallel);
  }
}
node(join(here, 'judge-cafe.mjs'), '--out', values.out);
printTables();
for (const [world, sweep, key, figure] of [
  ['cafe', 'keep', 'keep', 'faultless answers'],
  ['cafe', 'beta', 'beta', 'faultless answers'],
  ['cafe', 'references', 'cache', 'faultless answers'],
  ...(withRasbt ? [['rasbt', 'keep', 'keep', 'held-out accuracy']] : []),
]) {
  writeFileSync(
    join(here, `${world}-${sweep}.svg`),
    renderMetricPlot(reportOf(world, sweep, key), key, figure),
  );
}

/** Results and judgements as the sweep's report draws them. */
function reportOf(world, sweep, key) {
  const runs = rowsOf(world, sweep).map((row) => ({
    ...{ name: row.name, key: row.key, seed: row.seed, status: row.status, curves: {} },
    values: { [key]: row[key], ...(row.run === undefined ? {} : { run: row.run }) },
    metrics: {
      'held-out accuracy': row['eval/logps/accuracies'],
      ...(row.held_out === undefined ? {} : { 'faultless answers': row.held_out }),
    },
  }));
  const sweptKeys = Object.keys(runs[0].values);
  return { title: `${world}: ${sweep}`, runs, sweptKeys, metric: 'held-out accuracy' };
}

function node(...words) {
  execFileSync(process.execPath, words, { stdio: ['ignore', 'inherit', 'inherit'] });
}

function printTables() {
  const cafe = (sweep) => rowsOf('cafe', sweep);
  console.log('\n## The café: methods, each at the learning rate whose answers were best on other orders\n');
  print(
    ['method', 'learning rate', ...CAFE_HEADER],
    bestOf(cafe('methods'), ['run'], 'tuning').map((rows) => [
      ...[rows[0].run, rows[0].learningRate, ...cafeCells(rows)],
    ]),
  );
  for (const [sweep, columns] of [
    ['keep', ['keep']],
    ['beta', ['run', 'beta']],
    ['references', ['run', 'cache']],
  ]) {
    console.log(`\n## The café: ${sweep}\n`);
    const groups = groupsOf(cafe(sweep), columns);
    print(
      [...columns, ...CAFE_HEADER],
      groups.map((rows) => [...columns.map((name) => rows[0][name]), ...cafeCells(rows)]),
    );
  }
  if (!withRasbt) return;
  for (const [sweep, columns] of [
    ['methods', ['run', 'learningRate']],
    ['keep', ['keep']],
  ]) {
    console.log(`\n## rasbt: ${sweep}\n`);
    const groups = groupsOf(rowsOf('rasbt', sweep), columns);
    print(
      [...columns, 'held-out accuracy, %', 'log-prob margin, nats'],
      groups.map((rows) => [...columns.map((name) => rows[0][name]), ...likelihoodCells(rows)]),
    );
  }
}

/** Results of a sweep with what the judge found. */
function rowsOf(world, sweep) {
  const folder = join(values.out, world, sweep);
  const answers = join(folder, 'answers.csv');
  const judged = new Map((existsSync(answers) ? readTable(answers) : []).map((row) => [row.key, row]));
  const rows = readTable(join(folder, 'results.csv')).filter(({ status }) => status === 'finished');
  return rows.map((row) => ({ ...row, ...judged.get(row.key) }));
}

/** Of each group the rows with the learning rate of the highest mean. */
function bestOf(rows, columns, figure) {
  return groupsOf(rows, columns).map((group) => {
    const byRate = groupsOf(group, ['learningRate']);
    const means = byRate.map((one) => mean(one.map((row) => row[figure])));
    return byRate[means.indexOf(Math.max(...means))];
  });
}

function cafeCells(rows) {
  return [percent(rows.map((row) => row.held_out)), ...likelihoodCells(rows)];
}

function likelihoodCells(rows) {
  return [
    percent(rows.map((row) => row['eval/logps/accuracies'])),
    plain(rows.map((row) => row['eval/logps/chosen'] - row['eval/logps/rejected'])),
  ];
}

function print(header, rows) {
  for (const cells of [header, header.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`);
}
