import { mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SeededRandom, sha256 } from '@selective-dpo/foundation';
import {
  applyFault,
  dialogues,
  FAULT_KINDS,
  HABITS,
  judgeAnswer,
  parseOrder,
  planAnswer,
  preferenceRows,
  randomOrder,
  renderAnswer,
  renderPrompt,
  splitOf,
  writeDemoPreferences,
  writeDemoTokenizer,
  type FaultKind,
} from '../../src/demo/index.js';

const train = { seed: 1, split: 'train' } as const;

describe('preferenceRows', () => {
  it('prefers a faultless answer to one with one or two faults, for the prompt at hand', () => {
    const kinds = new Map<string, number>();
    let two = 0;
    for (const { prompt, chosen, rejected } of preferenceRows({ ...train, count: 2000 })) {
      const [user, right, wrong] = [prompt[0]!.content, chosen[0]!.content, rejected[0]!.content];
      expect(judgeAnswer(user, right)).toEqual({ score: 1, faults: [] });
      const { score, faults } = judgeAnswer(user, wrong);
      expect(score).toBeLessThan(1);
      expect(score).toBeGreaterThan(0);
      expect(faults.length).toBeGreaterThan(0);
      // Swapping a thing counts as forgetting one and adding another.
      if (faults.length > 2) two++;
      for (const fault of faults) kinds.set(fault.split(' ')[0]!, (kinds.get(fault.split(' ')[0]!) ?? 0) + 1);
    }
    expect([...kinds.keys()].sort()).toEqual(
      ['curt', 'extra', 'forgotten', 'order', 'place', 'quantity', 'total'].sort(),
    );
    expect(Math.min(...kinds.values())).toBeGreaterThan(40);
    for (const { kind } of HABITS) expect(kinds.get(kind)).toBeGreaterThan(300);
    expect(two).toBeLessThan(200);
  });

  it('gives the same row for the same seed, however many rows are asked for', () => {
    const few = [...preferenceRows({ ...train, count: 5 })];
    expect([...preferenceRows({ ...train, count: 50 })].slice(0, 5)).toEqual(few);
    expect([...preferenceRows({ ...train, seed: 2, count: 5 })]).not.toEqual(few);
    expect(
      new Set([...preferenceRows({ ...train, count: 1000 })].map((row) => JSON.stringify(row))).size,
    ).toBe(1000);
  });

  it('differs in few words from a right answer in the same words', () => {
    const random = new SeededRandom(3);
    const differing = new Map<FaultKind, number>();
    for (let i = 0; i < 1600; i++) {
      const plan = planAnswer(randomOrder(random, 'train'), random);
      const kind = FAULT_KINDS[i % FAULT_KINDS.length]!;
      if (kind === 'extra' && plan.lines.length > 3) continue;
      const words = (text: string): string[] => text.match(/\w+|[^\w ]/g) ?? [];
      const [right, wrong] = [words(renderAnswer(plan)), words(renderAnswer(applyFault(plan, kind, random)))];
      const changed = right.length + wrong.length - 2 * commonLength(right, wrong);
      expect(changed).toBeGreaterThan(0);
      differing.set(kind, Math.max(changed, differing.get(kind) ?? 0));
    }
    // Words taken out plus words put in: a number changed is 2, neighbours exchanged at most 6.
    expect(Math.max(...differing.values())).toBeLessThanOrEqual(11);
    for (const kind of ['total', 'quantity'] as const) expect(differing.get(kind)).toBeLessThanOrEqual(4);
  });
});

describe('splits', () => {
  it('share no order, whatever the wording', () => {
    const orders = (split: 'train' | 'held-out', count: number): string[] =>
      [...preferenceRows({ seed: 1, split, count })].map((row) =>
        JSON.stringify(parseOrder(row.prompt[0]!.content)),
      );
    const heldOut = new Set(orders('held-out', 1000));
    expect(orders('train', 3000).filter((order) => heldOut.has(order))).toEqual([]);
    expect([...heldOut].map((text) => splitOf(JSON.parse(text)))).not.toContain('train');
    expect(orders('held-out', 5).every((order) => heldOut.has(order))).toBe(true);
  });

  it('hold out about a tenth', () => {
    const random = new SeededRandom(5);
    const seen = Array.from({ length: 4000 }, () => ({
      lines: [0, 1].map((at) => ({ item: at * 8 + random.below(8), quantity: 1 + random.below(3) })),
      table: random.below(9) + 1,
    }));
    const share = seen.filter((order) => splitOf(order) === 'held-out').length / seen.length;
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
  });
});

