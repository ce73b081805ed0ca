import { InputError, InputErrors, Interrupted, type ProgressEvent } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { ConsoleWriter } from '../../src/console/console-writer.js';
import { formatBytes, formatCount, formatDuration, formatRate } from '../../src/console/format.js';

function writerOn({ columns, json = false }: { columns?: number; json?: boolean }) {
  const written = { out: '', err: '' };
  let clock = 0;
  const out = {
    write: (text: string) => (written.out += text),
    isTTY: columns !== undefined,
    ...(columns === undefined ? {} : { columns }),
  };
  const err = { write: (text: string) => (written.err += text) };
  const writer = new ConsoleWriter(out, err, json, () => clock);
  return { writer, written, pass: (ms: number) => (clock += ms) };
}

const progress = (done: number): ProgressEvent => ({
  ...{ type: 'progress', stage: 'score', done, total: 2312, unit: 'pairs', ratePerSecond: 41.234 },
  ...{ secondsLeft: 71, figures: { 'tokens/s': 18_605 } },
});

describe('progress', () => {
  it('on a terminal is one line, written over ten times a second at most', () => {
    const { writer, written, pass } = writerOn({ columns: 100 });
    writer.listen(progress(1));
    writer.listen(progress(2));
    expect(written.out).toBe(
      '\r\u001b[2Kscore: 1/2312 pairs · 0% · 41.2 pairs/s · 1m 11s left · tokens/s 18,605',
    );
    pass(100);
    writer.listen(progress(1156));
    expect(written.out.split('\r')).toHaveLength(3);
    expect(written.out).not.toContain('\n');
    writer.listen(progress(2312));
    expect(written.out).toMatch(/100%[^\n]*\n$/);
  });

  it('of bytes is told in units of them, on standard error where that is asked for', () => {
    const { writer, written } = writerOn({});
    const bytes = {
      ...progress(3 << 20),
      stage: 'fetch',
      unit: 'bytes',
      total: 3 * 2 ** 30,
      ratePerSecond: 1_572_864.4,
    };
    writer.listenOnError({ ...bytes, figures: {} });
    writer.listenOnError({ type: 'notice', code: 'waiting', message: 'waiting' });
    expect(written).toEqual({
      out: '',
      err: 'fetch: 3.0 MB of 3.0 GB · 0% · 1.5 MB/s · 1m 11s left\nwaiting\n',
    });
    const json = writerOn({ json: true });
    json.writer.listenOnError({ type: 'notice', code: 'waiting', message: 'waiting' });
    expect(json.written).toEqual({
      out: '{"type":"notice","code":"waiting","message":"waiting"}\n',
      err: '',
    });
  });

  it('on a narrow terminal leaves figures out whole and never cuts a number', () => {
    for (let columns = 20; columns < 90; columns++) {
      const { writer, written } = writerOn({ columns });
      writer.listen(progress(1156));
      const shown = written.out.replace('\r\u001b[2K', '');
      expect(shown.length).toBeLessThan(columns);
      const whole = 'score: 1156/2312 pairs · 50% · 41.2 pairs/s · 1m 11s left · tokens/s 18,605';
      if (columns > 24)
        expect(
          [...whole.split(' · ').entries()].map(([i]) =>
            whole
              .split(' · ')
              .slice(0, i + 1)
              .join(' · '),
          ),
        ).toContain(shown);
    }
  });

  it('in a block gives way to lines, and is cut to the terminal', () => {
    const { writer, written, pass } = writerOn({ columns: 8 });
    writer.block(() => ['run', 'a name that is long']);
    writer.block(() => ['too soon']);
    expect(written.out).toBe('run\na name ');
    pass(100);
    written.out = '';
    writer.block(() => ['again']);
    writer.line('done');
    const erased = '\r\u001b[2K\u001b[1A\u001b[2K';
    expect(written.out).toBe(`${erased}again\r\u001b[2Kdone\n`);
    const plain = writerOn({});
    plain.writer.block(() => ['run']);
    expect(plain.written.out).toBe('');
  });

  it('elsewhere is a plain line every five seconds, with --json an object every second', () => {
    const plain = writerOn({});
    const json = writerOn({ json: true });
    for (let second = 0; second < 20; second++) {
      for (const { writer, pass } of [plain, json]) {
        writer.listen(progress(second + 1));
        writer.listen(progress(second + 1));
        pass(1000);
      }
    }
    expect(plain.written.out.trim().split('\n')).toHaveLength(4);
    const objects = json.written.out.trim().split('\n');
    expect(objects).toHaveLength(20);
    expect(JSON.parse(objects[3]!)).toEqual(progress(4));
  });
});

describe('figures for trackers', () => {
  const record = (step: number) => ({ split: 'train', step, figures: { loss: 0.5 } });

  it('are an object each with --json, however fast they come, and nothing for people', () => {
    const [plain, json] = [writerOn({}), writerOn({ json: true })];
    for (const { writer } of [plain, json]) for (const step of [1, 2, 3]) writer.metrics(record(step));
    expect(plain.written.out).toBe('');
    const objects = json.written.out.trim().split('\n');
    expect(objects.map((line) => JSON.parse(line) as unknown)).toEqual(
      [1, 2, 3].map((step) => ({ type: 'metrics', ...record(step) })),
    );
  });
});

describe('failures', () => {
  const problem = new InputError('x', 'is wrong', { file: 'a\nb.json', line: 3, found: '1', expected: '2' });

  it('are a line a problem on standard error and exit code 2', () => {
    const { writer, written } = writerOn({});
    expect(writer.failure(new InputErrors([problem, problem]))).toBe(2);
    expect(written.err).toBe('error: a\\nb.json:3: is wrong; found 1; expected 2\n'.repeat(2));
    expect(written.out).toBe('');
  });

  it('with --json are objects on standard output, too', () => {
    const { writer, written } = writerOn({ json: true });
    expect(writer.failure(problem)).toBe(2);
    expect(JSON.parse(written.out)).toMatchObject({ type: 'error', code: 'x', line: 3, found: '1' });
  });

  it('of interruption say how to go on, with exit code 130; anything else is a defect, with 1', () => {
    const { writer, written } = writerOn({});
    expect(writer.failure(new Interrupted('stopped', 'again'))).toBe(130);
    expect(written.err).toBe('stopped; to go on: again\n');
    expect(writer.failure(new TypeError('oops'))).toBe(1);
    expect(written.err).toContain('defect');
  });

  it('begin on a line of their own after an open progress line', () => {
    const { writer, written } = writerOn({ columns: 100 });
    writer.listen(progress(1));
    writer.failure(problem);
    expect(written.out.endsWith('\n')).toBe(true);
  });
});

describe('numbers', () => {
  it('read as people write them', () => {
    expect([0.123456, 41.234, 18_605.4, NaN].map(formatRate)).toEqual(['0.123', '41.2', '18,605', 'NaN']);
    expect([9, 75, 7260].map(formatDuration)).toEqual(['9s', '1m 15s', '2h 01m']);
    expect([0, 1536, 5 << 20].map(formatBytes)).toEqual(['0 bytes', '1.5 KB', '5.0 MB']);
    expect([formatCount(1, 'pair'), formatCount(2312, 'pair')]).toEqual(['1 pair', '2,312 pairs']);
  });
});
