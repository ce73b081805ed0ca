/**
 * How much memory a pass takes, before it is run. An upper bound in practice, not a proof: bench/memory.mjs compares it with
 * what the operating system reports.
 */
import type { ModelConfig } from '../files/index.js';
import { hasFused } from '../engine/fused-kernels.js';
import { hasInPlaceSums } from '../engine/in-place-sums.js';
import type { ActivationPolicy } from './backward-pass.js';
import { parameterSpecs } from './parameters.js';

/** The size of one pass: what {@link trainingMemory} and {@link scoringMemory} depend on beside the model. */
export interface PassSize {
  /** Packed tokens computed together. */
  tokens: number;
  /** Packed tokens of the longest sequence: plain attention holds its scores. */
  longest: number;
  /** Rows whose logits are held at one time. */
  logitRows: number;
  activations: ActivationPolicy;
}

/** Bytes by what they are for. */
export interface MemoryDemand {
  /** Weights; in training also gradients and the two moments. */
  state: number;
  /** Kept from the forward to the backward pass. */
  activations: number;
  /** Held for a moment: one layer at work, logits, sums of gradients. */
  work: number;
  total: number;
}

const FLOAT_BYTES = 4;

/**
 * Share of memory that the allocator holds beside what is in use: freed blocks of other sizes. Measured between 0.05 and
 * 0.15 (bench/memory.mjs).
 */
const ALLOCATOR_SHARE = 0.2;

/** Parameters of the architecture. */
export function parameterCount(config: ModelConfig): number {
  return parameterSpecs(config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/**
 * Bytes of training in float32 on the current engine with AdamW, beside the process itself.
 * @param candidates whether positions have candidates, whose gradients take logits of their own.
 */
export function trainingMemory(config: ModelConfig, size: PassSize, candidates = false): MemoryDemand {
  const parameters = parameterCount(config);
  const { hiddenSize: d, vocabSize, numHiddenLayers } = config;
  const layer = keptByLayer(config, size);
  const kept = size.activations === 'keep' ? layer * numHiddenLayers : d * numHiddenLayers + layer;
  const copies = (hasFused('SdpoTokenLogps') ? 2 : 4) + (candidates ? 2 : 0);
  const logits = size.logitRows * vocabSize * copies;
  // Beside the gradient by the head that stays: this pass's and a chunk's of it; where sums are not made in place, a third.
  const sums = (hasInPlaceSums() ? 2 : 3) * vocabSize * d;
  // A layer's own gradients stand beside the sums that they are added to.
  const layerGradients = (2 * (parameters - vocabSize * d)) / numHiddenLayers;
  const layerWork = size.tokens * workOfLayer(config, size) + layerGradients;
  return demand(4 * parameters, size.tokens * kept, Math.max(logits + sums, layerWork, sums));
}

/**
 * Bytes of log-probs alone on the current engine, beside the process itself.
 * @param mostLikely whether logits are read from the engine for the most likely tokens.
 */
export function scoringMemory(
  config: ModelConfig,
  size: Omit<PassSize, 'activations'>,
  mostLikely = false,
): MemoryDemand {
  const copies = (hasFused('SdpoTokenLogps') ? 1 : 3) + (mostLikely ? 1 : 0);
  const logits = size.logitRows * config.vocabSize * copies;
  const layerWork = size.tokens * (keptByLayer(config, size) + 2 * config.hiddenSize);
  return demand(parameterCount(config), 0, Math.max(logits, layerWork));
}

function demand(state: number, activations: number, work: number): MemoryDemand {
  const bytes = (floats: number): number => Math.ceil(floats * FLOAT_BYTES * (1 + ALLOCATOR_SHARE));
  const parts = { state: bytes(state), activations: bytes(activations), work: bytes(work) };
  return { ...parts, total: parts.state + parts.activations + parts.work };
}

/** Floats a token that one layer keeps for its backward pass: see `SavedLayer`. */
function keptByLayer(config: ModelConfig, { longest }: Pick<PassSize, 'longest'>): number {
  const { hiddenSize: d, intermediateSize: f, numAttentionHeads: heads } = config;
  const plain = 2 * d + widthOfHeads(config) + 2 * f;
  // Plain attention keeps padded queries, keys and values, and the probabilities of every head.
  return (
    plain +
    (hasFused('SdpoAttention')
      ? widthOfJoint(config) + heads
      : 1.25 * widthOfJoint(config) + 1.25 * heads * longest)
  );
}

/** Floats a token that a layer's backward pass holds beside what was kept. */
function workOfLayer(config: ModelConfig, { longest }: PassSize): number {
  const { hiddenSize: d, intermediateSize: f, numAttentionHeads: heads } = config;
  const mlp = 4 * f + 3 * d;
  const attention = 2 * widthOfJoint(config) + 2 * widthOfHeads(config) + 4 * d;
  return hasFused('SdpoAttention')
    ? Math.max(mlp, attention)
    : Math.max(2.5 * mlp, 2 * attention + 3 * heads * longest);
}

function widthOfHeads({ numAttentionHeads, headDim }: ModelConfig): number {
  return numAttentionHeads * headDim;
}

function widthOfJoint({ numAttentionHeads, numKeyValueHeads, headDim }: ModelConfig): number {
  return (numAttentionHeads + 2 * numKeyValueHeads) * headDim;
}
