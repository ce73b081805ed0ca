/** Every parser of what strangers supply. */
import type { FuzzTarget } from '../run/target.js';
import { cacheArrowTarget, cacheManifestTarget, cacheParquetTarget } from './cache-target.js';
import { arrowTarget, parquetTarget } from './columnar-target.js';
import { configTarget, generationConfigTarget } from './config-target.js';
import { requestTarget } from './request-target.js';
import { rowsTarget } from './rows-target.js';
import { safetensorsTarget } from './safetensors-target.js';
import { sweepTarget } from './sweep-target.js';
import { templateTarget } from './template-target.js';
import { tokenizerTarget } from './tokenizer-target.js';
import { trainConfigTarget, trainWordsTarget } from './train-config-target.js';
import { weightsIndexTarget } from './weights-index-target.js';

export const targets: readonly FuzzTarget[] = [
  safetensorsTarget,
  weightsIndexTarget,
  configTarget,
  generationConfigTarget,
  tokenizerTarget,
  templateTarget,
  rowsTarget,
  parquetTarget,
  arrowTarget,
  cacheParquetTarget,
  cacheArrowTarget,
  cacheManifestTarget,
  sweepTarget,
  trainConfigTarget,
  trainWordsTarget,
  requestTarget,
];
