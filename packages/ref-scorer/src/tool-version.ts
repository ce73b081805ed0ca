import { createRequire } from 'node:module';

/** Version of selective-dpo, recorded in every cache. */
export const TOOL_VERSION = (createRequire(import.meta.url)('../package.json') as { version: string })
  .version;
