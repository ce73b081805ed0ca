/** The page on a real cache: hh-rlhf by stories260K-dpo. */
import { mixSeeds } from '@selective-dpo/foundation';
import { selectTokens, SELECTION_RULES, type SelectionOptions } from '@selective-dpo/trainer/selection';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Vocabulary } from '../../src/site-contract.js';
import { poorTexts } from './contrast.js';
import { marginOf } from './made-site.js';
import { quietView, startChromium, withoutChromium } from './page-browser.js';
import { servePage, type PageServer } from './page-server.js';
import { realSite, withoutShared, type RealSite } from './real-site.js';

const why = withoutChromium ?? withoutShared;
const ROWS = 40;
let browser: Browser;
let server: PageServer;
let site: RealSite;

describe.skipIf(why !== undefined)(`the page on hh-rlhf${why ? ` (skipped: ${why})` : ''}`, () => {
  beforeAll(async () => {
    browser = await startChromium();
    site = await realSite(ROWS);
    server = await servePage(site.files);
  }, 240_000);
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  it.each([
    ['overview', '.verdict'],
    ['pairs', '.row .opening'],
    ['pair/3', '.token'],
    ['policy', 'table'],
    ['run', '.state'],
  ])('view %s, without a complaint of the browser', (view, sign) =>
    quietView(browser, server, `#/${view}`, async (page) => {
      await page.locator(sign).first().waitFor();
      expect((await page.evaluate(poorTexts)).poor).toEqual([]);
    }),
  );

  it('knows the bytes of all tokens that hold parts of characters', () => {
    const text = new TextDecoder().decode(site.files.get('data/vocabulary.json'));
    const { texts, bytes } = JSON.parse(text) as Vocabulary;
    const lost = texts.flatMap((one, id) => (one.includes('\uFFFD') ? [String(id)] : []));
    // One for each byte that is no character by itself.
    expect(lost).toHaveLength(128);
    expect(Object.keys(bytes!)).toEqual(lost);
    expect(Object.values(bytes!)).toEqual(Array.from({ length: 128 }, (_, i) => (0x80 + i).toString(16)));
  });

  it('shows turns as people write them', () =>
    quietView(browser, server, '#/pair/3', async (page) => {
      await page.locator('.turn').first().waitFor();
      const roles = await page.locator('.turn .role').allInnerTexts();
      expect(roles[0]).toBe('Human');
      expect(roles.at(-1)).toBe('Assistant');
      expect(roles.length % 2).toBe(0);
    }));

  it('lists the pairs by the margin of the reference', () =>
    quietView(browser, server, '#/pairs?sort=margin', async (page) => {
      await page.locator('.row .opening').first().waitFor();
      const worst = site.pairs
        .map((pair, index) => ({ index, margin: marginOf(pair) }))
        .sort((a, b) => a.margin - b.margin);
      expect((await page.locator('.row .index').allInnerTexts()).slice(0, 6)).toEqual(
        worst.slice(0, 6).map(({ index }) => String(index)),
      );
    }));

  /** Kept tokens of both answers, as text of 0 and 1. */
  const shown = (page: Page) =>
    page.evaluate(() =>
      ['chosen', 'rejected'].map((side) =>
        [...document.querySelectorAll(`.answer.${side} .token`)]
          .map((token) => (token.classList.contains('kept') ? 1 : 0))
          .join(''),
      ),
    );

  function expected(index: number, options: SelectionOptions): string[] {
    const pair = site.pairs[index]!;
    const [policyChosen, policyRejected] = site.policy.get(index)!.map((list) => Float32Array.from(list)) as [
      Float32Array,
      Float32Array,
    ];
    const logps = {
      ...{ policyChosen, policyRejected },
      ...{
        refChosen: Float32Array.from(pair.chosenRefLogps),
        refRejected: Float32Array.from(pair.rejectedRefLogps),
      },
    };
    const ids = {
      chosenIds: Int32Array.from(pair.chosenIds),
      rejectedIds: Int32Array.from(pair.rejectedIds),
    };
    const seed = mixSeeds(mixSeeds(3, 1), index);
    const [kept] = selectTokens([{ logps, ...ids, seed }], options, site.endsSentence);
    return [kept!.chosen.join(''), kept!.rejected.join('')];
  }

  it(
    'keeps the trainer’s tokens of every pair, by every rule and share',
    () =>
      quietView(browser, server, '#/pair/0', async (page) => {
        let seen = 0;
        for (let index = 0; index < site.pairs.length; index++) {
          await page.evaluate((to) => (location.hash = `#/pair/${to}`), index);
          await page.getByText(`${site.pairs[index]!.pairId} ·`).waitFor();
          for (const rule of SELECTION_RULES) {
            await page.getByLabel('Selection rule').selectOption(rule);
            const spanUnit = index % 2 === 0 ? 'window' : 'sentence';
            if (rule === 'span') await page.getByLabel('Averaged over').selectOption(spanUnit);
            const percent = 5 + ((index * 37) % 95);
            if (rule !== 'all') await page.getByLabel('k, share of tokens').fill(String(percent));
            const options = { rule, keep: percent / 100, spanUnit, spanWindow: 5 } as const;
            await expect
              .poll(() => shown(page), { message: `pair ${index}, ${rule}` })
              .toEqual(expected(index, options));
            seen++;
          }
        }
        expect(seen).toBe(site.pairs.length * SELECTION_RULES.length);
      }),
    240_000,
  );

  it('another seed would have shown other tokens (control)', () => {
    const options = { rule: 'random', keep: 0.4, spanUnit: 'window', spanWindow: 5 } as const;
    const first = expected(0, options);
    const index = site.pairs.findIndex((_, i) => i > 0 && expected(i, options)[0] !== first[0]);
    expect(index).toBeGreaterThan(0);
  });
});
