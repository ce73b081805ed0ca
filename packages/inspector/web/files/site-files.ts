/** The files of a site, read whole or by ranges of bytes. */
import { SiteProblem } from './site-problem.js';

/** Bytes from `start` up to, not including, `end`; or the last bytes of a file. */
export type ByteRange = { start: number; end: number } | { last: number };

export interface FilePiece {
  bytes: Uint8Array;
  /** Bytes of the whole file. */
  total: number;
}

export interface SiteFiles {
  /**
   * @param path relative to the page.
   * @param range all of the file where it is missing. What lies beyond the end is left out.
   * @throws SiteProblem where the file cannot be read.
   */
  read(path: string, range?: ByteRange): Promise<FilePiece>;
}

/** A whole file that a host without ranges sent is kept up to this size, the newest alone. */
const MAX_KEPT = 256 << 20;
/** What of a file is taken from such a host. */
const MAX_WHOLE = 1 << 30;

/**
 * Refuses paths that leave the folder of the page: a site names its own files only.
 * @throws SiteProblem
 */
export function checkSitePath(path: string): string {
  const parts = path.split('/');
  const leaves = parts.some((part) => part === '' || part === '.' || part === '..');
  // eslint-disable-next-line no-control-regex
  if (leaves || /[\\:?#%\u0000-\u001f]/.test(path)) {
    throw new SiteProblem(
      `the site names a file outside its own folder: ${JSON.stringify(path.slice(0, 120))}`,
    );
  }
  return path;
}

/** Files on the host that the page came from. */
export class FetchedFiles implements SiteFiles {
  private kept: { path: string; bytes: Uint8Array } | undefined;

  /** @param base address of the page. */
  constructor(
    private readonly base: string,
    private readonly ask: typeof fetch = (input, init) => fetch(input, init),
  ) {}

  async read(path: string, range?: ByteRange): Promise<FilePiece> {
    checkSitePath(path);
    if (range !== undefined && this.kept?.path === path) return cut(this.kept.bytes, range);
    const response = await this.answer(path, range);
    if (response.status === 416) return { bytes: new Uint8Array(0), total: totalOf(response) ?? 0 };
    if (!response.ok) throw refusal(path, response.status);
    if (range !== undefined && response.status === 200) refuseLarge(path, response);
    const bytes = new Uint8Array(await this.body(path, response));
    if (range === undefined || response.status !== 206) {
      if (range === undefined) return { bytes, total: bytes.length };
      // The host knows no ranges: it sent everything.
      if (bytes.length <= MAX_KEPT) this.kept = { path, bytes };
      return cut(bytes, range);
    }
    return { bytes, total: totalOf(response) ?? bytes.length };
  }

  private async answer(path: string, range: ByteRange | undefined): Promise<Response> {
    const address = new URL(path.split('/').map(encodeURIComponent).join('/'), this.base);
    try {
      return await this.ask(
        address,
        // Pieces of files that may grow are kept by nobody.
        range === undefined
          ? { cache: 'no-cache' }
          : { headers: { Range: rangeHeader(range) }, cache: 'no-store' },
      );
    } catch {
      throw new SiteProblem(
        `${path} cannot be reached`,
        'Is the server still running? Start it again and reload.',
      );
    }
  }

  private async body(path: string, response: Response): Promise<ArrayBuffer> {
    try {
      return await response.arrayBuffer();
    } catch {
      throw new SiteProblem(`the connection broke while ${path} was read`, 'Reload the page.');
    }
  }
}

/** A host that sends everything may send too much. */
function refuseLarge(path: string, response: Response): void {
  if (Number(response.headers.get('Content-Length') ?? 0) <= MAX_WHOLE) return;
  throw new SiteProblem(
    `the host sends ${path} as a whole, and it is larger than ${MAX_WHOLE >> 20} MiB`,
    'Take a host that knows ranges of bytes, as sdpo inspect does.',
  );
}

function refusal(path: string, status: number): SiteProblem {
  return status === 404
    ? new SiteProblem(`there is no file ${path} (404)`, 'Is this folder a site that sdpo inspect made?')
    : new SiteProblem(`the host refuses ${path} (${status})`);
}

function rangeHeader(range: ByteRange): string {
  return 'last' in range ? `bytes=-${range.last}` : `bytes=${range.start}-${range.end - 1}`;
}

/** `Content-Range: bytes 0-9/1234` → 1234. */
function totalOf(response: Response): number | undefined {
  const total = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

function cut(bytes: Uint8Array, range: ByteRange): FilePiece {
  const [start, end] =
    'last' in range ? [Math.max(0, bytes.length - range.last), bytes.length] : [range.start, range.end];
  return { bytes: bytes.slice(start, end), total: bytes.length };
}

/** Files that lie in the page itself, as base64 by path. */
export class EmbeddedFiles implements SiteFiles {
  private readonly files: ReadonlyMap<string, string>;
  private readonly decoded = new Map<string, Uint8Array>();

  constructor(files: Readonly<Record<string, string>>) {
    this.files = new Map(Object.entries(files));
  }

  read(path: string, range?: ByteRange): Promise<FilePiece> {
    return new Promise((resolve) => {
      let bytes = this.decoded.get(path);
      if (bytes === undefined) {
        const text = this.files.get(path);
        if (typeof text !== 'string') throw new SiteProblem(`this page does not hold the file ${path}`);
        bytes = fromBase64(text, path);
        this.decoded.set(path, bytes);
      }
      resolve(range === undefined ? { bytes, total: bytes.length } : cut(bytes, range));
    });
  }
}

function fromBase64(text: string, path: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new SiteProblem(`the file ${path} inside this page is damaged`);
  }
}
