/**
 * Rotary position settings, from both generations of `config.json`: `rope_theta` beside `rope_scaling` (transformers 4,
 * whose type is called `type` or `rope_type`) and `rope_parameters` (transformers 5).
 */
import { quoteValue } from '@selective-dpo/foundation';
import type { ConfigReader } from './config-reader.js';
import { isJsonObject, type JsonObject, type JsonValue } from './json-text.js';

/** How positions turn into angles. */
export interface RopeConfig {
  /** Base of the wave lengths. */
  theta: number;
  type: 'default' | 'linear' | 'llama3';
  /** Positions per trained position; 1 for type `default`. */
  factor: number;
  /** `llama3` only: wave lengths longer than originalMaxPositionEmbeddings / lowFreqFactor are stretched by `factor`. */
  lowFreqFactor?: number;
  /** `llama3` only: wave lengths shorter than originalMaxPositionEmbeddings / highFreqFactor stay as they are. */
  highFreqFactor?: number;
  /** `llama3` only: the context length of the first training, tokens. */
  originalMaxPositionEmbeddings?: number;
}

const DEFAULT_THETA = 10_000;

const KNOWN_PARAMETERS = new Set([
  'rope_type',
  'type',
  'rope_theta',
  'factor',
  'low_freq_factor',
  'high_freq_factor',
  'original_max_position_embeddings',
  'partial_rotary_factor',
]);

/** Reads the rotary settings; every problem goes to the reader. */
export function readRopeConfig(config: ConfigReader, maxPositionEmbeddings: number): RopeConfig {
  const [source, parameters] = ropeParameters(config);
  const inner = config.within(source, parameters);
  for (const [key, value] of Object.entries(parameters)) {
    if (KNOWN_PARAMETERS.has(key) || value === null) continue;
    inner.refuse('config-unsupported', key, 'this setting of the rotary positions is not supported', {
      found: quoteValue(value),
      expected: [...KNOWN_PARAMETERS].join(', '),
    });
  }
  const partial = inner.value('partial_rotary_factor') ?? 1;
  if (partial !== 1) {
    inner.refuse(
      'config-unsupported',
      'partial_rotary_factor',
      'positions on a part of a head are not supported',
      {
        found: quoteValue(partial),
        expected: '1',
      },
    );
  }
  const rope: RopeConfig = { theta: readTheta(config, inner), type: readType(inner), factor: 1 };
  if (rope.type !== 'default') rope.factor = inner.number('factor', undefined, 1, 1e6);
  if (rope.type === 'llama3') readLlama3(inner, rope, maxPositionEmbeddings);
  return rope;
}

/** The object that holds the settings, and the key it was found under. */
function ropeParameters(config: ConfigReader): [string, JsonObject] {
  const given = (['rope_scaling', 'rope_parameters'] as const).filter(
    (key) => config.value(key) !== undefined,
  );
  if (given.length === 2) {
    config.refuse('config-conflict', 'rope_parameters', 'the rotary positions are described twice', {
      found: 'rope_scaling and rope_parameters',
      expected: 'one of them',
    });
  }
  const key = given.at(-1);
  if (key === undefined) return ['rope_scaling', {}];
  const parameters = config.value(key);
  if (isJsonObject(parameters)) return [key, parameters];
  config.refuse('config-value', key, 'the rotary settings are malformed', {
    found: quoteValue(parameters),
    expected: 'an object or null',
  });
  return [key, {}];
}

function readTheta(outer: ConfigReader, inner: ConfigReader): number {
  const inside = inner.value('rope_theta');
  const outside = outer.value('rope_theta');
  if (inside !== undefined && outside !== undefined && inside !== outside) {
    inner.refuse('config-conflict', 'rope_theta', 'two different values are given', {
      found: `${quoteValue(outside)} and ${quoteValue(inside)}`,
      expected: 'one value',
    });
  }
  return (inside === undefined ? outer : inner).number('rope_theta', DEFAULT_THETA, Number.MIN_VALUE, 1e12);
}

function readType(inner: ConfigReader): RopeConfig['type'] {
  const named = inner.value('rope_type');
  const legacy = inner.value('type');
  const type: JsonValue = named ?? legacy ?? 'default';
  if (named !== undefined && legacy !== undefined && named !== legacy) {
    inner.refuse('config-conflict', 'rope_type', 'type and rope_type differ', {
      found: `${quoteValue(legacy)} and ${quoteValue(named)}`,
      expected: 'one value',
    });
  }
  if (type === 'default' || type === 'linear' || type === 'llama3') return type;
  inner.refuse('config-unsupported', 'rope_type', 'this kind of rotary positions is not supported', {
    found: quoteValue(type),
    expected: 'default, linear or llama3',
  });
  return 'default';
}

function readLlama3(inner: ConfigReader, rope: RopeConfig, maxPositionEmbeddings: number): void {
  rope.lowFreqFactor = inner.number('low_freq_factor', undefined, Number.MIN_VALUE, 1e6);
  rope.highFreqFactor = inner.number('high_freq_factor', undefined, Number.MIN_VALUE, 1e6);
  rope.originalMaxPositionEmbeddings = inner.integer(
    'original_max_position_embeddings',
    undefined,
    1,
    maxPositionEmbeddings,
  );
  if (rope.highFreqFactor <= rope.lowFreqFactor) {
    inner.refuse('config-value', 'high_freq_factor', 'the two frequency factors are in the wrong order', {
      found: String(rope.highFreqFactor),
      expected: `more than low_freq_factor, ${rope.lowFreqFactor}`,
    });
  }
}
