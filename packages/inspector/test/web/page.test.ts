/** The page in Chromium, on sites of random pairs: what it shows is what the files hold. */
import { selectTokens, SELECTION_RULES } from '@selective-dpo/trainer/selection';
import { mixSeeds } from '@selective-dpo/foundation';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { madeSite, marginOf, movedLogps, randomPairs, WORD_VOCABULARY, type Files } from './made-site.js';
import { quietView, startChromium, watchedPage, withoutChromium } from './page-browser.js';
import { servePage, type PageServer } from './page-server.js';

const pairs = randomPairs(1500, 21);
const inSample = (index: number) => index % 2 === 0;
const policies = [
  { name: 'step-10', step: 10, logps: movedLogps(pairs, 5, 1, inSample) },
  { name: 'final', step: 20, logps: movedLogps(pairs, 6, 3, inSample) },
];
const metrics = Array.from(
  { length: 20 },
  (_, i) =>
    `${JSON.stringify({ split: 'train', step: i + 1, loss: 0.7 - i / 100, 'rewards/accuracies': i / 20, lr: 1 })}\n`,
).join('');

/** A pair of the sample with as many chosen tokens as any. */
const longest = pairs.reduce(
  (best, { chosenIds }, i) => (i % 2 === 0 && chosenIds.length > pairs[best]!.chosenIds.length ? i : best),
  0,
);

let browser: Browser;
let server: PageServer;
let files: Files;

