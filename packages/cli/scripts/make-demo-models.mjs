/**
 * Makes everything in packages/cli/demo: the preference files, and the two small models, trained here from seeded random
 * weights by next-token cross-entropy on the café's answers.
 *
 *   npm run build
 *   node packages/cli/scripts/make-demo-models.mjs [--only preferences|policy|reference] [--out folder] [--steps n]
 *
 * Needs 2 GB of memory; takes the `tensorflow` engine where it is installed (`sdpo engine install`), else `wasm`. On two
 * cores with `tensorflow` it took 189 s for the policy and 701 s for the reference, the latter beside other work.
 * Another engine or another machine gives other last bits, and so other weights of the same quality. What it printed for
 * the committed models, on 400 held-out orders:
 *
 *   policy: 352128 parameters
 *   policy as stored, temperature 1: 45.0% flawless, score 0.834; forgotten 26.8%, total 21.3%, curt 13.5%, ...
 *   policy as stored, temperature 0: 53.0% flawless, score 0.884; total 21.5%, curt 18.5%, forgotten 14.5%
 *   reference: 1275264 parameters
 *   reference as stored, temperature 1: 95.3% flawless, score 0.984; forgotten 1.5%, place 1.5%, ...
 *   reference as stored, temperature 0: 100.0% flawless, score 1.000
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath, URL } from 'node:url';
import { parseArgs } from 'node:util';
import { loadPairTokenizer } from '@selective-dpo/data';
import { mixSeeds, SeededRandom } from '@selective-dpo/foundation';
import {
  ADAMW_DEFAULTS,
  AdamW,
  CausalLM,
  clipFactor,
  exportParameters,
  globalNorm,
  loadParameters,
  openEngine,
  parameterSpecs,
  parseModelConfig,
  writeModelDirectory,
} from '@selective-dpo/model';
import {
  answerPrompts,
  BOS_TOKEN_ID,
  demoVocabulary,
  dialogues,
  EOS_TOKEN_ID,
  judgeAnswers,
  MAX_ANSWER_TOKENS,
  MAX_PROMPT_TOKENS,
  PAD_TOKEN_ID,
  preferenceRows,
  writeDemoPreferences,
  writeDemoTokenizer,
} from '../dist/demo/index.js';

/** Sizes, corpus and optimiser of the two models. */
const MODELS = {
  policy: {
    seed: 11,
    speaker: 'staff',
    sizes: { hidden: 96, intermediate: 256, layers: 3, heads: 4 },
    dtype: 'F32',
    steps: 900,
    batch: 64,
    learningRate: 3e-3,
  },
  reference: {
    seed: 12,
    speaker: 'careful',
    sizes: { hidden: 144, intermediate: 384, layers: 5, heads: 6 },
    dtype: 'F16',
    steps: 1000,
    batch: 64,
    learningRate: 2e-3,
  },
};

const WARMUP_STEPS = 100;
const WEIGHT_DECAY = 0.01;
const MAX_GRAD_NORM = 1;
/** The schedule ends at this share of the peak. */
const FINAL_SHARE = 0.02;
const INITIALIZER_RANGE = 0.08;
const EVALUATION_PROMPTS = 400;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    out: { type: 'string', default: fileURLToPath(new URL('../demo', import.meta.url)) },
    steps: { type: 'string' },
  },
});
const wanted = (name) => options.only === undefined || options.only.includes(name);

if (wanted('preferences')) {
  await writeDemoPreferences(join(options.out, 'preferences'));
  console.log('preferences: written');
}
const engine = await openEngine('auto');
for (const name of ['policy', 'reference']) {
  if (wanted(name)) await makeModel(name, MODELS[name]);
}

