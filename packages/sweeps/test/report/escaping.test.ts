/** Whatever the names, values and messages of a sweep say, the page shows it and does nothing of it. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Markup, markup } from '../../src/report/markup.js';
import { renderMetricPlot } from '../../src/report/metric-plot.js';
import { renderSweepReport } from '../../src/report/sweep-report.js';
import type { SweepReport } from '../../src/swept-run.js';
import { grid, report, run } from './made-up-sweep.js';
import { tagsOf } from './well-formed.js';

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  ']]><svg onload=alert(1)>',
  '</title></style><script src="https://evil.example/x.js"></script>',
  '&lt;b&gt; `${7*7}` <!-- -->',
  'abc\u202egnp.exe\u2066\u200b\u0000\u001b[31m\ud800',
  'javascript:alert(1)',
];
const HTML =
  'html head meta title style body main header footer section h1 h2 p dl div dt dd table thead tbody tr th td bdi strong small span wbr code pre details summary figure'.split(
    ' ',
  );
const SVG = 'svg title style rect text g path circle'.split(' ');
const ATTRIBUTES =
  'lang charset http-equiv content name class title colspan dir open viewBox width height role aria-label xmlns x y d transform cx cy r stroke-dasharray'.split(
    ' ',
  );

/** A sweep in which every text is the same hostile one, but for what tells runs apart. */
function hostileSweep(text: string): SweepReport {
  const runs = [0, 1, 2].flatMap((seed) =>
    [`${text}a`, `${text}b`].flatMap((name) =>
      [0.1, 1].map((number) =>
        run({
          ...{ name: text, key: text, seed },
          values: { [text]: name, number },
          metrics: { [`${text}loss`]: number + seed, 'eval/loss': seed },
          curves: {
            [`${text}loss`]: [
              [1, number],
              [2, seed + 1],
            ],
          },
        }),
      ),
    ),
  );
  const failed = run({ name: text, status: 'failed', message: text, values: { [text]: text } });
  return { title: text, runs: [...runs, failed], sweptKeys: [text, 'number'], metric: `${text}loss` };
}

describe('hostile texts', () => {
  it.each(HOSTILE)('never get out of their place: %j', (text) => {
    const sweep = hostileSweep(text);
    const page = renderSweepReport(sweep);
    const plots = ['number', text].map((key) => renderMetricPlot(sweep, key, `${text}loss`));
    for (const [source, names] of [
      [page, [...HTML, ...SVG]],
      ...plots.map((plot) => [plot, SVG] as const),
    ] as const) {
      for (const { name, attributes } of tagsOf(source)) {
        expect(names).toContain(name);
        for (const attribute of Object.keys(attributes)) expect(ATTRIBUTES).toContain(attribute);
      }
      expect(source.toLowerCase()).not.toContain('<script');
      expect(source).not.toContain(']]>');
      // eslint-disable-next-line no-control-regex
      expect(source).not.toMatch(/[\u0000-\u0008\u200b-\u200f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u);
    }
  });

  it('are shown as they are', () => {
    expect(renderSweepReport(hostileSweep(HOSTILE[0]!))).toContain(
      '<h1><bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi></h1>',
    );
    expect(renderSweepReport(hostileSweep(HOSTILE[6]!))).toContain(
      'abc\\u202egnp.exe\\u2066\\u200b\\u0000\\u001b[31m\ufffd',
    );
  });

  it('would be seen by this test if they were not escaped', () => {
    const text = HOSTILE[0]!;
    expect(() => tagsOf(markup`<p>${text}</p>`.source)).not.toThrow();
    expect(tagsOf(markup`<p>${Markup.constant(text)}</p>`.source).map(({ name }) => name)).toContain(
      'script',
    );
    expect(() => tagsOf(markup`<p title="${Markup.constant('" onclick=x')}"></p>`.source)).toThrow('no tag');
  });

  it('names of objects are no properties', () => {
    const values = JSON.parse('{"__proto__": 1, "constructor": "x"}') as Record<string, number>;
    const runs = [run({ values }), run({ values: {}, seed: 1 })];
    const page = renderSweepReport(
      report(runs, { sweptKeys: ['__proto__', 'constructor'], metric: 'toString' }),
    );
    expect(page).not.toContain('function');
    expect(page).toContain('No finished run has toString.');
  });
});

describe('the page', () => {
  const page = renderSweepReport(report(grid([0.1, 0.4, 1], [0.1, 1], ['self', 'aligned'], [0, 1])));

  it('allows its own style and nothing else', () => {
    const style = /<style>([^]*?)<\/style>/.exec(page)![1]!;
    const policy = tagsOf(page).find(
      ({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy',
    )!;
    const hash = createHash('sha256').update(style).digest('base64');
    expect(policy.attributes['content']).toBe(
      `default-src &#39;none&#39;; style-src &#39;sha256-${hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;`,
    );
    expect(page.match(/<style/g)).toHaveLength(1);
  });

  it('asks for nothing', () => {
    expect(page).not.toMatch(/url\(|@import|https?:|\ssrc=|href|\sstyle="|\son[a-z]+=/);
  });

  it('is the same for the same report', () => {
    const again = renderSweepReport(
      structuredClone(report(grid([0.1, 0.4, 1], [0.1, 1], ['self', 'aligned'], [0, 1]))),
    );
    expect(again).toBe(page);
    const other = renderSweepReport(report(grid([0.1, 0.4, 1], [0.1, 1], ['self', 'aligned'], [0, 2])));
    expect(other).not.toBe(page);
  });
});
