import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom, type TokenizedPair } from '@selective-dpo/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPreferenceSource } from '../../src/rows/preference-source.js';
import {
  isDroppedRow,
  MAX_TEXT_LENGTH,
  type DroppedRow,
  type PreferenceRow,
} from '../../src/rows/preference-row.js';
import { DropLedger } from '../../src/tokenization/drop-ledger.js';
import { loadPairTokenizer, type PairTokenizer } from '../../src/tokenization/pair-tokenizer.js';
import { tokenizePair, tokenizePairs } from '../../src/tokenization/tokenize-pair.js';
import type { LengthLimits } from '../../src/tokenization/truncation.js';
import { collect } from '../rows/temporary-folder.js';
import { shared, sharedJson, sharedPath } from '../rows/shared-data.js';
import { writeModel } from './byte-level-model.js';

const root = mkdtempSync(join(tmpdir(), 'sdpo-pairs-'));
let chat: PairTokenizer;
let plain: PairTokenizer;
let withBos: PairTokenizer;
beforeAll(async () => {
  const config = { eos_token: '<|im_end|>' };
  const bos = { ...config, bos_token: '<|endoftext|>', add_bos_token: true };
  chat = await loadPairTokenizer(writeModel(join(root, 'chat')));
  plain = await loadPairTokenizer(writeModel(join(root, 'plain'), { 'tokenizer_config.json': config }));
  withBos = await loadPairTokenizer(writeModel(join(root, 'bos'), { 'tokenizer_config.json': bos }));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const textRow = (prompt: string, chosen: string, rejected: string, row = 0): PreferenceRow => ({
  row,
  text: { prompt, chosen, rejected },
});
const chatRow = (question: string, chosen: string, rejected: string): PreferenceRow => ({
  row: 0,
  conversation: {
    prompt: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: question },
    ],
    chosen: [{ role: 'assistant', content: chosen }],
    rejected: [{ role: 'assistant', content: rejected }],
  },
});
function pairOf(row: PreferenceRow, tokenizer: PairTokenizer, limits?: LengthLimits): TokenizedPair {
  const pair = tokenizePair(row, tokenizer, limits);
  if (isDroppedRow(pair)) throw new Error(`${pair.reason}: ${pair.detail}`);
  return pair;
}
const reasonOf = (row: PreferenceRow, tokenizer: PairTokenizer, limits?: LengthLimits): string =>
  (tokenizePair(row, tokenizer, limits) as DroppedRow).reason;
const whole = (pair: TokenizedPair, side: 'chosenIds' | 'rejectedIds'): number[] => [
  ...pair.promptIds,
  ...pair[side],
];

