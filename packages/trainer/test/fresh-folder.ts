import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An empty folder of its own. */
export const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-trainer-'));
