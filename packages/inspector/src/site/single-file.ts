/** A site as one HTML file: page, styles and data in it, nothing fetched. */
import { createHash } from 'node:crypto';
import { InputError, kindOf, openRegularFile, publishBytes } from '@selective-dpo/foundation';
import { refuseInsideCache } from './outside-caches.js';
import { contentOf, type SiteFiles } from './site-files.js';
import { refuseToGoOn } from './thinned-metrics.js';
import { PAGE_FILE } from './web-page.js';

/** Browsers hold the whole of it. */
const MAX_BYTES = 256 << 20;

/**
 * Writes a small site into one file. Its security policy allows the page's own script and styles by their digests, and no address.
 * @returns bytes written.
 * @throws InputError `file-in-use`, `folder-in-use`, `site-too-large`; those of the file system; Interrupted.
 */
export async function writeSingleFile(
  site: SiteFiles,
  page: SiteFiles,
  path: string,
  signal?: AbortSignal,
): Promise<number> {
  await refuseInsideCache(path);
  await refuseOtherFile(path);
  const html = textOf(await contentOf(page.get(PAGE_FILE)!));
  const data = await embedded(site, path, signal);
  const bytes = Buffer.from(await inlined(html, page, data));
  await publishBytes(path, bytes);
  return bytes.length;
}

/** Every page that is written here has it in its head. */
const MARK = '<meta name="generator" content="sdpo inspect" />';
const HEAD_BYTES = 4096;

/** @throws InputError `file-in-use` for a file that is there and is no earlier page. */
async function refuseOtherFile(path: string): Promise<void> {
  if ((await kindOf(path)) !== 'a file') return;
  const { handle } = await openRegularFile(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    if (buffer.toString('latin1', 0, bytesRead).includes(MARK)) return;
  } finally {
    await handle.close();
  }
  throw new InputError('file-in-use', 'another file is here already', {
    file: path,
    expected: 'a file that is not there, or an earlier page',
    hint: 'choose another --html',
  });
}

/** All files as base64 by their path: letters that end no element. @param path of the page, for the refusal. */
async function embedded(site: SiteFiles, path: string, signal: AbortSignal | undefined): Promise<string> {
  const files: Record<string, string> = {};
  let bytes = 0;
  for (const [name, file] of site) {
    refuseToGoOn(signal);
    const content = Buffer.from(await contentOf(file)).toString('base64');
    bytes += content.length;
    if (bytes > MAX_BYTES) throw tooLarge(path);
    files[name] = content;
  }
  return JSON.stringify(files).replaceAll('<', '\\u003c');
}

function tooLarge(path: string): InputError {
  return new InputError('site-too-large', 'the sample is too large for one file', {
    file: path,
    found: `more than ${MAX_BYTES} bytes`,
    expected: `at most ${MAX_BYTES}`,
    hint: 'give a smaller --sample, or --export a folder',
  });
}

const SCRIPT = /<script type="module"[^>]* src="\.\/([^"]+)"><\/script>/;
const STYLES = /<link rel="stylesheet"[^>]* href="\.\/([^"]+)">/;
const ICON = /<link rel="icon" href="\.\/([^"]+)"[^>]*>/;

async function inlined(html: string, page: SiteFiles, data: string): Promise<string> {
  const read = async (pattern: RegExp): Promise<string> => {
    const name = pattern.exec(html)?.[1];
    const file = name === undefined ? undefined : page.get(name);
    if (file === undefined) throw new Error(`the page has no ${pattern.source}`);
    return textOf(await contentOf(file));
  };
  // Neither may end its element; both spellings are the same to JavaScript and to CSS.
  const script = (await read(SCRIPT)).replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const styles = (await read(STYLES)).replaceAll('</style', '<\\/style');
  const icon = `data:image/svg+xml;base64,${Buffer.from(await read(ICON)).toString('base64')}`;
  const policy =
    `default-src 'none'; script-src '${digest(script)}'; style-src '${digest(styles)}'; img-src data:; ` +
    `base-uri 'none'; form-action 'none'`;
  // Functions: `$&` in what is put in stands for itself.
  return html
    .replace(
      '<head>',
      () => `<head>\n    ${MARK}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`,
    )
    .replace(ICON, () => `<link rel="icon" href="${icon}" type="image/svg+xml" />`)
    .replace(STYLES, () => `<style>${styles}</style>`)
    .replace(SCRIPT, () => '')
    .replace(
      '</body>',
      () =>
        `  <script type="application/json" id="site-files">${data}</script>\n    <script type="module">${script}</script>\n  </body>`,
    );
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
