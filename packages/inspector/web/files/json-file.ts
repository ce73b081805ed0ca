/** JSON files of a site. */
import type { SiteFiles } from './site-files.js';
import { SiteProblem } from './site-problem.js';

const MAX_BYTES = 64 << 20;

export type JsonObject = { readonly [key: string]: unknown };

/**
 * An object out of a file. Keys like `__proto__` stay plain keys: JSON.parse makes own properties of them, and nothing is copied.
 * @throws SiteProblem where it is none.
 */
export async function readJson(files: SiteFiles, path: string): Promise<JsonObject> {
  const { bytes } = await files.read(path, { start: 0, end: MAX_BYTES });
  if (bytes.length === MAX_BYTES) throw new SiteProblem(`${path} is larger than ${MAX_BYTES >> 20} MiB`);
  const value = parsed(new TextDecoder().decode(bytes), path);
  if (!isObject(value)) throw new SiteProblem(`${path} holds no JSON object`);
  return value;
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SiteProblem(`${path} is damaged: it is no JSON`, 'Make the site again.');
  }
}

/** Whether a value is an object, and no list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