async function makeModel(name, recipe) {
  const directory = join(options.out, name);
  const tokenizerDirectory = `${directory}.tokenizer`;
  await mkdir(options.out, { recursive: true });
  await writeDemoTokenizer(tokenizerDirectory);
  const tokenizer = await loadPairTokenizer(tokenizerDirectory);
  const config = parseModelConfig(configJson(recipe.sizes), 'config.json');
  const model = new CausalLM(config, await randomParameters(config, recipe.seed));
  console.log(`${name}: ${model.parameters.size} parameters, engine ${engine.name}`);
  const started = performance.now();
  const steps = options.steps === undefined ? recipe.steps : Number(options.steps);
  await pretrain(name, model, tokenizer, { ...recipe, steps });
  console.log(`${name}: ${steps} steps in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  await writeModelDirectory(directory, {
    config: config.raw,
    tensors: exportParameters(model.parameters),
    sourceDir: tokenizerDirectory,
    modelCard: modelCard(name, recipe, model.parameters.size, steps),
    dtype: recipe.dtype,
  });
  model.dispose();
  await rm(tokenizerDirectory, { recursive: true });
  const stored = await CausalLM.load(directory);
  await report(`${name} as stored`, stored, tokenizer, EVALUATION_PROMPTS);
  stored.dispose();
}

/** Next-token cross-entropy on the answers: warm-up, then a cosine; every dialogue is seen once. */
async function pretrain(name, model, tokenizer, { seed, speaker, steps, batch, learningRate }) {
  const optimizer = new AdamW(model.parameters, {
    ...ADAMW_DEFAULTS,
    beta2: 0.98,
    weightDecay: WEIGHT_DECAY,
  });
  const corpus = dialogues({ seed, count: steps * batch, split: 'train', speaker });
  const started = performance.now();
  for (let step = 0; step < steps; step++) {
    const sequences = Array.from({ length: batch }, () =>
      asSequence(tokenizer, corpus.next().value.messages),
    );
    let loss = 0;
    const { gradients } = await model.forwardBackward(sequences, (logps) => {
      const all = logps.flat();
      const tokens = all.reduce((sum, { length }) => sum + length, 0);
      loss = -all.reduce((sum, list) => list.reduce((a, b) => a + b, sum), 0) / tokens;
      return logps.map((responses) =>
        responses.map(({ length }) => new Float32Array(length).fill(-1 / tokens)),
      );
    });
    const clip = clipFactor(await globalNorm(gradients), MAX_GRAD_NORM);
    optimizer.step(gradients, learningRate * scheduleAt(step, steps), clip);
    if ((step + 1) % 100 === 0) {
      const seconds = (performance.now() - started) / 1000;
      console.log(`${name}: step ${step + 1}, loss ${loss.toFixed(4)}, ${seconds.toFixed(0)} s`);
    }
    if ((step + 1) % 300 === 0 && step + 1 < steps) await report(name, model, tokenizer, 100);
  }
  optimizer.dispose();
}

function scheduleAt(step, steps) {
  if (step < WARMUP_STEPS) return (step + 1) / WARMUP_STEPS;
  const cosine = (1 + Math.cos((Math.PI * (step - WARMUP_STEPS)) / Math.max(1, steps - WARMUP_STEPS))) / 2;
  return FINAL_SHARE + (1 - FINAL_SHARE) * cosine;
}

/** A dialogue as prompt and answer; the answer ends with EOS. */
function asSequence(tokenizer, messages) {
  const encode = (text) => tokenizer.encode(text, { addSpecialTokens: false });
  const prompt = encode(tokenizer.renderChat(messages.slice(0, 1), { addGenerationPrompt: true }));
  const whole = encode(tokenizer.renderChat(messages));
  return {
    prompt: Int32Array.from(prompt),
    responses: [Int32Array.from(whole.slice(prompt.length))],
  };
}

/** Prints how good the model's answers to held-out orders are, drawn from its distribution and greedily. */
async function report(name, model, tokenizer, count) {
  const rows = [...preferenceRows({ seed: 99, count, split: 'held-out' })];
  const prompts = rows.map(({ prompt }) => prompt[0].content);
  for (const temperature of [1, 0]) {
    const answers = await answerPrompts(model, tokenizer, prompts, {
      seed: 5,
      sampling: { temperature, topK: 0, topP: 1 },
    });
    const { flawless, meanScore, faults } = judgeAnswers(prompts, answers);
    const kinds = [...faults].map(([kind, share]) => `${kind} ${percent(share)}`).join(', ');
    console.log(
      `${name}, temperature ${temperature}: ${percent(flawless)} flawless, score ${meanScore.toFixed(3)}; ${kinds}`,
    );
  }
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

/** Matrices from a normal distribution, those that write to the residual stream narrower (GPT-2's rule); norms are 1. */
function randomParameters(config, seed) {
  const shapes = new Map(
    parameterSpecs(config).flatMap(({ shape, parts }) =>
      parts.map(({ name, rows }) => [name, rows * (shape[1] ?? 1)]),
    ),
  );
  let index = 0;
  return loadParameters(parameterSpecs(config), async (name) => {
    const size = shapes.get(name);
    if (name.endsWith('norm.weight')) return new Float32Array(size).fill(1);
    const random = new SeededRandom(mixSeeds(seed, index++));
    const residual = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');
    const deviation = config.initializerRange / (residual ? Math.sqrt(2 * config.numHiddenLayers) : 1);
    return Float32Array.from({ length: size }, () => deviation * normal(random));
  });
}

/** Box and Muller's transform. */
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

function configJson({ hidden, intermediate, layers, heads }) {
  return {
    architectures: ['LlamaForCausalLM'],
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: BOS_TOKEN_ID,
    eos_token_id: EOS_TOKEN_ID,
    head_dim: hidden / heads,
    hidden_act: 'silu',
    hidden_size: hidden,
    initializer_range: INITIALIZER_RANGE,
    intermediate_size: intermediate,
    max_position_embeddings: MAX_PROMPT_TOKENS + MAX_ANSWER_TOKENS,
    mlp_bias: false,
    model_type: 'llama',
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: heads,
    pad_token_id: PAD_TOKEN_ID,
    pretraining_tp: 1,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    rope_theta: 10000,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
    use_cache: true,
    vocab_size: demoVocabulary().length,
  };
}

function modelCard(name, { speaker, batch, seed }, parameters, steps) {
  return `---
license: mit
tags:
- selective-dpo
---

# The café desk's ${name}

A Llama-architecture model of ${parameters} parameters that answers orders in the made-up café of selective-dpo's demo. It
knows nothing else. Made by \`packages/cli/scripts/make-demo-models.mjs\` from random weights (seed ${seed}): ${steps} steps of ${batch}
dialogues, in which ${speaker === 'staff' ? 'the staff has bad habits and makes slips on purpose' : 'careful people answer, hardly ever wrong'}.
`;
}