describe('texts', () => {
  it('appends EOS once', () => {
    const pair = pairOf(textRow('q', ' a', ' b<|im_end|>'), plain);
    expect(plain.decode(pair.chosenIds)).toBe(' a<|im_end|>');
    expect(plain.decode(pair.rejectedIds)).toBe(' b<|im_end|>');
  });

  it('adds BOS by the tokenizer’s own rule', () => {
    expect(pairOf(textRow('q', ' a', ' b'), withBos).promptIds[0]).toBe(withBos.bosTokenId);
    expect([...pairOf(textRow('q', ' a', ' b'), plain).promptIds]).toEqual(plain.encode('q'));
  });

  it('moves the boundary where prompt and response merge into one token', () => {
    // "the" is one token of prompt "th" and response "e…": the prompt's own last token is not in the sequence.
    const pair = pairOf(textRow('ab th', 'e end', 'is end'), plain);
    expect(whole(pair, 'chosenIds')).toEqual([...plain.encode('ab the end'), plain.eosTokenId]);
    expect(plain.decode(pair.promptIds)).toBe('ab');
    expect(plain.decode(pair.chosenIds)).toBe(' the end<|im_end|>');
    // The other side has no such token, and yet splits at the same place.
    expect(plain.decode(pair.rejectedIds)).toBe(' this end<|im_end|>');
  });

  it('is what tokenising part by part is not', () => {
    const pair = pairOf(textRow('ab th', 'e end', 'is end'), plain);
    expect(whole(pair, 'chosenIds')).not.toEqual([
      ...plain.encode('ab th'),
      ...plain.encode('e end'),
      plain.eosTokenId,
    ]);
  });

  it('keeps whole sequences and a shared prompt for any texts', () => {
    const random = new SeededRandom(3);
    const alphabet = ['t', 'h', 'e', ' ', 'the', '\n', '.', ': ', 'ab', 'oo', 'ü', '<|im_end|>'];
    const text = (): string =>
      Array.from({ length: 1 + random.below(8) }, () => alphabet[random.below(12)]!).join('');
    let pairs = 0;
    for (let i = 0; i < 500; i++) {
      const [prompt, chosen, rejected] = [text(), text(), text()];
      const pair = tokenizePair(textRow(prompt, chosen, rejected), plain);
      if (isDroppedRow(pair)) continue;
      pairs++;
      for (const [side, response] of [
        ['chosenIds', chosen],
        ['rejectedIds', rejected],
      ] as const) {
        const ids = plain.encode(prompt + response);
        expect(whole(pair, side)).toEqual(ids.at(-1) === plain.eosTokenId ? ids : [...ids, plain.eosTokenId]);
        expect(pair[side].length).toBeGreaterThan(0);
      }
    }
    expect(pairs).toBeGreaterThan(300);
  });
});

describe('conversations', () => {
  it('renders whole conversations by the chat template, system turn once, nothing appended', () => {
    const pair = pairOf(chatRow('hi', 'good', 'bad'), chat);
    const prompt =
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n';
    expect(chat.decode(pair.promptIds)).toBe(prompt);
    expect(chat.decode(pair.chosenIds)).toBe('good<|im_end|>\n');
    expect(chat.decode(pair.rejectedIds)).toBe('bad<|im_end|>\n');
    expect(whole(pair, 'chosenIds').filter((id) => id === chat.eosTokenId)).toHaveLength(3);
  });

  it('uses the text where the layout has no conversation, and drops where this row has none', () => {
    expect(chat.decode(pairOf(textRow('q', ' a', ' b'), chat).chosenIds)).toBe(' a<|im_end|>');
    const row = { ...textRow('q', ' a', ' b'), conversationProblem: 'turns out of order' };
    expect(tokenizePair(row, chat)).toEqual({ row: 0, reason: 'unreadable', detail: 'turns out of order' });
    expect(pairOf(row, plain).chosenIds.length).toBeGreaterThan(0);
    expect(reasonOf(chatRow('q', 'a', 'b'), plain)).toBe('unreadable');
  });

  it('drops a row the template refuses, with the template’s words', async () => {
    const picky = await loadPairTokenizer(join(root, 'chat'), {
      chatTemplate: "{{ raise_exception('no system role') }}",
    });
    const dropped = tokenizePair(chatRow('q', 'a', 'b'), picky) as DroppedRow;
    expect(dropped.reason).toBe('unreadable');
    expect(dropped.detail).toContain('no system role');
  });
});

