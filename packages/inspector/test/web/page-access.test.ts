/** Who cannot use a mouse, sees few colours, or listens: the page serves them, too. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { poorTexts } from './contrast.js';
import { madeSite, movedLogps, randomPairs, WORD_VOCABULARY } from './made-site.js';
import { quietView, startChromium, withoutChromium } from './page-browser.js';
import { servePage, type PageServer } from './page-server.js';

let browser: Browser;
let server: PageServer;
const pairs = randomPairs(200, 9);

/** Views and what shows that they are there. */
const VIEWS = [
  ['overview', '.keys'],
  ['pairs', '.row .margin'],
  ['pair/4', '.token'],
  ['pair/5', '.token'],
  ['policy', 'table'],
  ['run', 'svg.plot'],
] as const;

describe.skipIf(withoutChromium !== undefined)('access', () => {
  beforeAll(async () => {
    browser = await startChromium();
    const policies = [1, 2].map((step) => ({
      name: `step-${step}`,
      step,
      logps: movedLogps(pairs, step, step, (i) => i % 2 === 0),
    }));
    const metrics = [1, 2, 3]
      .map((step) => `${JSON.stringify({ split: 'train', step, loss: step })}\n`)
      .join('');
    server = await servePage(await madeSite({ pairs, vocabulary: WORD_VOCABULARY, policies, metrics }));
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const themes = ['light', 'dark'] as const;
  it.each(themes.flatMap((theme) => VIEWS.map(([view, sign]) => [theme, view, sign] as const)))(
    'every text has the contrast it needs: %s, %s',
    (colorScheme, view, sign) =>
      quietView(
        browser,
        server,
        `#/${view}`,
        async (page) => {
          await page.locator(sign).first().waitFor();
          if (view === 'pair/4') await page.getByLabel('Difference').check();
          const { poor, seen } = await page.evaluate(poorTexts);
          expect(poor).toEqual([]);
          expect(seen).toBeGreaterThan(15);
          if (view !== 'pair/4') return;
          for (const tint of ['reference', 'policy', 'none']) {
            await page.getByLabel('Tint by').selectOption(tint);
            expect((await page.evaluate(poorTexts)).poor).toEqual([]);
          }
        },
        { colorScheme },
      ),
  );

  it('a text without contrast is found (control)', () =>
    quietView(browser, server, '#/overview', async (page) => {
      await page.locator('.keys').waitFor();
      await page.evaluate(() => {
        document.querySelector<HTMLElement>('.keys dt')!.style.color = '#999';
      });
      expect((await page.evaluate(poorTexts)).poor).toHaveLength(1);
    }));

  /** The focused element as a listener hears it, and whether its outline is seen. */
  const focused = (page: Page) =>
    page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const labels = [...((element as HTMLInputElement).labels ?? [])]
        .map((label) => label.textContent)
        .join(' ');
      const name = element.getAttribute('aria-label') ?? (labels || element.textContent);
      return {
        tag: element.tagName,
        name: name.trim(),
        outlined: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
      };
    });

  it.each(VIEWS)(
    'a walk by the key Tab reaches every control of the view %s, each named and seen',
    (view, sign) =>
      quietView(browser, server, `#/${view}`, async (page) => {
        await page.locator(sign).first().waitFor();
        const controls = await page.evaluate(
          () =>
            [
              ...document.querySelectorAll<HTMLElement>(
                'a[href], button:not(:disabled), input:not(:disabled), select, summary, [tabindex="0"]',
              ),
            ].filter((element) => element.checkVisibility()).length,
        );
        const reached = [];
        for (let step = 0; step < controls; step++) {
          await page.keyboard.press('Tab');
          reached.push(await focused(page));
        }
        expect(reached.filter(({ tag }) => tag === 'BODY')).toEqual([]);
        expect(reached.filter(({ name }) => name === '')).toEqual([]);
        expect(reached.filter(({ outlined }) => !outlined)).toEqual([]);
        expect(reached.at(-1)!.name).not.toBe(reached[0]!.name);
      }),
  );

  it('the way from the list to a token and back needs no mouse', () =>
    quietView(browser, server, '#/pairs', async (page) => {
      await page.locator('.row .opening').first().waitFor();
      await page.getByRole('listbox').focus();
      for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.locator('.token').first().waitFor();
      // The focus stands at the heading of the new view.
      expect((await focused(page)).name).toBe('Pair 4');
      await page.getByLabel('k, share of tokens').focus();
      await page.keyboard.press('End');
      await expect.poll(() => page.locator('.token:not(.kept)').count()).toBe(0);
      await page.keyboard.press('Home');
      await expect.poll(() => page.locator('.token:not(.kept)').count()).toBeGreaterThan(0);
      await page
        .getByRole('list', { name: /^chosen answer/ })
        .locator('[tabindex="0"]')
        .focus();
      await page.keyboard.press('ArrowRight');
      expect(await page.locator('.token-figures dd').first().innerText()).toMatch(/^2 of/);
      await page.goBack();
      await page.getByRole('listbox').waitFor();
    }));

  it('kept tokens are told apart without colour, and keep their width', () =>
    quietView(browser, server, '#/pair/4', async (page) => {
      await page.locator('.token.kept').first().waitFor();
      const look = (selector: string) =>
        page.evaluate((one) => {
          const { textDecorationLine, webkitTextStrokeWidth } = getComputedStyle(
            document.querySelector(one)!,
          );
          return `${textDecorationLine} ${webkitTextStrokeWidth}`;
        }, selector);
      expect(await look('.answer .token.kept')).toBe('underline 0.5px');
      expect(await look('.answer .token:not(.kept)')).toBe('none 0px');
      const widths = () =>
        page.evaluate(() =>
          [...document.querySelectorAll('.token')].map((token) => token.getBoundingClientRect().width),
        );
      const before = await widths();
      await page.getByLabel('k, share of tokens').fill('100');
      expect(await widths()).toEqual(before);
    }));

  it('nothing jumps while tokens are looked at or the slider moves', () =>
    quietView(browser, server, '#/pair/4', async (page) => {
      await page.locator('.token.kept').first().waitFor();
      const places = () =>
        page.evaluate(() =>
          [...document.querySelectorAll('.answer')].map((box) => box.getBoundingClientRect().top + scrollY),
        );
      const before = await places();
      for (const t of [0, 3, 5]) await page.locator('.answer.rejected .token').nth(t).hover();
      for (const percent of ['1', '50', '100']) await page.getByLabel('k, share of tokens').fill(percent);
      expect(await places()).toEqual(before);
    }));
});
