/** Parsers that are not as they should be, and one that is: what the harness says of them is tested. */

import { Buffer } from 'node:buffer';

const one = [(input) => input];
const seeds = [Buffer.from('a')];

/** Reads the seed well at first, so that only the cases fail. */
const target = (name, check, more = {}) => ({
  ...{ name, what: name, memoryMiB: 128, mutations: one, ...more },
  prepare: () => {
    let calls = 0;
    return Promise.resolve({
      seeds,
      check: (input) => (calls++ === 0 && more.badSeed !== true ? undefined : check(input, calls)),
    });
  },
});

/** Computes for so long, however busy the machine is. */
const spin = (ms) => {
  const started = process.cpuUsage();
  while (process.cpuUsage(started).user < 1000 * ms);
};

export const targets = [
  target('sound', () => undefined),
  target('hangs', () => {
    for (;;);
  }),
  target('never-answers', () => new Promise(() => undefined)),
  target('slow', () => spin(3500)),
  target('throws-type-error', () => undefined.length),
  target('throws-text', () => {
    throw 'a text';
  }),
  target('wrong', () => 'another value'),
  target('hoards', () => {
    Buffer.alloc(300 << 20, 1);
  }),
  target('heap', () => {
    const held = [];
    for (;;) held.push({ a: held.length });
  }),
  target('ends', () => process.exit(7)),
  target('aborts', () => process.abort()),
  target('bad-seed', () => 'not read', { badSeed: true }),
];