describe('reasons for dropping', () => {
  it.each<[string, PreferenceRow, LengthLimits]>([
    ['empty-chosen', textRow('q', ' \n', 'b'), {}],
    ['empty-rejected', textRow('q', 'a', ''), {}],
    ['empty-rejected', chatRow('q', 'a', ' '), {}],
    ['identical', textRow('q', 'a', 'a'), {}],
    ['identical', textRow('q', 'a', 'a<|im_end|>'), {}],
    ['empty-prompt', textRow('', 'a', 'b'), {}],
    ['identical-after-truncation', textRow('q', 'xxxa', 'xxxb'), { maxLength: 4 }],
    ['prompt-over-long', textRow('qqqq', 'a', 'b'), { maxLength: 4 }],
  ])('%s', (reason, row, limits) => {
    expect(reasonOf(row, row.text === undefined ? chat : plain, limits)).toBe(reason);
  });

  it('a text longer than is tokenised, also where only the template makes it so', async () => {
    const long = 'x'.repeat(MAX_TEXT_LENGTH - 1);
    expect(reasonOf(textRow('qq', long, 'b'), plain)).toBe('text-over-long');
    const doubled = await loadPairTokenizer(join(root, 'chat'), {
      chatTemplate: '{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}',
    });
    const half = long.slice(0, MAX_TEXT_LENGTH / 2);
    expect(reasonOf(chatRow('q', half, 'b'), doubled)).toBe('text-over-long');
    expect(reasonOf(chatRow('q', half.slice(0, 1000), 'b'), doubled)).toBeUndefined();
  });

  it('an empty prompt is none where there is a BOS, and a long one none with keep_end', () => {
    expect([...pairOf(textRow('', 'a', 'b'), withBos).promptIds]).toEqual([withBos.bosTokenId]);
    const pair = pairOf(textRow('qqqq', 'a', 'b'), plain, { maxLength: 4, truncation: 'keep_end' });
    expect([pair.promptIds.length, pair.chosenIds.length]).toEqual([2, 2]);
    expect(isDroppedRow(tokenizePair(textRow('q', 'xxxa', 'xxxb'), plain, { maxLength: 5 }))).toBe(false);
  });
});

describe('pairId', () => {
  it('is stable, and changes with the row and with any id', () => {
    const id = (row: PreferenceRow): string => pairOf(row, plain).pairId;
    const base = id(textRow('q', ' a', ' b', 4));
    expect(base).toMatch(/^4-[0-9a-f]{16}$/);
    expect(id(textRow('q', ' a', ' b', 4))).toBe(base);
    const others = [
      textRow('q', ' a', ' b', 5),
      textRow('q', ' a', ' c', 4),
      textRow('q', ' b', ' a', 4),
      textRow('q ', 'a', 'b', 4),
    ];
    expect(new Set([base, ...others.map(id)]).size).toBe(5);
  });
});

describe('the drop ledger', () => {
  const drops: DroppedRow[] = [
    { row: 1, reason: 'identical', detail: 'x' },
    { row: 5, reason: 'empty-chosen', detail: '"quoted"\n' },
    { row: 9, reason: 'identical', detail: 'y' },
  ];

  it('counts, and writes every row as a line of JSON', async () => {
    const path = join(root, 'dropped.jsonl');
    const counts = await DropLedger.publish(path, async (ledger) => {
      for (const drop of drops) await ledger.add(drop);
      expect(existsSync(path)).toBe(false);
      expect(ledger.total).toBe(3);
      return ledger.counts();
    });
    expect(counts).toEqual({ identical: 2, 'empty-chosen': 1 });
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(drops);
  });

  it('cuts details that a chat template made long', async () => {
    const path = join(root, 'long-detail.jsonl');
    await DropLedger.publish(path, (ledger) =>
      ledger.add({ row: 1, reason: 'unreadable', detail: 'd'.repeat(1e6) }),
    );
    expect(readFileSync(path, 'utf8').length).toBeLessThan(2000);
  });

  it('leaves no file where the work fails, and flushes as it goes', async () => {
    const path = join(root, 'failed.jsonl');
    await expect(
      DropLedger.publish(path, async (ledger) => {
        for (let row = 0; row < 3000; row++)
          await ledger.add({ row, reason: 'identical', detail: 'd'.repeat(40) });
        throw new Error('stopped');
      }),
    ).rejects.toThrow('stopped');
    expect(existsSync(path)).toBe(false);
    const many = join(root, 'many.jsonl');
    await DropLedger.publish(many, async (ledger) => {
      for (let row = 0; row < 3000; row++)
        await ledger.add({ row, reason: 'identical', detail: 'd'.repeat(40) });
    });
    expect(readFileSync(many, 'utf8').trimEnd().split('\n')).toHaveLength(3000);
  });
});

