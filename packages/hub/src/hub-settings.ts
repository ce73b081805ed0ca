/**
 * Where the hub is and where its files are kept, by the same environment variables as Python's huggingface_hub (its
 * `constants.py` and `utils/_auth.py`).
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InputError, bareAddress, quoteValue, readRegularFile, sendableKey } from '@selective-dpo/foundation';

export interface HubSettings {
  /** `https://huggingface.co`, or a mirror. */
  endpoint: URL;
  /** Folder of the repositories' folders `models--org--name`. */
  cacheFolder: string;
  /** Nothing is asked of any server. */
  offline: boolean;
  /** Sent to the endpoint alone. */
  token: string | undefined;
  /** Longest time without a byte. */
  idleMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ENDPOINT = 'https://huggingface.co';
const DEFAULT_IDLE_SECONDS = 10;
const MAX_IDLE_SECONDS = 86_400;
const MAX_TOKEN_BYTES = 4096;
const TRUE = new Set(['1', 'ON', 'YES', 'TRUE']);

/** Says where a token comes from and how to make one. */
export const TOKEN_HINT = 'put a token of your account into HF_TOKEN';

/**
 * Reads the environment, and the file of the token where there is one.
 * @throws InputError `hub-endpoint`, `hub-token`, `hub-setting`; those of reading the token's file, but for an absent one.
 */
export async function hubSettings(environment: Environment = process.env): Promise<HubSettings> {
  const given = (name: string): string | undefined => environment[name] || undefined;
  const folder = (name: string): string | undefined => expanded(given(name), environment);
  const home =
    folder('HF_HOME') ?? join(folder('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  return {
    endpoint: bareAddress(given('HF_ENDPOINT') ?? DEFAULT_ENDPOINT, {
      ...{ code: 'hub-endpoint', what: 'the hub', field: 'HF_ENDPOINT' },
    }),
    cacheFolder: folder('HF_HUB_CACHE') ?? folder('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub'),
    offline: isTrue(given('HF_HUB_OFFLINE') ?? given('TRANSFORMERS_OFFLINE')),
    token: isTrue(given('HF_HUB_DISABLE_IMPLICIT_TOKEN'))
      ? undefined
      : await accessToken(
          given('HF_TOKEN') ?? given('HUGGING_FACE_HUB_TOKEN'),
          folder('HF_TOKEN_PATH') ?? join(home, 'token'),
        ),
    idleMs: 1000 * secondsOf(given('HF_HUB_DOWNLOAD_TIMEOUT')),
  };
}

async function accessToken(given: string | undefined, file: string): Promise<string | undefined> {
  if (given !== undefined) return sendableKey(given, 'hub-token', 'it comes from HF_TOKEN');
  let text: string;
  try {
    text = (await readRegularFile(file, MAX_TOKEN_BYTES)).toString('utf8');
  } catch (error) {
    // Nobody has logged in on this machine.
    if (error instanceof InputError && error.code === 'file-not-found') return undefined;
    throw error;
  }
  return sendableKey(text, 'hub-token', `it comes from ${file}`);
}

/** As Python's expanduser and expandvars: `~/x`, `$NAME/x`, `${NAME}/x`. */
function expanded(path: string | undefined, environment: Environment): string | undefined {
  return path
    ?.replace(/^~(?=[\\/]|$)/, () => homedir())
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, plain?: string, braced?: string) => {
      return environment[plain ?? braced!] ?? whole;
    });
}

function isTrue(value: string | undefined): boolean {
  return TRUE.has((value ?? '').toUpperCase());
}

function secondsOf(value: string | undefined): number {
  if (value === undefined) return DEFAULT_IDLE_SECONDS;
  const seconds = /^\d{1,6}$/.test(value) ? Number(value) : NaN;
  if (seconds >= 1 && seconds <= MAX_IDLE_SECONDS) return seconds;
  throw new InputError('hub-setting', 'an environment variable has a value that is not allowed', {
    field: 'HF_HUB_DOWNLOAD_TIMEOUT',
    found: quoteValue(value),
    expected: `a whole number of seconds from 1 to ${MAX_IDLE_SECONDS}`,
  });
}
