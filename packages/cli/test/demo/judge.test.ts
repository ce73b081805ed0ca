import { describe, expect, it } from 'vitest';
import { SeededRandom } from '@selective-dpo/foundation';
import {
  applyFault,
  FAULT_KINDS,
  judgeAnswer,
  parseOrder,
  planAnswer,
  randomOrder,
  renderAnswer,
  renderPrompt,
  winRate,
} from '../../src/demo/index.js';

const PROMPT =
  'There are four of us and we would like two teas, one muffin and three scones for table five, please.';
const TO_GO = 'May I order one soup plus two bagels? It is to take away, thank you.';

/** Prompt, answer, faults, score. */
const cases: [string, string, string[], number][] = [
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones for table five. That makes six items. Thank you!',
    [],
    1,
  ],
  [PROMPT, 'Gladly, six items for table five: two teas, one muffin and three scones. See you soon!', [], 1],
  [TO_GO, 'Certainly: one soup and two bagels to go. I count three items. Enjoy your meal!', [], 1],
  [TO_GO, '  Certainly: one soup and two bagels to go. In total three items. Have a lovely day!\n', [], 1],
  [
    PROMPT,
    'Of course: two teas and three scones for table five. That makes six items. Thank you!',
    ['forgotten muffin'],
    0.75,
  ],
  [
    PROMPT,
    'Of course: two teas, one bagel and three scones for table five. That makes six items. Thank you!',
    ['extra bagel', 'forgotten muffin'],
    0.5,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin, one soup and three scones for table five. That makes six items. Thank you!',
    ['extra soup'],
    0.75,
  ],
  [
    PROMPT,
    'Of course: two teas, two muffins and three scones for table five. That makes six items. Thank you!',
    ['quantity muffin'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: one muffin, two teas and three scones for table five. That makes six items. Thank you!',
    ['order'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones for table five. That makes seven items. Thank you!',
    ['total'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones for table six. That makes six items. Thank you!',
    ['place'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones to go. That makes six items. Thank you!',
    ['place'],
    0.8,
  ],
  [
    TO_GO,
    'Certainly: one soup and two bagels for table one. I count three items. Enjoy your meal!',
    ['place'],
    0.8,
  ],
  [
    PROMPT,
    'Fine: two teas, one muffin and three scones for table five. That makes six items. Thank you!',
    ['curt'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones for table five. That makes six items. Next!',
    ['curt'],
    0.8,
  ],
  // What models make of it before they have learned to speak.
  [
    PROMPT,
    '',
    ['forgotten tea', 'forgotten muffin', 'forgotten scone', 'total', 'place', 'curt', 'garbled'],
    0,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones for table five. That makes six items.',
    ['curt', 'garbled'],
    0.6,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffins and three scones for table five. That makes six items. Thank you!',
    ['garbled'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: two teas, two teas, one muffin and three scones for table five. That makes six items. Thank you!',
    ['repeated tea'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones for table five. That makes six items. Thank you! Thank you!',
    ['garbled'],
    0.8,
  ],
  [
    PROMPT,
    'Of course: two teas, one muffin and three scones for table five. That makes six items. Six items. Thank you!',
    ['total', 'garbled'],
    0.6,
  ],
  [
    PROMPT,
    'Of course, Whatever: two teas, one muffin and three scones for table five. That makes six items. Thank you!',
    ['curt', 'garbled'],
    0.6,
  ],
  [
    PROMPT,
    'Of course: two teas , one muffin and three scones for table five. That makes six items. Thank you!',
    ['garbled'],
    0.8,
  ],
];

describe('judgeAnswer', () => {
  it.each(cases)('%#: finds what is wrong and nothing else', (prompt, answer, faults, score) => {
    expect(judgeAnswer(prompt, answer)).toEqual({ score, faults });
  });

  it('finds every fault that is put in, and only that kind, in 4,000 random answers', () => {
    const random = new SeededRandom(11);
    for (let i = 0; i < 4000; i++) {
      const order = randomOrder(random, 'train');
      const prompt = renderPrompt(order, random);
      const plan = planAnswer(order, random);
      expect(judgeAnswer(prompt, renderAnswer(plan)).faults).toEqual([]);
      const kind = FAULT_KINDS[i % FAULT_KINDS.length]!;
      if (kind === 'extra' && plan.lines.length > 3) continue;
      const { faults } = judgeAnswer(prompt, renderAnswer(applyFault(plan, kind, random)));
      const kinds = faults.map((fault) => fault.split(' ')[0]);
      expect(kinds).toEqual(kind === 'swapped' ? ['extra', 'forgotten'] : [kind]);
    }
  });

  it('scores a right answer to another prompt low', () => {
    const answer = 'Certainly: one soup and two bagels to go. I count three items. Enjoy your meal!';
    expect(judgeAnswer(TO_GO, answer).score).toBe(1);
    expect(judgeAnswer(PROMPT, answer).score).toBe(0);
  });

  it.each([
    '',
    'Hello!',
    'two teas, please',
    'for table five',
    'one tea and two teas for table one',
    'one tea to go for table two',
  ])('refuses a prompt that is no order: %s', (prompt) => {
    expect(() => judgeAnswer(prompt, 'Of course')).toThrowError(
      expect.objectContaining({ code: 'demo-prompt' }) as Error,
    );
  });

  it('is not led astray by other numbers in the prompt', () => {
    expect(parseOrder(PROMPT)).toEqual({
      lines: [
        { item: 0, quantity: 2 },
        { item: 4, quantity: 1 },
        { item: 5, quantity: 3 },
      ],
      table: 5,
    });
    expect(parseOrder(TO_GO).table).toBeUndefined();
  });
});

describe('winRate', () => {
  it('counts ties as half', () => {
    expect(winRate([0.5, 0.5, 1, 0], [1, 0.5, 0.8, 0.2])).toEqual({
      wins: 2,
      ties: 1,
      losses: 1,
      winRate: 0.625,
    });
    expect(winRate([1, 1], [1, 1]).winRate).toBe(0.5);
    expect(() => winRate([1], [1, 1])).toThrow(RangeError);
    expect(() => winRate([], [])).toThrow(RangeError);
  });
});