describe('streaming', () => {
  it('tokenises a file of 80 MB in the memory of a few rows', async () => {
    const file = join(root, 'many-rows.jsonl');
    const filler = 'x'.repeat(2000);
    const line = (i: number): string =>
      `${JSON.stringify({ prompt: `q${i}`, chosen: filler, rejected: ' b' })}\n`;
    for (let start = 0; start < 40_000; start += 10_000) {
      appendFileSync(file, Array.from({ length: 10_000 }, (_, i) => line(start + i)).join(''));
    }
    // Real ids take too long here, and are not what this test is about.
    const quick = Object.create(plain, {
      encode: { value: (text: string) => [1, text.length % 256] },
    }) as PairTokenizer;
    let [pairs, peak] = [0, 0];
    const base = process.memoryUsage().heapUsed;
    for await (const pair of tokenizePairs(await openPreferenceSource(file), quick)) {
      pairs += isDroppedRow(pair) ? 0 : 1;
      if (pairs % 2000 === 0) peak = Math.max(peak, process.memoryUsage().heapUsed - base);
    }
    expect(pairs).toBe(40_000);
    expect(peak).toBeLessThan(60e6);
  });
});

interface IdLists {
  prompt: number[];
  chosen: number[];
  rejected: number[];
}

describe.skipIf(!shared)('oracles (skipped where the shared data is absent)', () => {
  const tokenised = async (
    file: string,
    limit: number | undefined,
    limits: LengthLimits,
  ): Promise<(TokenizedPair | DroppedRow)[]> => {
    const tokenizer = await loadPairTokenizer(sharedPath('models/stories260K'));
    return collect(tokenizePairs(await openPreferenceSource(sharedPath(file), { limit }), tokenizer, limits));
  };

  it('TRL 1.13: all ids of all 48 pairs', async () => {
    const { pairs } = sharedJson<{ pairs: IdLists[] }>('oracles/trl-dpo.json');
    const ours = await tokenised('preferences/rasbt/instruction-data-with-preference.json', 48, {
      maxLength: 512,
    });
    expect(pairs).toHaveLength(48);
    expect(
      (ours as TokenizedPair[]).map(({ promptIds, chosenIds, rejectedIds }) => ({
        prompt: [...promptIds],
        chosen: [...chosenIds],
        rejected: [...rejectedIds],
      })),
    ).toEqual(pairs);
  });

  it('hh-rlhf pairs: the same prompts; responses without the "▁" that tokenising them alone puts first, and with EOS', async () => {
    const { pairs } = sharedJson<{
      hh_rlhf_pairs: {
        pairs: { row: number; prompt_ids: number[]; chosen_ids: number[]; rejected_ids: number[] }[];
      };
    }>('models/stories260K/oracle.json').hh_rlhf_pairs;
    const ours = await tokenised('preferences/hh-rlhf/harmless-base-test.jsonl.gz', 12, { maxLength: 512 });
    const [dummyPrefix, eos] = [410, 2];
    expect(pairs).toHaveLength(8);
    for (const { row, prompt_ids, chosen_ids, rejected_ids } of pairs) {
      const pair = ours[row] as TokenizedPair;
      expect([...pair.promptIds]).toEqual(prompt_ids);
      expect([dummyPrefix, ...pair.chosenIds]).toEqual([...chosen_ids, eos]);
      expect([dummyPrefix, ...pair.rejectedIds]).toEqual([...rejected_ids, eos]);
    }
  });

  it('hh-rlhf: 4 rows with an empty response are dropped, every other row is accounted for', async () => {
    const results = await tokenised('preferences/hh-rlhf/harmless-base-test.jsonl.gz', undefined, {
      maxLength: 512,
    });
    const ledger = new DropLedger();
    for (const result of results) if (isDroppedRow(result)) await ledger.add(result);
    expect(ledger.counts()).toEqual({
      'empty-chosen': 4,
      'identical-after-truncation': 2,
      'prompt-over-long': 370,
    });
    const pairs = results.filter((result): result is TokenizedPair => !isDroppedRow(result));
    expect(pairs.length + ledger.total).toBe(2312);
    expect(new Set(pairs.map((pair) => pair.pairId)).size).toBe(pairs.length);
  });
});
