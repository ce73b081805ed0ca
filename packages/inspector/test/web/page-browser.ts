/** Chromium for the tests of the page, and what it complains of. */
import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('chromium');
const EXECUTABLE = process.env['SELECTIVE_DPO_CHROMIUM'] ?? '/usr/bin/chromium';

/** Why tests in a browser are skipped; undefined where they run. */
export const withoutChromium: string | undefined =
  existsSync(EXECUTABLE) || required
    ? undefined
    : `no Chromium at ${EXECUTABLE} (or $SELECTIVE_DPO_CHROMIUM)`;

/** @throws where there is none although it is required. */
export function startChromium(): Promise<Browser> {
  const root = process.getuid?.() === 0;
  return chromium.launch({ executablePath: EXECUTABLE, args: root ? ['--no-sandbox'] : [] });
}

/** A page that remembers what went wrong in it. */
export interface WatchedPage {
  page: Page;
  /** Errors on the console (violations of the security policy among them), exceptions, dialogs, requests to other hosts. */
  complaints: string[];
}

/** Opens a page of its own. @param address every request must go there. */
export async function watchedPage(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(address)) complaints.push(`request: ${request.url()}`);
  });
  return { page, complaints };
}

/** Opens a view, runs the test, and holds the page to its silence. @param site whose page it is. @param expected complaints that are. */
export async function quietView(
  browser: Browser,
  site: { url: string },
  hash: string,
  test: (page: Page) => Promise<void>,
  options: BrowserContextOptions = {},
  expected = /^$/,
): Promise<void> {
  const { page, complaints } = await watchedPage(browser, site.url, options);
  try {
    await page.goto(site.url + hash);
    await page.locator('main h1').waitFor();
    await test(page);
    expect(complaints.filter((complaint) => !expected.test(complaint))).toEqual([]);
  } finally {
    await page.context().close();
  }
}
