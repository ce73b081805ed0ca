import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const WEB = new URL('../../dist/web/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, WEB), 'utf8');

describe('the built page', () => {
  const html = read('index.html');
  const assets = readdirSync(new URL('assets/', WEB));

  it('has neither script nor style in its markup, and relative addresses alone', () => {
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/i);
    expect(html.match(/<script[^>]*>[^<]+<\/script>/i)).toBeNull();
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);
    expect(addresses.length).toBeGreaterThanOrEqual(3);
    for (const address of addresses) expect(address).toMatch(/^\.\/assets\/[\w-]+-[\w-]{8}\.(?:js|css|svg)$/);
  });

  it('is one script, one worker and one style sheet, none of which needs Node or makes code of texts', () => {
    expect(assets.filter((name) => name.endsWith('.js'))).toHaveLength(2);
    expect(assets.filter((name) => name.endsWith('.css'))).toHaveLength(1);
    for (const name of assets.filter((one) => one.endsWith('.js'))) {
      const source = read(`assets/${name}`);
      expect(source).not.toMatch(/browser-external|from\s*["']node:|require\(["']node:/);
      expect(source).not.toMatch(/\beval\(|new Function\(/);
      expect(source.length).toBeGreaterThan(10_000);
    }
  });
});
