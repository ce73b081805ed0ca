import { EventEmitter } from 'node:events';
import type { Answer, AnswerValue } from '@selective-dpo/stats';
import { describe, expect, it } from 'vitest';
import { printAnswer, type AnswerFormat } from '../../src/console/answer-printer.js';
import { ConsoleWriter } from '../../src/console/console-writer.js';

class Stream extends EventEmitter {
  text = '';
  isTTY = false;
  writableNeedDrain = false;
  destroyed = false;

  write(text: string): void {
    this.text += text;
  }
}

/** @param batches that are asked for are counted. */
function answerOf(batches: readonly AnswerValue[][][]): { answer: Answer; asked: () => number } {
  let asked = 0;
  const give = async function* () {
    for (const batch of batches) {
      asked++;
      yield await Promise.resolve(batch);
    }
  };
  return { answer: { columns: ['name', 'n'], batches: give() }, asked: () => asked };
}

const ROWS: AnswerValue[][][] = [
  [
    ['a\u001b[2J', 1.23456789],
    ['=1+1', null],
  ],
  [['b\r\nc', [1, 2]]],
];

async function printed(format: AnswerFormat, { rows = 40, terminal = false } = {}): Promise<string> {
  const stream = new Stream();
  stream.isTTY = terminal;
  const writer = new ConsoleWriter(stream, new Stream(), format === 'json');
  await printAnswer(writer, answerOf(ROWS).answer, format, rows);
  return stream.text;
}

describe('an answer', () => {
  it('as a table is cut to the rows asked for, and says so', async () => {
    const all = await printed('table');
    expect(all.split('\n')).toHaveLength(7);
    expect(all).toContain('  3 rows\n');
    expect(all).toContain('1.23457');
    expect(await printed('table', { rows: 2 })).toContain('first 2 rows; --rows N');
    expect(await printed('table', { rows: 3 })).toContain('  3 rows\n');
  });

  it('as CSV and JSON is whole', async () => {
    expect(await printed('csv')).toBe('name,n\r\na\u001b[2J,1.23456789\r\n\'=1+1,\r\n"b\r\nc","[1,2]"\r\n');
    const lines = (await printed('json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines[2]).toEqual({ type: 'row', row: { name: 'b\r\nc', n: [1, 2] } });
  });

  it('shows a terminal no control characters', async () => {
    for (const format of ['table', 'csv'] as const) {
      // eslint-disable-next-line no-control-regex
      expect(await printed(format, { terminal: true })).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    }
  });

  it('waits for a slow reader, and ends when there is none any more', async () => {
    const stream = new Stream();
    stream.writableNeedDrain = true;
    const { answer, asked } = answerOf(ROWS);
    const work = printAnswer(new ConsoleWriter(stream, new Stream(), true), answer, 'json', 40);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked()).toBe(1);
    stream.writableNeedDrain = false;
    stream.emit('drain');
    await work;
    expect(asked()).toBe(2);
    expect(stream.listenerCount('drain') + stream.listenerCount('close')).toBe(0);
    const gone = answerOf(ROWS);
    stream.destroyed = true;
    await printAnswer(new ConsoleWriter(stream, new Stream(), true), gone.answer, 'json', 40);
    expect(gone.asked()).toBe(1);
  });
});
