/** TensorBoard's files, read by TensorBoard's own reader where it is installed. */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, type ProgressListener } from '@selective-dpo/foundation';
import { openEngine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import type { MetricsRecord, TrainingConfig } from '../src/index.js';
import { crc32c, maskedCrc32c } from '../src/tracking/crc32c.js';
import { EventFile } from '../src/tracking/event-file.js';
import { scalarEvent } from '../src/tracking/event.js';
import { varintField } from '../src/tracking/protobuf.js';
import { tfRecord } from '../src/tracking/tf-record.js';
import { freshFolder } from './fresh-folder.js';
import { refusalOf } from './refusal.js';
import { linesOf, newRunFolder, runWith, writeRunInputs, type RunInputs } from './small-run.js';

const python = process.env['SELECTIVE_DPO_PYTHON'] ?? 'python3';
const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('tensorboard');

function hasTensorboard(): boolean {
  if (required) return true;
  try {
    execFileSync(python, ['-c', 'import tensorboard.backend.event_processing.event_accumulator'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}

/** What TensorBoard finds: every scalar's steps and values, and the names of the run's settings. */
const READER = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
scalars = {tag: [[e.step, e.value, e.wall_time] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}
found = events.PluginTagToContent('hparams')['_hparams_/session_start_info']
settings = plugin_data_pb2.HParamsPluginData.FromString(found).session_start_info.hparams
print(json.dumps({'scalars': scalars, 'settings': {k: getattr(v, v.WhichOneof('kind')) for k, v in settings.items()}}))
`;

interface Found {
  scalars: Record<string, [step: number, value: number, time: number][]>;
  settings: Record<string, unknown>;
}
const readWithTensorboard = (folder: string): Found =>
  JSON.parse(
    execFileSync(python, ['-c', READER, folder], { stdio: ['ignore', 'pipe', 'ignore'] }).toString(),
  ) as Found;

const eventFiles = async (folder: string) =>
  (await readdir(folder)).filter((name) => name.startsWith('events.out.tfevents.'));

const CONFIG: Partial<TrainingConfig> = {
  evalFraction: 0.2,
  evalEvery: 2,
  maxSteps: 6,
  batchSize: 8,
  saveEvery: 2,
};

let inputs: RunInputs;
beforeAll(async () => {
  await openEngine('wasm');
  inputs = await writeRunInputs();
});

/** Every figure of metrics.jsonl is among the scalars once, and nothing else is. */
async function expectComplete(folder: string): Promise<void> {
  const { scalars } = readWithTensorboard(folder);
  const lines = await linesOf(folder);
  const expected: Found['scalars'] = {};
  for (const { split, step, time, ...figures } of lines) {
    for (const [name, value] of Object.entries(figures)) {
      (expected[`${split}/${name}`] ??= []).push([step, Math.fround(Number(value)), Number(time)]);
    }
  }
  expect(scalars).toEqual(expected);
  expect(Object.keys(scalars)).toEqual(
    expect.arrayContaining(['train/loss', 'eval/rewards/accuracies', 'train/lr']),
  );
}

/** A run that is stopped after `steps` steps. */
async function stoppedAfter(steps: number): Promise<string> {
  const outDirectory = await newRunFolder();
  const controller = new AbortController();
  let done = 0;
  const listener: ProgressListener = ({ type }) =>
    type === 'progress' && ++done === steps && controller.abort();
  const run = runWith(inputs, { outDirectory, config: CONFIG, listener, signal: controller.signal });
  await expect(run).rejects.toThrow(Interrupted);
  return outDirectory;
}

describe('the parts of an event file', () => {
  it('have the CRC-32C of the specification', () => {
    // RFC 3720, B.4; and the well-known check value of nine digits.
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(maskedCrc32c(Buffer.from('123456789'))).toBe(
      (((0xe3069283 >>> 15) | (0xe3069283 << 17)) + 0xa282ead8) >>> 0,
    );
  });

  it('are framed with their length and two CRCs', () => {
    const record = tfRecord(Buffer.from('abc'));
    expect(record.length).toBe(8 + 4 + 3 + 4);
    expect(record.readBigUInt64LE(0)).toBe(3n);
    expect(record.readUInt32LE(15)).toBe(maskedCrc32c(Buffer.from('abc')));
  });

  it('write whole numbers seven bits at a time, beyond 32 bits, too', () => {
    expect([...varintField(1, 300)]).toEqual([0x08, 0xac, 0x02]);
    expect([...varintField(2, 0)]).toEqual([0x10, 0x00]);
    expect([...varintField(1, 2 ** 35)]).toEqual([0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
  });

  it('make an event of a time, a step and scalars', () => {
    const event = scalarEvent(1.5, 7, { a: 2 });
    const time = [0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f];
    const value = [0x0a, 0x08, 0x0a, 0x01, 0x61, 0x15, 0, 0, 0, 0x40];
    expect([...event]).toEqual([...time, 0x10, 7, 0x2a, value.length, ...value]);
  });
});

describe('the event file of a run', () => {
  it('can be turned off, also when a run goes on', async () => {
    const { folder } = await runWith(inputs, { config: { ...CONFIG, tensorboard: false } });
    expect(await eventFiles(folder)).toEqual([]);
    const outDirectory = await stoppedAfter(3);
    expect(await eventFiles(outDirectory)).toHaveLength(1);
    await runWith(inputs, { outDirectory, resume: true, config: { ...CONFIG, tensorboard: false } });
    expect(await eventFiles(outDirectory)).toEqual([]);
  });

  it('is one, and made anew when the run goes on', async () => {
    const outDirectory = await stoppedAfter(3);
    await writeFile(join(outDirectory, 'events.out.tfevents.1.left'), 'of a run that was killed');
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
    const [name, ...others] = await eventFiles(outDirectory);
    expect([others, name]).toEqual([[], expect.not.stringContaining('left')]);
  });

  it('has beside it who is told of every record', async () => {
    const records: MetricsRecord[] = [];
    const onMetrics = (record: MetricsRecord) => void records.push(record);
    const { folder } = await runWith(inputs, { config: CONFIG, onMetrics });
    const told = records.map(({ split, step, figures }) => ({ split, step, ...figures }));
    expect(told).toEqual(
      (await linesOf(folder)).map(({ time, ...line }) => (Number(time) > 1e9 ? line : {})),
    );
  });
});

describe('a folder in the place of an event file', () => {
  it('is refused by its name, and left as it is', async () => {
    const outDirectory = await stoppedAfter(2);
    await mkdir(join(outDirectory, 'events.out.tfevents.1.x'));
    const [problem] = await refusalOf(() => runWith(inputs, { outDirectory, resume: true, config: CONFIG }));
    expect(['is-a-folder', 'no-permission']).toContain(problem!.code);
    expect(problem!.details.file).toContain('events.out.tfevents.1.x');
    expect(await eventFiles(outDirectory)).toContain('events.out.tfevents.1.x');
  });
});

describe.skipIf(!hasTensorboard())('TensorBoard’s own reader (needs tensorboard)', () => {
  it('finds every scalar and setting of a run', async () => {
    const { folder } = await runWith(inputs, { config: CONFIG });
    await expectComplete(folder);
    const { settings } = readWithTensorboard(folder);
    expect(settings).toMatchObject({ keep: 0.4, selection: 'quantile', batchSize: 8, shuffle: true });
  });

  it.each([1, 3, 4])('finds every step once after a run stopped after step %i went on', async (steps) => {
    const outDirectory = await stoppedAfter(steps);
    await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
    await expectComplete(outDirectory);
  });

  it('finds every step once after a kill that left half a record, steps without a checkpoint, or no file', async () => {
    for (const left of ['half', 'later', 'none'] as const) {
      const outDirectory = await stoppedAfter(3);
      const [name] = await eventFiles(outDirectory);
      const file = join(outDirectory, name!);
      const { length } = await readFile(file);
      if (left === 'half') await truncate(file, length - 20);
      else if (left === 'later') await appendFile(file, tfRecord(scalarEvent(1, 99, { 'train/loss': 1 })));
      else await truncate(file, 0);
      // Negative control: as it was left it is not complete.
      await expect(expectComplete(outDirectory)).rejects.toThrow();
      await runWith(inputs, { outDirectory, resume: true, config: CONFIG });
      await expectComplete(outDirectory);
    }
  });

  it('reads a file made of lines of an older version, which have no time', async () => {
    const folder = await freshFolder();
    const metricsFile = join(folder, 'metrics.jsonl');
    await writeFile(metricsFile, '{"split":"train","step":1,"loss":0.5}\n');
    await (await EventFile.open(folder, metricsFile, { keep: 0.4 })).close();
    expect(readWithTensorboard(folder).scalars).toEqual({ 'train/loss': [[1, 0.5, 0]] });
  });
});
