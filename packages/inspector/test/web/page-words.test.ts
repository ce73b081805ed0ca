import { describe, expect, it } from 'vitest';
import { histogramPlot } from '../../web/plots/histogram-plot.js';
import { densityOf, densityPlot } from '../../web/plots/density-plot.js';
import { hashOf, parseRoute } from '../../web/route.js';
import { turnsOfText } from '../../web/text/turns.js';
import { scoreClass, scoreScale, surpriseClass } from '../../web/text/tint.js';
import { referenceVerdict } from '../../web/views/reference-verdict.js';
import { spreadOf } from './made-site.js';

describe('addresses', () => {
  it('come back as they went', () => {
    const address = hashOf('pair', 12, { checkpoint: 'step 40&x', empty: '', none: undefined });
    expect(address).toBe('#/pair/12?checkpoint=step+40%26x');
    const { view, subject, query } = parseRoute(address, 'run');
    expect([view, subject, query.get('checkpoint')]).toEqual(['pair', '12', 'step 40&x']);
  });

  it('that are unknown lead to the first view', () => {
    for (const hash of ['', '#', '#/', '#/nowhere/3', '#/__proto__', '#<script>']) {
      expect(parseRoute(hash, 'run')).toMatchObject({ view: 'run', subject: '' });
    }
  });
});

describe('turns of a prompt', () => {
  it.each([
    [
      'hh-rlhf',
      '\n\nHuman: Hi\nthere\n\nAssistant: Hello\n\nHuman: Bye\n\nAssistant:',
      ['Human|Hi\nthere', 'Assistant|Hello', 'Human|Bye', 'Assistant|'],
    ],
    [
      'ChatML',
      '<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n',
      ['system|Be kind', 'user|Hi'],
    ],
    ['Llama 3', '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>', ['user|Hi']],
    ['Zephyr', '<|user|>\nHi</s><|assistant|>\n', ['user|Hi', 'assistant|']],
    ['no sign', 'Once upon\n\na time', ['undefined|Once upon\n\na time']],
  ])('are told apart in %s', (_, text, turns) => {
    expect(turnsOfText(text).map(({ role, text: said }) => `${role}|${said}`)).toEqual(turns);
  });

  it('are no more than their bound', () => {
    expect(turnsOfText('\n\nHuman: a'.repeat(5000)).length).toBeLessThanOrEqual(401);
  });
});

describe('tints', () => {
  it('grow with surprise', () => {
    expect([0, -0.1, -0.7, -3, -8, -100, NaN].map(surpriseClass)).toEqual([
      'l0',
      'l1',
      'l2',
      'l4',
      'l7',
      'l7',
      'l0',
    ]);
  });

  it('tell the sides of a score apart', () => {
    expect([1, 0.5, 0.05, 0, -0.05, -3].map((score) => scoreClass(score, 1))).toEqual([
      'u5',
      'u3',
      'l0',
      'l0',
      'l0',
      'd5',
    ]);
    expect(scoreClass(0, 0)).toBe('l0');
    expect(scoreScale(Float64Array.from({ length: 100 }, (_, i) => (i === 0 ? -1000 : i / 100)))).toBeCloseTo(
      0.95,
      1,
    );
  });
});

describe('what the page says of a reference', () => {
  const reference = (accuracy: number, accuracyPerToken = accuracy) =>
    referenceVerdict({
      rows: 1000,
      reference: {
        accuracy,
        accuracyPerToken,
        ties: 0,
        margin: spreadOf([0]),
        marginPerToken: spreadOf([0]),
        mostWrong: [],
      },
    });

  it('is a warning below 55%, as the trainer gives it, unless that may be chance', () => {
    expect(reference(0.51).tone).toBe('bad');
    expect(reference(0.51).advice).toContain('weak point');
    expect(reference(0.5499).tone).toBe('fair');
    expect(reference(0.5499).headline).toContain('too few pairs');
    expect(reference(0.55).tone).toBe('fair');
    expect(reference(0.8).tone).toBe('good');
  });

  it('says how far it may be off', () => {
    // Wilson: half of 1.96 / (1 + 1.96²/1000) · √(0.25/1000 + 1.96²/4000²) = 0.0309
    expect(reference(0.5).certainty).toBe('46.9% to 53.1% (95% interval over 1000 pairs)');
  });

  it('names lengths as a cause where the mean does better', () => {
    expect(reference(0.4, 0.7).advice).toContain('lengths');
    expect(reference(0.4, 0.4).advice).not.toContain('lengths');
  });
});

describe('plots', () => {
  it('have a bar a bin, and none without values', () => {
    const look = { title: 't', axis: 'a', look: 0, mark: 0, wrongBelow: 0 };
    const plot = histogramPlot(spreadOf([-2, -1, 0, 1, 5]), look)!;
    expect(plot.marks.filter(({ source }) => source.includes('<rect'))).toHaveLength(20);
    expect(plot.marks.filter(({ source }) => source.includes('bar s1')).length).toBeGreaterThan(0);
    expect(histogramPlot({ ...spreadOf([1]), total: 0 }, look)).toBeUndefined();
  });

  it('count every token in one square', () => {
    const lists = [{ ref: Float32Array.of(0, -1, -50), policy: Float32Array.of(0, -2, -0.5) }];
    const density = densityOf(lists);
    expect(density.tokens).toBe(3);
    expect(density.counts.reduce((a, b) => a + b)).toBe(3);
    expect(densityPlot(density, '<b>').title).toBe('<b>');
  });

  it('say how many tokens lie beyond the axes, where any do', () => {
    const near = Array.from({ length: 300 }, (_, i) => -i / 300);
    const list = (more: number[]) => [
      { ref: Float32Array.of(...near, ...more), policy: Float32Array.of(...near, ...more) },
    ];
    const far = densityOf(list([-30, -40]));
    expect([far.low, far.below]).toEqual([-1, 2]);
    expect(densityPlot(far, 't').notes[0]).toContain('2 of them lie below −1');
    const none = densityOf(list([]));
    expect(none.below).toBe(0);
    expect(densityPlot(none, 't').notes[0]).not.toContain('below');
  });
});