describe.skipIf(withoutChromium !== undefined)(
  `the page in Chromium${withoutChromium ? ` (skipped: ${withoutChromium})` : ''}`,
  () => {
    beforeAll(async () => {
      browser = await startChromium();
      files = await madeSite({ pairs, rowsPerShard: 512, vocabulary: WORD_VOCABULARY, policies, metrics });
      server = await servePage(files);
    });
    afterAll(async () => {
      await browser.close();
      await server.close();
    });

    const inView = (hash: string, test: (page: Page) => Promise<void>) =>
      quietView(browser, server, hash, test);
    const texts = (page: Page, selector: string) => page.locator(selector).allInnerTexts();

    it('overview: says how often the reference is right, and links to where it is most wrong', () =>
      inView('#/overview', async (page) => {
        await page.locator('.verdict').waitFor();
        const accuracy = pairs.filter((pair) => marginOf(pair) > 0).length / pairs.length;
        expect(await page.locator('.verdict b').innerText()).toBe(`${(100 * accuracy).toFixed(1)}%`);
        expect(await page.locator('.verdict').getAttribute('class')).toContain('bad');
        const worst = pairs
          .map(marginOf)
          .reduce((best, margin, i, all) => (margin < all[best]! ? i : best), 0);
        expect(await page.locator('.chips a').first().getAttribute('href')).toBe(`#/pair/${worst}`);
        expect(await page.locator('svg.plot').count()).toBe(7);
        expect(await page.locator('svg.plot .bar rect').count()).toBe(140);
      }));

    it('pairs: sort and filter as brute force does', () =>
      inView('#/pairs?sort=margin&reference=wrong&tokens=60..', async (page) => {
        const expected = pairs
          .map((pair, index) => ({
            index,
            margin: marginOf(pair),
            total: pair.promptIds.length + pair.chosenIds.length + pair.rejectedIds.length,
          }))
          .filter(({ margin, total }) => margin < 0 && total >= 60)
          .sort((a, b) => a.margin - b.margin);
        await page.locator('.row .opening').first().waitFor();
        expect(await page.locator('.count').innerText()).toMatch(new RegExp(`^${expected.length} of`));
        expect((await texts(page, '.row .index')).slice(0, 8)).toEqual(
          expected.slice(0, 8).map(({ index }) => String(index)),
        );
        await page.getByLabel('Order').selectOption('down');
        await expect
          .poll(async () => (await texts(page, '.row .index'))[0])
          .toBe(String(expected.at(-1)!.index));
        expect(page.url()).toContain('order=down');
        await page.getByRole('button', { name: 'Show all' }).click();
        await expect.poll(() => page.locator('.count').innerText()).toMatch(/^1\s500 of/);
      }));

    it('pairs: only the rows in sight exist, and keys reach the last', () =>
      inView('#/pairs', async (page) => {
        const list = page.getByRole('listbox', { name: 'Pairs' });
        await list.focus();
        expect(await page.locator('.row').count()).toBeLessThan(40);
        await page.keyboard.press('End');
        await expect.poll(async () => (await texts(page, '.row .index')).at(-1)).toBe('1499');
        await page.keyboard.press('Home');
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('PageDown');
        const active = await page.locator('.row.active .index').innerText();
        expect(Number(active)).toBeGreaterThan(3);
        await page.keyboard.press('Enter');
        await page.locator('.answers').waitFor();
        expect(await page.locator('h1').innerText()).toBe(`Pair ${active}`);
      }));

    it('pairs: the search finds what brute force finds, and filters stay in force', () =>
      inView('#/pairs', async (page) => {
        const textOf = (ids: readonly number[]) =>
          ids.map((id) => (WORD_VOCABULARY.special.includes(id) ? '' : WORD_VOCABULARY.texts[id])).join('');
        await page.getByLabel('Search in prompts and answers').fill('Cat dog');
        await page.keyboard.press('Enter');
        await page.getByText('All pairs were read.').waitFor();
        const expected = pairs.flatMap((pair, index) =>
          [pair.promptIds, pair.chosenIds, pair.rejectedIds].some((ids) => textOf(ids).includes('cat dog'))
            ? [index]
            : [],
        );
        expect(await page.locator('.count').innerText()).toMatch(new RegExp(`^${expected.length} of`));
        expect((await texts(page, '.row .index')).slice(0, 6)).toEqual(expected.slice(0, 6).map(String));
        expect(await page.locator('.row .opening').first().innerText()).toMatch(
          /(prompt|chosen|rejected): .*cat dog/,
        );
        await page.getByLabel('Reference', { exact: true }).selectOption('right');
        const right = expected.filter((index) => marginOf(pairs[index]!) > 0);
        await expect
          .poll(() => page.locator('.count').innerText())
          .toMatch(new RegExp(`^${right.length} of`));
      }));

    it('pairs: the way back leads to the place one came from', () =>
      inView('#/pairs?sort=margin', async (page) => {
        const first = async () => (await texts(page, '.row .index'))[0];
        await page.locator('.list').evaluate((list) => list.scrollTo(0, 30_000));
        await expect.poll(first).not.toBe(undefined);
        await page.waitForTimeout(100);
        const there = await first();
        await page.locator('.row').nth(9).click();
        await page.locator('.token').first().waitFor();
        await page.goBack();
        await page.locator('.row').first().waitFor();
        await expect.poll(first).toBe(there);
        await page.locator('.row').nth(9).click();
        await page.getByRole('link', { name: 'Back to the list' }).click();
        await expect.poll(first).toBe(there);
        expect(page.url()).toContain('sort=margin');
        await page.getByLabel('Order').selectOption('down');
        await expect.poll(() => page.locator('.list').evaluate((list) => list.scrollTop)).toBe(0);
      }));

    it('pairs: a search can be stopped, and what it found stays', async () => {
      const slow = await servePage(
        await madeSite({ pairs, rowsPerShard: 32, vocabulary: WORD_VOCABULARY }),
        60,
      );
      await quietView(browser, slow, '#/pairs?text=cat', async (page) => {
        await page.getByText(/[1-9]\d* found in/).waitFor();
        await page.getByRole('button', { name: 'Stop' }).click();
        const line = page.locator('.search-line');
        await expect.poll(() => line.innerText()).toContain('Stopped.');
        const [, found, read] = /([\d\s]+) found in ([\d\s]+) of 1\s500/.exec(await line.innerText())!;
        const number = (shown: string) => Number(shown.replaceAll(/\s/g, ''));
        expect(number(read!)).toBeLessThan(1500);
        const listed = async () =>
          number(/^([\d\s]+) of/.exec(await page.locator('.count').innerText())![1]!);
        await expect.poll(listed).toBe(number(found!));
      });
      await slow.close();
    });

    /** Kept tokens as the page shows them, as text of 0 and 1. */
    const shown = (page: Page, side: string) =>
      page.evaluate(
        (name) =>
          [...document.querySelectorAll(`.answer.${name} .token`)]
            .map((token) => (token.classList.contains('kept') ? 1 : 0))
            .join(''),
        side,
      );

    it(
      'pair: the slider keeps exactly the tokens that the trainer keeps, by every rule',
      () =>
        inView('#/pair/0', async (page) => {
          let seen = 0;
          for (const index of [0, 8, 246, 512, 1498]) {
            await page.goto(`${server.url}#/pair/${index}`);
            await page.getByRole('heading', { name: `Pair ${index}`, exact: true }).waitFor();
            await page.getByText(`id-${index} `).waitFor();
            const [policyChosen, policyRejected] = policies[1]!.logps
              .get(index)!
              .map((list) => Float32Array.from(list)) as [Float32Array, Float32Array];
            const pair = pairs[index]!;
            for (const rule of SELECTION_RULES) {
              await page.getByLabel('Selection rule').selectOption(rule);
              for (const percent of rule === 'all' ? [40] : [1, 40, 77]) {
                if (rule !== 'all') await page.getByLabel('k, share of tokens').fill(String(percent));
                const options = { rule, keep: percent / 100, spanUnit: 'window' as const, spanWindow: 5 };
                const [kept] = selectTokens(
                  [
                    {
                      logps: {
                        ...{ policyChosen, policyRejected },
                        ...{
                          refChosen: Float32Array.from(pair.chosenRefLogps),
                          refRejected: Float32Array.from(pair.rejectedRefLogps),
                        },
                      },
                      ...{
                        chosenIds: Int32Array.from(pair.chosenIds),
                        rejectedIds: Int32Array.from(pair.rejectedIds),
                      },
                      // The run's seed is 3; the page begins at step 1.
                      seed: mixSeeds(mixSeeds(3, 1), index),
                    },
                  ],
                  options,
                );
                const expected = [kept!.chosen.join(''), kept!.rejected.join('')];
                await expect
                  .poll(async () => [await shown(page, 'chosen'), await shown(page, 'rejected')])
                  .toEqual(expected);
                seen++;
              }
            }
          }
          expect(seen).toBe(5 * (3 * 6 + 1));
        }),
      120_000,
    );

    it('pair: the rule span over sentences, and random with another seed and step', () =>
      inView(`#/pair/${longest}`, async (page) => {
        await page.locator('.token').first().waitFor();
        const kept = () => shown(page, 'chosen');
        await page.getByLabel('Selection rule').selectOption('span');
        await page.getByLabel('Averaged over').selectOption('sentence');
        const ids = pairs[longest]!.chosenIds;
        const bySentence = await kept();
        // Tokens of a sentence are kept or left together.
        ids.slice(0, -1).forEach((id, t) => {
          if (!WORD_VOCABULARY.sentenceEnds.includes(id)) expect(bySentence[t + 1]).toBe(bySentence[t]);
        });
        await page.getByLabel('Selection rule').selectOption('random');
        const first = await kept();
        await page.getByLabel('Step', { exact: true }).fill('2');
        await page.keyboard.press('Tab');
        await expect.poll(kept).not.toBe(first);
        await page.getByLabel('Step', { exact: true }).fill('1');
        await page.keyboard.press('Tab');
        await expect.poll(kept).toBe(first);
      }));

    it('pair: hover and focus give the figures of a token', () =>
      inView('#/pair/8', async (page) => {
        const pair = pairs[8]!;
        const [chosen, rejected] = policies[1]!.logps.get(8)!;
        const figure = (name: string) =>
          page.locator(`.token-figures div:has(dt:text-is("${name}")) dd`).innerText();
        await page.locator('.answer.rejected .token').nth(0).hover();
        expect(await figure('id')).toBe(String(pair.rejectedIds[0]));
        expect(await figure('lp reference')).toMatch(
          new RegExp(`^−${Number((-pair.rejectedRefLogps[0]!).toPrecision(4))} `),
        );
        const score = rejected[0]! - pair.rejectedRefLogps[0]!;
        expect((await figure('score')).replace('−', '-')).toBe(String(Number(score.toPrecision(4))));
        await page.locator('.answer.chosen .token').nth(0).focus();
        await page.keyboard.press('ArrowRight');
        expect(await figure('id')).toBe(String(pair.chosenIds[1]));
        expect(await figure('lp policy')).toMatch(
          new RegExp(`^−?${Number(Math.abs(chosen[1]!).toPrecision(4))} `),
        );
        expect(await figure('selection')).toMatch(/^(kept|left out)$/);
        await page.keyboard.press('End');
        expect(await figure('chosen, token')).toBe(`${chosen.length} of ${chosen.length}`);
      }));

    it('pair: without a policy selects by the rules that need none, and says so', () =>
      inView('#/pair/9', async (page) => {
        await page.getByText('not in the sample that the policy was scored on').waitFor();
        expect(await page.locator('.token.kept').count()).toBe(0);
        expect(await page.getByLabel('Tint by').locator('option').allInnerTexts()).toEqual([
          'nothing',
          'log-prob, reference',
        ]);
        await page.getByLabel('Selection rule').selectOption('all');
        await expect
          .poll(() => page.locator('.token.kept').count())
          .toBe(pairs[9]!.chosenIds.length + pairs[9]!.rejectedIds.length);
      }));

    it('pair: the difference shows both answers whole', () =>
      inView('#/pair/8', async (page) => {
        await page.getByLabel('Difference').check();
        const read = (skip: string) =>
          page.evaluate((left) => {
            const box = document
              .querySelector('section[aria-label="Difference of the answers"] .tokens')!
              .cloneNode(true) as Element;
            for (const element of box.querySelectorAll(`${left}, .only > .mark, .break .mark`))
              element.remove();
            return box.textContent;
          }, skip);
        const whole = (ids: readonly number[]) => ids.map((id) => WORD_VOCABULARY.texts[id]).join('');
        expect(await read('del')).toBe(whole(pairs[8]!.chosenIds));
        expect(await read('ins')).toBe(whole(pairs[8]!.rejectedIds));
      }));

    it('policy: compares checkpoints, and how the selection moved', () =>
      inView('#/policy', async (page) => {
        await page.getByText('Jaccard similarity').waitFor();
        const fact = async (name: string) =>
          Number(
            (await page.locator(`.fact:has(dt:text-is("${name}")) b`).innerText()).replaceAll(/\s/g, ''),
          );
        const [stayed, entered, left] = [
          await fact('Tokens that stayed'),
          await fact('Tokens that entered'),
          await fact('Tokens that left'),
        ];
        expect(await fact('Jaccard similarity')).toBeCloseTo(stayed / (stayed + entered + left), 3);
        expect(entered).toBeGreaterThan(0);
        await page.getByLabel('Selection rule').selectOption('all');
        await expect.poll(() => fact('Jaccard similarity')).toBe(1);
        await page.getByLabel('Checkpoint').selectOption('step-10');
        await page.getByRole('heading', { name: 'Policy against reference' }).waitFor();
        await expect.poll(() => page.locator('svg.plot .heading').first().textContent()).toContain('step-10');
      }));

    it('run: a curve of every figure', () =>
      inView('#/run', async (page) => {
        await page.locator('svg.plot').first().waitFor();
        expect(await page.locator('svg.plot .heading').allTextContents()).toEqual([
          'loss over steps',
          'rewards/accuracies over steps',
          'lr over steps',
        ]);
        expect(await page.locator('.state').innerText()).toContain('20 steps');
      }));

    it('is read in light and dark, and remembers the choice', () =>
      inView('#/pair/8', async (page) => {
        await page.locator('.token').first().waitFor();
        const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        expect(await ground()).toBe('rgb(255, 255, 255)');
        await page.getByLabel('Theme').selectOption('dark');
        expect(await ground()).toBe('rgb(20, 23, 26)');
        await page.reload();
        await page.locator('.token').first().waitFor();
        expect(await ground()).toBe('rgb(20, 23, 26)');
      }));

    it('shows nothing wider than a telephone', async () => {
      const { page, complaints } = await watchedPage(browser, server.url, {
        viewport: { width: 390, height: 844 },
      });
      for (const [hash, sign] of [
        ['overview', '.verdict'],
        ['pairs', '.row'],
        ['pair/8', '.token'],
        ['policy', 'table'],
        ['run', 'svg.plot'],
      ]) {
        await page.goto(`${server.url}#/${hash}`);
        await page.locator(sign!).first().waitFor();
        expect(
          await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
          hash,
        ).toBeLessThanOrEqual(0);
      }
      expect(complaints).toEqual([]);
    });
  },
);