describe('dialogues', () => {
  const spoken = (speaker: 'staff' | 'careful') =>
    [...dialogues({ ...train, count: 3000, speaker })].map(({ messages: [user, assistant] }) => ({
      order: parseOrder(user.content),
      faults: judgeAnswer(user.content, assistant.content).faults,
    }));
  const shareOf = <T>(list: T[], holds: (item: T) => boolean): number =>
    list.filter(holds).length / list.length;

  it('of careful people are hardly ever wrong', () => {
    const wrong = shareOf(spoken('careful'), ({ faults }) => faults.length > 0);
    expect(wrong).toBeLessThan(0.035);
    expect(wrong).toBeGreaterThan(0);
  });

  it('of the staff show each habit where it belongs, as often as it says, and hardly elsewhere', () => {
    const staff = spoken('staff');
    for (const { kind, when, share } of HABITS) {
      const has = ({ faults }: (typeof staff)[number]): boolean =>
        faults.some((fault) => fault.startsWith(kind));
      const befallen = staff.filter(({ order }) => when(order));
      const others = staff.filter(({ order }) => !when(order));
      expect(befallen.length).toBeGreaterThan(300);
      expect(shareOf(befallen, has)).toBeGreaterThan(share - 0.06);
      expect(shareOf(befallen, has)).toBeLessThan(share + 0.1);
      expect(shareOf(others, has)).toBeLessThan(0.1);
    }
    const wrong = shareOf(staff, ({ faults }) => faults.length > 0);
    expect(wrong).toBeGreaterThan(0.45);
    expect(wrong).toBeLessThan(0.6);
  });
});

describe('the words of a prompt', () => {
  it('give back the order, for every phrasing', () => {
    const random = new SeededRandom(9);
    const openings = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const order = randomOrder(random, 'train');
      const prompt = renderPrompt(order, random);
      openings.add(prompt.split(' ')[0]!);
      expect(parseOrder(prompt)).toEqual(order);
    }
    for (const word of ['Hello,', 'Good', 'Hi', 'There', 'May', 'Two', 'For', 'To'])
      expect(openings).toContain(word);
  });
});

describe('the files', () => {
  it('are the same every time', async () => {
    const folders = await Promise.all([1, 2].map(() => mkdtemp(join(tmpdir(), 'sdpo-demo-'))));
    for (const folder of folders) {
      await writeDemoTokenizer(folder);
      await writeDemoPreferences(join(folder, 'data'));
    }
    const read = async (folder: string): Promise<string[]> => {
      const names = (await readdir(folder, { recursive: true })).filter((name) => /json/.test(name)).sort();
      return Promise.all(names.map(async (name) => `${name} ${sha256(await readFile(join(folder, name)))}`));
    };
    const [one, two] = [await read(folders[0]!), await read(folders[1]!)];
    expect(one).toEqual(two);
    expect(one.map((line) => line.split(' ')[0])).toEqual([
      'data/preferences-held-out.jsonl',
      'data/preferences.jsonl',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const lines = (await readFile(join(folders[0]!, 'data/preferences.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.length).toBe(1000);
    expect(Object.keys(JSON.parse(lines[999]!) as object)).toEqual(['prompt', 'chosen', 'rejected']);
  });
});

/** Length of the longest common subsequence. */
function commonLength(a: string[], b: string[]): number {
  let previous = new Array<number>(b.length + 1).fill(0);
  for (const word of a) {
    const row = [0];
    for (let j = 0; j < b.length; j++) {
      row.push(word === b[j] ? previous[j]! + 1 : Math.max(previous[j + 1]!, row[j]!));
    }
    previous = row;
  }
  return previous.at(-1)!;
}
