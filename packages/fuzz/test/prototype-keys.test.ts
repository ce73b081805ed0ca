/** Keys that JavaScript gives a meaning of its own, in every object of every JSON that is read. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCase } from '../src/run/run-case.js';
import { pollution } from '../src/targets/json-oracle.js';
import { targets } from '../src/targets/index.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdpo-keys-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
const VALUES = ['{"polluted":"yes"}', '"polluted"', 'null'];
const READERS = [
  'config',
  'generation-config',
  'tokenizer',
  'rows',
  'cache-manifest',
  'train-config',
  'request',
  'safetensors',
  'weights-index',
];

/** The text with a member put behind each `{` that opens an object outside of strings. */
function* withMember(text: string, member: string): Generator<string> {
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    if (inString && text[i] === '\\') i++;
    else if (text[i] === '"') inString = !inString;
    else if (text[i] === '{' && !inString) {
      const empty = /^\s*\}/.test(text.slice(i + 1));
      yield `${text.slice(0, i + 1)}${member}${empty ? '' : ','}${text.slice(i + 1)}`;
    }
  }
}

describe.each(READERS)('%s', (name) => {
  it('takes such keys for what they are, or refuses them, and no object gets anything from them', async () => {
    const target = targets.find((one) => one.name === name)!;
    const prepared = await target.prepare(await mkdtemp(join(folder, 'x')));
    const outcomes = new Map<string, number>();
    for (const seed of prepared.seeds.slice(0, 3)) {
      for (const [i, key] of KEYS.entries()) {
        for (const text of withMember(seed.toString('latin1'), `"${key}":${VALUES[i % 3]}`)) {
          const { kind, detail } = await runCase(prepared, Buffer.from(text, 'latin1'));
          expect(['right', 'refused'], `${detail} for ${text.slice(0, 400)}`).toContain(kind);
          outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
          expect(({} as { polluted?: string }).polluted).toBeUndefined();
        }
      }
    }
    expect([...outcomes.values()].reduce((sum, n) => sum + n, 0)).toBeGreaterThan(4);
    await prepared.close?.();
  }, 120_000);
});

describe('the check for such keys', () => {
  it('sees an object that got something (control)', async () => {
    const control = {
      seeds: [],
      check(input: Buffer) {
        const value = JSON.parse(input.toString()) as Record<string, object>;
        Object.assign(Object.prototype, value['prototype']);
        return pollution();
      },
    };
    const { kind } = await runCase(control, Buffer.from('{"prototype":{"polluted":"yes"}}'));
    Reflect.deleteProperty(Object.prototype, 'polluted');
    expect(kind).toBe('wrong');
  });
});
